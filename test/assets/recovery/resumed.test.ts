// Unfinished resources that one session after another goes on with: who wrote last, and what of it the medium has.
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, statSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AssetStore, type Durability, ResourceKey, type ResourceReader } from '@cistern/assets'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { randomBytes } from '../../helpers/bytes.js'
import { type Child, spawnChild } from '../../helpers/child.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { filesUnder, openDisk } from '../disk/open-disk.js'
import { syncedInodes } from './faults.js'
import { startStore, tell } from './stores.js'

const key = ResourceKey.of('film', 'a.mp4')
/** Of the blocks that the tests write, by number. */
const block = (n: number): Uint8Array<ArrayBuffer> => randomBytes(100 + n, BLOCK_BYTES)

async function writeBlock(store: AssetStore, n: number, before = (): void => undefined): Promise<void> {
  await using got = await store.acquire(key)
  await got.writer?.writeAt(n * BLOCK_BYTES, block(n))
  before()
}

/** Another process that went on with the resource, flushed, and is still there. */
async function resumedBy(root: string, durability: Durability, n: number): Promise<Child> {
  const args = [root, durability, key.id, String(100 + n), String(n * BLOCK_BYTES)]
  const child = spawnChild(new URL('./resuming-child.js', import.meta.url), { args })
  await child.nextMessage()
  return child
}

function partIn(root: string): string {
  const [part, ...others] = filesUnder(root)
  assert.deepEqual(others, [])
  assert.match(part ?? '', /\.part$/)
  return join(root, part ?? '')
}

/** A time of change that can be put back exactly: `utimes` takes no nanoseconds. */
const setTime = (path: string): void => utimesSync(path, 1_700_000_000, 1_700_000_000)

/** As a power cut leaves it: what was never synced is a hole, and the file looks as it did when it was. */
function cutPower(path: string, n: number): void {
  const { size } = statSync(path)
  const file = openSync(path, 'r+')
  writeSync(file, new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES, n * BLOCK_BYTES)
  closeSync(file)
  setTime(path)
  assert.deepEqual([statSync(path).size, statSync(path, { bigint: true }).mtimeNs], [size, 1_700_000_000n * 10n ** 9n])
}

const holds = (reader: ResourceReader, n: number): boolean =>
  reader.coverage.has(n * BLOCK_BYTES, (n + 1) * BLOCK_BYTES)

async function assertServes(reader: ResourceReader, n: number): Promise<void> {
  const target = new Uint8Array(BLOCK_BYTES)
  assert.equal(await reader.readAt(n * BLOCK_BYTES, target), BLOCK_BYTES)
  assert.ok(Buffer.from(target).equals(block(n)), `block ${n} is what was written`)
}

async function assertServesNoZeros(root: string, blocks: readonly number[]): Promise<void> {
  await using store = await openDisk(root)
  await using got = await store.acquire(key)
  for (const n of blocks) if (holds(got.reader, n)) await assertServes(got.reader, n)
}

/** An ordered session wrote block 3, a relaxed one block 0, which nobody has synced. Returns the part. */
async function halfSynced(root: string): Promise<string> {
  for (const [durability, n] of [
    ['ordered', 3],
    ['relaxed', 0],
  ] as const) {
    await using store = await openDisk(root, { durability })
    await writeBlock(store, n)
  }
  const part = partIn(root)
  setTime(part)
  return part
}

/** Comes to the resource, writes nothing, and leaves it. */
async function comeAndGo(root: string, durability: Durability): Promise<void> {
  await using store = await openDisk(root, { durability })
  const got = await store.acquire(key)
  await got.writer?.release()
  await store.checkpoint()
  got.reader.close()
}

test('[core 50] what a relaxed session wrote is not trusted by its looks until somebody synced it', async (t) => {
  const root = tempFolder(t)
  const part = await halfSynced(root)
  const synced = syncedInodes(t)
  await comeAndGo(root, 'ordered')
  if (!synced.includes(statSync(part).ino)) cutPower(part, 0)
  await assertServesNoZeros(root, [0, 3])
})

test('[core 50] what a relaxed session wrote is not trusted by those who come after one who declared its length and was killed', async (t) => {
  const root = tempFolder(t)
  const part = await halfSynced(root)
  {
    await using child = await startStore(root)
    await tell(child, 'write', key.id, 1, 8 * BLOCK_BYTES, 0)
    await tell(child, 'checkpoint')
    await child.kill()
  }
  const synced = syncedInodes(t)
  await comeAndGo(root, 'ordered')
  if (!synced.includes(statSync(part).ino)) cutPower(part, 0)
  await assertServesNoZeros(root, [0, 3])
})

test('[core 50] what a relaxed session wrote is not trusted after another relaxed session that wrote nothing', async (t) => {
  const root = tempFolder(t)
  const part = await halfSynced(root)
  await comeAndGo(root, 'relaxed')
  cutPower(part, 0)
  await assertServesNoZeros(root, [0, 3])
})

test('[core 50] what a relaxed session wrote before it was killed is not taken for what was there before', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await openDisk(root)
    await writeBlock(store, 3, () => setTime(partIn(root)))
  }
  {
    await using child = await resumedBy(root, 'relaxed', 0)
    await child.kill()
  }
  cutPower(partIn(root), 0)
  await assertServesNoZeros(root, [0, 3])
})

test('[core 55] a part resumed by a session that may be alive is copied: what that one still writes is not seen', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await openDisk(root)
    await writeBlock(store, 0)
  }
  await using child = await resumedBy(root, 'ordered', 1)
  const its = openSync(partIn(root), 'r+') // as the one who went on with it has it open
  await child.kill()
  leaveUnproven(root)
  {
    await using store = await openDisk(root)
    await using got = await store.acquire(key)
    writeSync(its, new Uint8Array(2 * BLOCK_BYTES), 0, 2 * BLOCK_BYTES, 0)
    for (const n of [0, 1]) {
      assert.ok(holds(got.reader, n), `block ${n} was copied`)
      await assertServes(got.reader, n)
    }
  }
  closeSync(its)
  await using store = await openDisk(root)
  await using got = await store.acquire(key)
  for (const n of [0, 1]) await assertServes(got.reader, n)
})

/** Its owner is on another host, for all that is known, and his lock is stale: he may be taken over from, not taken for dead. */
function leaveUnproven(root: string): void {
  const owner = join(root, '_index', 'owner')
  const record = JSON.parse(readFileSync(owner, 'utf8')) as object
  writeFileSync(owner, JSON.stringify({ ...record, host: 'elsewhere.example' }))
  utimesSync(join(root, '_index', 'lock'), 1, 1)
}
