// What open, acquire and inspectStore say when it is not as they are asked for.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  AssetStore,
  InvalidRangeError,
  inspectStore,
  NotFoundError,
  NotSupportedError,
  type Processor,
  ResourceKey,
} from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { nextEvent } from '../../helpers/events.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { onBoth } from './stores.js'

const key = ResourceKey.of('film', 'a.ts')

test('[core 50] open with verify drops what is not what was written, and says so; without, it is read as it is', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await AssetStore.open({ root, minFreeBytes: 0 })
    await store.put(key, 'as it was written')
  }
  await using store = await AssetStore.open({ root, minFreeBytes: 0, cacheEntries: 0 })
  ;(await store.open(key, { verify: true })).close()
  // Under the very descriptor: neither inode nor name tells.
  using reader = await store.open(key)
  writeFileSync(join(root, 'film', 'a.ts'), 'as it is now.....', { flag: 'r+' })
  const failed = nextEvent(store, 'fail')
  await assert.rejects(store.open(key, { verify: true }), NotFoundError)
  const [told] = await failed
  assert.equal(told.key.id, key.id)
  assert.equal(store.stat(key), undefined)
  assert.equal(reader.coverage.size, 17, 'who read it reads on')
  await using again = await store.acquire(key)
  assert.ok(again.writer, 'it is to be fetched again')
})

onBoth('[core 39] open with committed closes what it opened when the verdict is no', async (open) => {
  await using store = await open()
  const { reader, writer } = await store.acquire(key)
  const opening = store.open(key, { committed: true })
  opening.catch(() => {})
  for (let turn = 0; turn < 20; turn++) await eventLoopTurn()
  reader.close()
  const broken = new Error('broken')
  await writer?.fail(broken)
  await assert.rejects(opening, broken)
  assert.equal(store.stats().readers, 0)
})

onBoth('[core 4] a length that contradicts what is there leaves nothing open', async (open) => {
  await using store = await open()
  {
    await using got = await store.acquire(key, { length: 10 })
    await got.writer?.writeAt(0, new Uint8Array(10))
    await assert.rejects(got.writer?.declare({ length: 5 }) ?? Promise.resolve(), InvalidRangeError)
  }
  await assert.rejects(store.acquire(ResourceKey.of('film', 'b.ts'), { length: -1 }), /length/)
  const { readers, writers } = store.stats()
  assert.deepEqual({ readers, writers }, { readers: 0, writers: 0 })
})

onBoth('[core 28] metadata that a writer sets through a processor is kept', async (open) => {
  await using store = await open()
  const asIs: Processor = {
    identity: 'as it is',
    begin: () => ({ update: (chunk) => chunk, final: () => new Uint8Array() }),
  }
  await using got = await store.acquire(key, { processor: asIs })
  got.writer?.setMetadata({ etag: '"1"' })
  await got.writer?.writeFrom([new Uint8Array(10)])
  await got.writer?.commit()
  assert.deepEqual(store.stat(key)?.metadata, { etag: '"1"' })
})

test('[core 36] a fault hook that takes its time cannot be waited for by a synchronous read', async () => {
  let isSlow = false
  await using store = await MemStore.open({
    fault: ({ op }) => (isSlow && op === 'read' ? Promise.resolve() : undefined),
  })
  await store.put(key, 'bytes')
  using reader = await store.open(key)
  assert.equal(reader.readAtSync(0, new Uint8Array(5)), 5)
  isSlow = true
  assert.throws(() => reader.readAtSync(0, new Uint8Array(5)), NotSupportedError)
  assert.equal(await reader.readAt(0, new Uint8Array(5)), 5)
})

test('[core 31] where there is no folder, inspectStore finds no store', async (t) => {
  await assert.rejects(inspectStore(join(tempFolder(t), 'nowhere')), NotFoundError)
})
