// A step fails once on the way of a resource to its final name, or out of the store: nothing good is lost by it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AssetStore, inspectStore, ResourceKey } from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { DiskBackend } from '#assets/disk/disk-backend.js'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { randomBytes } from '../../helpers/bytes.js'
import { deferred } from '../../helpers/deferred.js'
import { openFilesUnder, showsDescriptors } from '../../helpers/descriptors.js'
import { nextEvent } from '../../helpers/events.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { filesUnder, isCode, openDisk, until } from '../disk/open-disk.js'
import { text } from '../facade/stores.js'
import {
  beforeReads,
  beforeSyncs,
  FailingPublish,
  failNextSync,
  failSyncs,
  ioError,
  mockPromise,
  openOver,
  syncedInodes,
} from './faults.js'

const key = ResourceKey.of('film', 'a.ts')
const needsDescriptors = showsDescriptors ? {} : { skip: 'open descriptors are not shown here' }

const got = async (store: AssetStore): Promise<unknown[]> => [text(await store.get(key)), store.stat(key)?.metadata]

for (const durability of ['ordered', 'strict'] as const) {
  test(`[core 51] a put whose sync fails leaves what was there before (${durability})`, async (t) => {
    const root = tempFolder(t)
    const before = ['version one', { v: 1 }]
    {
      await using store = await openDisk(root, { durability, flushMs: 60_000 })
      await store.put(key, 'version one', { metadata: { v: 1 } })
      await store.checkpoint()
      failNextSync(t, root, 'resource')
      const failed = nextEvent(store, 'fail')
      const putting = store.put(key, 'version two', { metadata: { v: 2 } })
      if (durability === 'strict') await assert.rejects(putting, isCode('ERR_CISTERN_STORAGE_IO'))
      else await putting
      await store.checkpoint()
      assert.equal((await failed)[0].key.id, key.id)
      assert.deepEqual(await got(store), before)
      assert.deepEqual(filesUnder(root), ['film/a.ts'])
      assert.deepEqual([store.stats().bytes, store.assetStat('film')?.bytes], [11, 11])
    }
    await using store = await openDisk(root)
    assert.deepEqual(await got(store), before)
    await store.put(key, 'version two')
    await store.checkpoint()
    assert.equal(text(await store.get(key)), 'version two')
  })
}

test('[core 53] a checkpoint passes over what its last reader closes before its turn', needsDescriptors, async (t) => {
  const root = tempFolder(t)
  const resting = Array.from({ length: 6 }, (_, n) => ResourceKey.of('rest', `${n}.ts`))
  {
    await using store = await openDisk(root)
    for (const one of resting) {
      await using filling = await store.acquire(one)
      await filling.writer?.writeAt(0, randomBytes(1, BLOCK_BYTES + 1000))
    }
  }
  await using store = await openDisk(root, { flushMs: 60_000, cacheEntries: 0 })
  const writing = await Promise.all([1, 2].map((n) => store.acquire(ResourceKey.of('slow', `${n}.ts`))))
  for (const { writer } of writing) await writer?.writeAt(0, randomBytes(2, BLOCK_BYTES))
  const readers = []
  for (const one of resting) {
    const { reader, writer } = await store.acquire(one)
    await writer?.release()
    readers.push(reader)
  }
  const gate = deferred()
  let waiting = 0
  beforeSyncs(t, root, (file) => {
    if (!file.startsWith('slow/')) return Promise.resolve()
    waiting++
    return gate.promise
  })
  const flushed = store.checkpoint()
  await until(() => waiting === 2) // all that goes on at once
  for (const reader of readers) reader.close()
  await until(() => openFilesUnder(join(root, 'rest')).length === 0)
  gate.resolve()
  await flushed
  assert.equal(store.stats().state, 'ok')
  for (const one of resting) assert.equal(store.stat(one)?.received.size, BLOCK_BYTES + 1000)
  for (const each of writing) await each[Symbol.asyncDispose]()
})

for (const verb of ['remove', 'removeAsset'] as const) {
  test(`[core 26] what ${verb} could not record at once leaves the disk when the journal is restored`, async (t) => {
    const root = tempFolder(t)
    await using store = await openDisk(root, { flushMs: 60_000 })
    await store.put(key, 'bytes')
    await store.put(ResourceKey.of('other', 'a.ts'), 'others')
    await store.checkpoint()
    failNextSync(t, root, 'journal')
    const degraded = nextEvent(store, 'degraded')
    const removing = verb === 'remove' ? store.remove(key) : store.removeAsset('film')
    await assert.rejects(removing, isCode('ERR_CISTERN_STORAGE_IO'))
    await degraded
    const restored = nextEvent(store, 'restored')
    await store.checkpoint()
    await restored
    await until(() => filesUnder(root).length === 1)
    assert.deepEqual(filesUnder(root), ['other/a.ts'])
    assert.deepEqual([store.stat(key), store.stats().bytes], [undefined, 6])
  })
}

