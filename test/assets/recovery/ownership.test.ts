import assert from 'node:assert/strict'
import fs, { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'
import { AssetStore, inspectStore, ResourceKey } from '@cistern/assets'
import { Journal, journalName, listJournals, readJournal } from '#assets/index/journal.js'
import { encodeRecord } from '#assets/index/record.js'
import { randomBytes } from '../../helpers/bytes.js'
import { openFilesUnder, showsDescriptors } from '../../helpers/descriptors.js'
import { nextEvent } from '../../helpers/events.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { assertHolds, startStore, tell } from './stores.js'

test('[core 30] pins survive a process that is killed, its leases do not', async (t) => {
  const root = tempFolder(t)
  {
    await using child = await startStore(root)
    await tell(child, 'put', 'kept/a.ts', 1, 1000)
    await tell(child, 'put', 'leased/a.ts', 2, 1000)
    await tell(child, 'pin', 'kept')
    await tell(child, 'lease', 'leased')
    await tell(child, 'checkpoint')
    await child.kill()
  }
  await using store = await AssetStore.open({ root })
  assert.deepEqual([store.assetStat('kept')?.pinned, store.assetStat('kept')?.leases], [true, 0])
  assert.deepEqual([store.assetStat('leased')?.pinned, store.assetStat('leased')?.leases], [false, 0])
  assert.equal(store.stats().pinnedBytes, 1000)
})

test('[core 30] unpin among flushes: once it resolved, no restart brings the pin back', async (t) => {
  const root = tempFolder(t)
  for (let round = 0; round < 8; round++) {
    const store = await AssetStore.open({ root, flushMs: 1 })
    assert.equal(store.assetStat('film')?.pinned ?? false, false)
    const writing = store.put(ResourceKey.of('film', `${round}.ts`), randomBytes(round, 300_000))
    const flushing = store.checkpoint()
    await Promise.all([store.pin('film'), store.checkpoint(), store.unpin('film'), writing, flushing])
    assert.equal(store.assetStat('film')?.pinned, false)
    await (round % 2 ? store.close() : store.checkpoint().then(() => store.close()))
  }
})

test('[core 31] a second process is refused, told of the first; killed, it makes way at once', async (t) => {
  const root = tempFolder(t)
  await using child = await startStore(root)
  await tell(child, 'put', 'film/a.ts', 1, 70_000)
  await tell(child, 'checkpoint')
  await assert.rejects(AssetStore.open({ root }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_CISTERN_STORE_LOCKED')
    assert.match(error.message, new RegExp(String(child.pid)))
    return true
  })
  const inspection = await inspectStore(root)
  assert.equal(inspection.stat(ResourceKey.of('film', 'a.ts'))?.length, 70_000)
  const report = await inspection.verify()
  assert.deepEqual([report.resources, report.badBlocks, report.missing, report.orphans], [1, 0, 0, 0])
  await inspection.close()
  await child.kill()
  const began = performance.now()
  await using store = await AssetStore.open({ root })
  assert.ok(performance.now() - began < 8_000, 'long before a lock is stale')
  await assertHolds(store, 'film/a.ts', 1, 70_000)
})

test('[core 32] a store that lost its root goes on reading, refuses writes, and leaves nothing behind', async (t) => {
  const root = tempFolder(t)
  const loser = await AssetStore.open({ root, flushMs: 10 })
  const key = ResourceKey.of('film', 'a.ts')
  await loser.put(key, randomBytes(1, 600_000))
  await loser.checkpoint()
  const { reader, writer } = await loser.acquire(ResourceKey.of('film', 'b.ts'), { length: 600_000 })
  assert.ok(writer)
  await writer.writeAt(0, randomBytes(2, 300_000))
  const turned = nextEvent(loser, 'readonly')

  const other = takeOver(root)
  await assert.rejects(writer.writeAt(300_000, randomBytes(3, 1000)), { code: 'ERR_CISTERN_STORE_READONLY' })
  await turned
  assert.equal(loser.stats().state, 'readonly')
  for (const refused of [
    () => loser.put(ResourceKey.of('film', 'c.ts'), new Uint8Array(10)),
    () => loser.remove(key),
    () => loser.pin('film'),
    () => loser.checkpoint(),
  ])
    await assert.rejects(refused, { code: 'ERR_CISTERN_STORE_READONLY' })
  await assertHolds(loser, 'film/a.ts', 1, 600_000)
  reader.close()
  await loser.close().catch(() => undefined)
  assert.equal(readFileSync(join(root, '_index/owner'), 'utf8'), other)

  await using next = await openWhenStale(root)
  await assertHolds(next, 'film/a.ts', 1, 600_000)
  assert.equal(next.stat(ResourceKey.of('film', 'c.ts')), undefined)
  assert.ok((next.stat(ResourceKey.of('film', 'b.ts'))?.received.size ?? 0) <= 300_000)
  const report = await next.verify()
  assert.deepEqual([report.badBlocks, report.missing, report.orphans], [0, 0, 0])
})

test('[core 55] a root that is lost while it is opened is not opened: nobody could be told of the loss', async (t) => {
  const root = tempFolder(t)
  const sync = fs.fdatasync
  let other: string | undefined
  const syncing = t.mock.method(fs, 'fdatasync', (fd: number, done: fs.NoParamCallback) => {
    other ??= takeOver(root) // its first journal is just begun
    sync(fd, done)
  })
  await assert.rejects(AssetStore.open({ root }), { code: 'ERR_CISTERN_STORE_LOCKED' })
  syncing.mock.restore()
  assert.equal(readFileSync(join(root, '_index/owner'), 'utf8'), other)
  if (showsDescriptors) assert.deepEqual(openFilesUnder(root), [])
})

/** As a successor does it: a record of his own takes the name. */
function takeOver(root: string): string {
  const owner = join(root, '_index', 'owner')
  const record = JSON.parse(readFileSync(owner, 'utf8')) as { readonly session: string }
  const other = JSON.stringify({ ...record, session: 'zzzzzzzzzz' })
  writeFileSync(`${owner}.other`, other)
  renameSync(`${owner}.other`, owner)
  return other
}

test('[core 55] of two names that a removal unlinks, the one that others can have goes before the root can be lost', async (t) => {
  const root = tempFolder(t)
  await using store = await AssetStore.open({ root, flushMs: 10 })
  const key = ResourceKey.of('film', 'a.ts')
  await store.put(key, 'of the first owner')
  await store.checkpoint()
  const file = join(root, 'film', 'a.ts')
  const unlink = fs.promises.unlink
  const calls: string[] = []
  const mocked = t.mock.method(fs.promises, 'unlink', async (path: string) => {
    calls.push(path)
    await unlink(path).catch((error: unknown) => {
      if (path === file) throw error
    })
    // Suspended at this call for longer than the stale time: the next owner has stored the same key.
    if (calls.length === 1) writeFileSync(file, 'of the next owner')
  })
  syncBuiltinESMExports()
  t.after(() => {
    mocked.mock.restore()
    syncBuiltinESMExports()
  })
  await store.remove(key)
  assert.equal(readFileSync(file, 'utf8'), 'of the next owner')
  assert.equal(calls[0], file)
})

/** The record names a live process that never released: as for any such, only the age of its lock counts. */
async function openWhenStale(root: string): Promise<AssetStore> {
  for (;;) {
    try {
      return await AssetStore.open({ root })
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_CISTERN_STORE_LOCKED') throw error
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

test('[core 32] looked at from outside, a journal that a loser left behind the last owner is not followed', async (t) => {
  const root = tempFolder(t)
  const dir = join(root, '_index')
  const owned = async (path: string): Promise<number> => {
    await using store = await AssetStore.open({ root, minFreeBytes: 0 })
    await store.put(ResourceKey.of('film', path), path)
    return (await listJournals(dir)).at(-1) ?? 0
  }
  const first = await owned('a.ts')
  const last = await owned('b.ts')
  const { header, frames } = await readJournal(join(dir, journalName(first)), undefined)
  assert.ok(header)
  const { session, storeId } = header
  const sequence = frames.at(-1)?.sequence ?? 0
  const predecessor = { number: first, sequence }
  const loser = await Journal.create(
    dir,
    { kind: 'journal', storeId, number: last + 1, session, sequence, predecessor },
    { sync: true },
  )
  const removal = { type: 'remove', asset: 'film', paths: ['a.ts'], strays: [] } as const
  await loser.append([{ sequence: sequence + 1, payload: encodeRecord(removal, session) }])
  await loser.close()
  const inspection = await inspectStore(root)
  assert.deepEqual(
    [...inspection.resources('film')].map(({ key }) => key.path),
    ['a.ts', 'b.ts'],
  )
  await inspection.close()
})
