import { join } from 'node:path'
import { AssetStore, type ResourceKey } from '@cistern/assets'
import { compact } from '#assets/index/compaction.js'
import { JournalLog } from '#assets/index/log.js'
import { readLastOwner } from '#assets/index/ownership.js'
import { recover } from '#assets/index/recovery.js'
import { decrypting, encrypted } from '../../assets/processing/staged.js'
import { spawnChild } from '../../helpers/child.js'
import { contentOf } from '../content.js'
import { History } from '../history.js'
import { FILM_KEYS, FILMS } from '../keys.js'

const BLOCK = 256 * 1024
const [PLAYLIST, VIDEO, ENCRYPTED, UPPER, RAW, AUDIO] = FILM_KEYS as [
  ResourceKey,
  ResourceKey,
  ResourceKey,
  ResourceKey,
  ResourceKey,
  ResourceKey,
]

/**
 * A store with everything in its index, as a killed process left it: finished, half filled, decrypted, raw in flight, being
 * rewritten; pins, leases, recency, metadata; strays; snapshots, their predecessors, and journals before and after them.
 * Nonces from `firstNonce` on say which bytes are whose.
 */
export async function makeFullStore(root: string, firstNonce: number): Promise<void> {
  let nonce = firstNonce
  await life(root, async (store) => {
    await put(store, PLAYLIST, nonce++, 3_000)
    await put(store, UPPER, nonce++, 70_000)
    await putEncrypted(store, ENCRYPTED, nonce++, 50_000)
    await store.pin(FILMS[0] as string) // there are two
  })
  await fold(root)
  await life(root, async (store) => {
    await put(store, PLAYLIST, nonce++, 3_500)
    await put(store, AUDIO, nonce++, 40_000)
    const writer = await begin(store, VIDEO, nonce++, 3 * BLOCK)
    await writer.write(0, BLOCK)
    await writer.write(2 * BLOCK + 1_000, 2 * BLOCK + 5_000)
    await writer.release()
    await store.remove(AUDIO)
  })
  await fold(root)
  await life(root, async (store) => {
    await put(store, AUDIO, nonce++, 45_000)
    await store.setMetadata(UPPER, { ...(store.stat(UPPER)?.metadata as object), later: true })
  })
  await using child = spawnChild(new URL('./full-store-child.js', import.meta.url), { args: [root, String(nonce)] })
  await child.nextMessage()
  await child.kill()
}

/** The last life, which is not going to end by itself. */
export async function lastLife(root: string, firstNonce: number): Promise<void> {
  let nonce = firstNonce
  const store = await open(root)
  const video = await begin(store, VIDEO, 0, 3 * BLOCK)
  await video.write(BLOCK, BLOCK + 700)
  const raw = encrypted(contentOf(RAW.id, nonce, 0, 60_000))
  const got = await store.acquire(RAW, { processor: decrypting(), metadata: { nonce: nonce++, length: 60_000 } })
  await got.writer?.writeAt(0, raw.subarray(0, 20_000))
  await got.writer?.writeAt(30_000, raw.subarray(30_000, 40_000))
  await got.writer?.release()
  const rewriting = await begin(store, AUDIO, nonce++, 30_000, 'rewrite')
  await rewriting.write(0, 10_000)
  await store.checkpoint()
  await put(store, PLAYLIST, nonce++, 4_000)
  await store.remove(UPPER)
  await put(store, UPPER, nonce++, 65_000)
  store.lease(FILMS[1] as string) // there are two
  await store.pin(FILMS[1] as string)
  await store.checkpoint()
}

/** All that its keys ever held: after damage it may be any of it. */
export function historyOfFullStore(firstNonce: number): History {
  const history = new History(
    FILM_KEYS.map(({ id }) => id),
    FILMS,
    'relaxed',
  )
  const held = (key: ResourceKey, offset: number, length: number) => {
    history.add({ is: 'begin', key: key.id, held: { nonce: firstNonce + offset, length } })
  }
  held(PLAYLIST, 0, 3_000)
  held(UPPER, 1, 70_000)
  held(ENCRYPTED, 2, 50_000)
  held(PLAYLIST, 3, 3_500)
  held(AUDIO, 4, 40_000)
  held(AUDIO, 6, 45_000)
  held(PLAYLIST, 9, 4_000)
  held(UPPER, 10, 65_000)
  for (const asset of FILMS) history.add({ is: 'begin-pin', asset, pinned: true })
  return history
}

const open = (root: string): Promise<AssetStore> =>
  AssetStore.open({ root, minFreeBytes: 0, durability: 'strict', flushMs: 5 })

async function life(root: string, live: (store: AssetStore) => Promise<void>): Promise<void> {
  await using store = await open(root)
  await live(store)
  await store.checkpoint()
}

async function put(store: AssetStore, key: ResourceKey, nonce: number, length: number): Promise<void> {
  await store.put(key, contentOf(key.id, nonce, 0, length), { metadata: { nonce, length } })
}

async function putEncrypted(store: AssetStore, key: ResourceKey, nonce: number, length: number): Promise<void> {
  const source = encrypted(contentOf(key.id, nonce, 0, length))
  await store.put(key, source, { processor: decrypting(), metadata: { nonce, length } })
}

interface Filling {
  write(start: number, end: number): Promise<void>
  release(): Promise<void>
}

/** `nonce` 0: goes on with what is there. */
async function begin(
  store: AssetStore,
  key: ResourceKey,
  nonce: number,
  length: number,
  mode: 'fill' | 'rewrite' = 'fill',
): Promise<Filling> {
  const { reader, writer } = await store.acquire(key, { mode, metadata: nonce === 0 ? undefined : { nonce, length } })
  if (!writer) throw new Error(`${key.id} is being written already`)
  const own = nonce || Number(writer.validator?.slice(1, -1))
  await writer.declare({ length, validator: `"${own}"` })
  return {
    write: (start, end) => writer.writeAt(start, contentOf(key.id, own, start, end)),
    release: async () => {
      await writer.release()
      reader.close()
    },
  }
}

/** Folds the journals of a closed store into snapshots, as its owner would once they had grown to a megabyte. */
async function fold(root: string): Promise<void> {
  const dir = join(root, '_index')
  const last = await readLastOwner(dir)
  const session = last?.owner.session
  if (session === undefined) throw new Error(`${root} has had no owner`)
  const { state, storeId, tip, nextNumber, journals, snapshots } = await recover(dir, session)
  const log = new JournalLog({
    dir,
    storeId,
    session,
    relaxed: false,
    predecessor: tip,
    firstNumber: nextNumber,
    check: () => undefined,
    riders: () => [],
    onFailure: (error) => {
      throw error
    },
    onRestored: () => undefined,
    onAppended: () => undefined,
  })
  log.adopt(journals)
  await compact({
    dir,
    storeId,
    session,
    relaxed: false,
    state,
    log,
    counted: new Map(snapshots),
    check: () => undefined,
  })
  await log.close()
}