for (const verb of ['remove', 'removeAsset'] as const) {
  test(`[core 26] asked again, ${verb} does not report as gone what is still on record`, async (t) => {
    const root = tempFolder(t)
    await using store = await openDisk(root, { flushMs: 60_000 })
    await store.put(key, 'bytes')
    await store.checkpoint()
    const failing = t.mock.method(fs, 'write', (...given: unknown[]) => {
      failing.mock.restore() // the journal's, which has nothing of the removal then
      process.nextTick(given.at(-1) as (error: Error) => void, ioError('EIO'))
    })
    const removing = () => (verb === 'remove' ? store.remove(key) : store.removeAsset('film'))
    await assert.rejects(removing(), isCode('ERR_CISTERN_STORAGE_IO'))
    assert.equal(await removing(), false)
    const recorded = await inspectStore(root)
    assert.equal(recorded.stat(key), undefined)
    await recorded.close()
  })
}

test('[core 51] a disk too full for a folder is a full disk, to a put and to a move', async (t) => {
  await using store = await openDisk(tempFolder(t), { flushMs: 60_000 })
  await store.put(key, 'bytes')
  await store.pin('film') // or it would be evicted
  mockPromise(t, 'mkdir', async (_, __, options) => {
    // Node looks again at what it could not make with its parents, and does not find it.
    throw ioError((options as { recursive?: boolean }).recursive ? 'ENOENT' : 'ENOSPC')
  })
  const elsewhere = ResourceKey.of('elsewhere', 'a.ts')
  await assert.rejects(store.put(elsewhere, 'bytes'), isCode('ERR_CISTERN_NO_SPACE'))
  await assert.rejects(store.move(key, elsewhere), isCode('ERR_CISTERN_NO_SPACE'))
  assert.equal(text(await store.get(key)), 'bytes')
})

test(
  '[core 51] a rename that failed lets go of its file, and is made by the next who opens it',
  needsDescriptors,
  async (t) => {
    const root = tempFolder(t)
    const backend = new FailingPublish(root)
    await using store = await openOver(root, backend, { cacheEntries: 0, flushMs: 60_000 })
    for (const value of ['version one', 'version two']) {
      backend.failures = 1
      await store.put(key, value)
      await store.checkpoint()
      assert.equal(backend.failures, 0)
      await until(() => openFilesUnder(join(root, 'film')).length === 0)
      assert.ok(filesUnder(root).some((name) => name.endsWith('.part')))
      assert.equal(text(await store.get(key)), value)
      await store.checkpoint()
      assert.deepEqual(filesUnder(root), ['film/a.ts'])
      assert.equal(text(await store.get(key)), value)
    }
  },
)

/** A store in which renames wait for `renaming`, and reads of the first block fail while `isBroken`. */
interface Troubled {
  isBroken(): boolean
  renaming(): Promise<void>
}

class SlowPublish extends DiskBackend {
  renaming: () => Promise<void> = () => Promise.resolve()

  override async publish(name: string, generation: string, length: number): Promise<string> {
    await this.renaming()
    return super.publish(name, generation, length)
  }
}

function troubledDisk(t: TestContext, { isBroken, renaming }: Troubled): Promise<AssetStore> {
  const root = tempFolder(t)
  beforeReads(t, root, async (_, position) => {
    if (isBroken() && position < BLOCK_BYTES) throw ioError('EIO')
  })
  const backend = new SlowPublish(root)
  backend.renaming = renaming
  return openOver(root, backend, { flushMs: 60_000, cacheEntries: 0 })
}

function troubledMemory(_: TestContext, { isBroken, renaming }: Troubled): Promise<AssetStore> {
  return MemStore.open({
    flushMs: 60_000,
    cacheEntries: 0,
    fault: ({ op, position }) => {
      if (op === 'read' && isBroken() && position < BLOCK_BYTES) throw ioError('EIO')
      return op === 'publish' ? renaming() : undefined
    },
  })
}

for (const [place, open] of Object.entries({ disk: troubledDisk, memory: troubledMemory })) {
  for (const when of ['during', 'after'] as const) {
    test(`[core 51] what is good of a resource that cannot be read ${when} its rename is kept (${place})`, async (t) => {
      const [entered, gate] = [deferred(), deferred()]
      if (when === 'after') gate.resolve()
      let isBroken = false
      const renaming = () => {
        entered.resolve()
        return gate.promise
      }
      await using store = await open(t, { isBroken: () => isBroken, renaming })
      const bytes = randomBytes(1, 4 * BLOCK_BYTES)
      await store.put(key, bytes)
      const reader = await store.open(key)
      const flushed = store.checkpoint()
      await (when === 'during' ? entered.promise : flushed)
      isBroken = true
      await assert.rejects(reader.readAt(0, new Uint8Array(10)), isCode('ERR_CISTERN_STORAGE_IO'))
      isBroken = false
      reader.close()
      gate.resolve()
      await flushed
      await using again = await store.acquire(key)
      assert.ok(again.writer, 'somebody may write what was lost')
      assert.deepEqual([...again.writer.coverage.gaps(0, bytes.length)], [{ start: 0, end: BLOCK_BYTES }])
      await again.writer.writeAt(0, bytes.subarray(0, BLOCK_BYTES))
      await again.writer.commit()
      assert.ok(Buffer.from(await again.reader.bytes()).equals(bytes))
    })
  }
}

test('[core 52] a part removed from outside before its rename: the older version never passes for the newer', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await openDisk(root, { flushMs: 60_000, cacheEntries: 0 })
    await store.put(key, 'version 1', { metadata: { v: 1 } })
    await store.checkpoint()
    await store.put(key, 'version 2', { metadata: { v: 2 } })
    for (const name of filesUnder(root)) if (name.endsWith('.part')) fs.rmSync(join(root, name))
    await store.checkpoint()
    assert.notEqual(text(await store.get(key)), 'version 1', 'in the store that was open')
  }
  await using store = await openDisk(root)
  assert.notEqual(text(await store.get(key)), 'version 1', 'in one opened later')
  await store.put(key, 'version 3')
  await store.checkpoint()
  assert.equal(text(await store.get(key)), 'version 3')
})

for (const durability of ['ordered', 'strict'] as const) {
  test(`[core 28] a move where the medium has no hard links syncs the copy (${durability})`, async (t) => {
    const root = tempFolder(t)
    await using store = await openDisk(root, { durability })
    await store.put(key, 'bytes')
    await store.checkpoint()
    let links = 0
    let synced: number[] = []
    mockPromise(t, 'link', async (link, ...given) => {
      if (!String(given[0]).startsWith(join(root, 'film'))) return link(...given)
      links++
      synced = syncedInodes(t)
      throw ioError('EPERM')
    })
    const to = ResourceKey.of('film', 'b.ts')
    await store.move(key, to)
    assert.equal(links, 1)
    await store.checkpoint()
    assert.deepEqual(filesUnder(root), ['film/b.ts'])
    assert.ok(synced.includes(fs.statSync(join(root, 'film/b.ts')).ino))
    assert.equal(text(await store.get(to)), 'bytes')
  })
}

test('[core 51] a removal that no record took is not reported by asking for it again', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { durability: 'strict', flushMs: 60_000 })
  await store.put(key, 'version one')
  failNextSync(t, root, 'journal')
  await assert.rejects(store.remove(key), isCode('ERR_CISTERN_STORAGE_IO'))
  failNextSync(t, root, 'journal')
  await assert.rejects(store.remove(key), isCode('ERR_CISTERN_STORAGE_IO'))
  failNextSync(t, root, 'journal')
  await assert.rejects(store.removeAsset(key.asset), isCode('ERR_CISTERN_STORAGE_IO'))
  assert.equal(await store.remove(key), false)
})

test('[core 51] what could not be taken off the record is not overwritten, nor by the next writer', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { flushMs: 60_000, cacheEntries: 0 })
  {
    await using got = await store.acquire(key, { length: 2 * BLOCK_BYTES })
    await got.writer?.writeAt(0, randomBytes(1, BLOCK_BYTES))
  }
  await store.checkpoint()
  const restore = failSyncs(t, root, 'journal')
  for (let writer = 1; writer <= 2; writer++) {
    await using got = await store.acquire(key)
    const written = got.writer?.writeAt(0, randomBytes(2, 1000))
    await assert.rejects(async () => written, isCode('ERR_CISTERN_STORAGE_IO'), `writer ${writer}`)
  }
  const seen = await inspectStore(root) // as a kill would leave it
  assert.deepEqual((await seen.verify()).findings, [])
  await seen.close()
  restore()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, randomBytes(2, 2 * BLOCK_BYTES))
  await got.writer?.commit()
  await store.checkpoint()
  assert.deepEqual((await store.verify()).findings, [])
})

test('[core 51] a move whose sync fails is refused as such, and nothing has moved', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { flushMs: 60_000 })
  await store.put(key, 'stays')
  await store.checkpoint()
  failNextSync(t, root, 'resource')
  await assert.rejects(store.move(key, ResourceKey.of('film', 'b.ts')), isCode('ERR_CISTERN_STORAGE_IO'))
  await store.checkpoint()
  assert.equal(text(await store.get(key)), 'stays')
  assert.deepEqual(filesUnder(root), ['film/a.ts'])
})
