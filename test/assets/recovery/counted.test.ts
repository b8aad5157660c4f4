import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { driverAssets, openIndex, openStore, ResourceKey } from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { randomBytes } from '../../helpers/bytes.js'
import { deferred, eventLoopTurn } from '../../helpers/deferred.js'
import { openFilesUnder } from '../../helpers/descriptors.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { filesUnder, isCode, openDisk, until } from '../disk/open-disk.js'
import { PositionXor } from '../processing/staged.js'
import { RecordBackend } from '../record-backend.js'
import { beforeReads, FailingPublish, ioError, openOver } from './faults.js'

const key = ResourceKey.of('film', 'a.ts')

test('[core 51] what a rename that failed once was to replace is not counted for ever', async (t) => {
  const root = tempFolder(t)
  const backend = new FailingPublish(root)
  await using store = await openOver(root, backend, { cacheEntries: 0, flushMs: 60_000 })
  await store.put(key, 'version one')
  await store.checkpoint()
  backend.failures = 1
  await store.put(key, 'version two')
  await store.checkpoint()
  await until(() => openFilesUnder(join(root, 'film')).length === 0)
  await store.get(key)
  await store.checkpoint()
  assert.deepEqual(filesUnder(root), ['film/a.ts'])
  assert.equal(store.stats().bytes, 11)
})

test('[core 51] a read that failed leaves no bytes counted that are not there', async () => {
  let isBroken = false
  await using store = await MemStore.open({
    flushMs: 60_000,
    cacheEntries: 0,
    fault: ({ op, position }) => {
      if (op === 'read' && isBroken && position < BLOCK_BYTES) throw ioError('EIO')
    },
  })
  const bytes = randomBytes(1, 4 * BLOCK_BYTES)
  await store.put(key, bytes)
  await store.checkpoint()
  const reader = await store.open(key)
  isBroken = true
  await assert.rejects(reader.readAt(0, new Uint8Array(1000)), isCode('ERR_CISTERN_STORAGE_IO'))
  isBroken = false
  reader.close()
  {
    await using again = await store.acquire(key)
    assert.equal(again.reader.coverage.size, 3 * BLOCK_BYTES)
    await store.checkpoint()
  }
  await store.removeAsset('film')
  await store.checkpoint()
  assert.equal(store.stats().bytes, 0)
})

test('[core 50] repair does not take away a bad block that its writer has overwritten since it was found', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { flushMs: 60_000 })
  await using got = await store.acquire(key)
  assert.ok(got.writer)
  const { writer } = got
  const bytes = randomBytes(1, 3 * BLOCK_BYTES)
  await writer.writeAt(0, bytes)
  await store.put(ResourceKey.of('zebra', 'z.ts'), 'later in the walk')
  await store.checkpoint()
  const part = filesUnder(root).find((name) => name.endsWith('.part')) ?? ''
  const fd = fs.openSync(join(root, part), 'r+')
  fs.writeSync(fd, new Uint8Array(10), 0, 10, BLOCK_BYTES)
  fs.closeSync(fd)
  let isDone = false
  beforeReads(t, root, async (file) => {
    if (isDone || !file.startsWith('zebra')) return
    isDone = true
    await writer.writeAt(BLOCK_BYTES, bytes.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES))
  })
  await store.verify({ repair: true })
  assert.ok(isDone)
  assert.equal(writer.coverage.size, bytes.length)
  assert.equal(await writer.commit(), bytes.length)
})

test('[core 35] over a backend that tells no fingerprints (no `stat`), a strict put resolves, and its rename counts', async (t) => {
  const root = tempFolder(t)
  const index = await openIndex(join(root, '_index'), { durability: 'strict' })
  await using store = await openStore(driverAssets(new RecordBackend()), index, { durability: 'strict' })
  for (const value of ['version one', 'version two']) {
    await store.put(key, value)
    assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), value)
    assert.equal(store.stats().bytes, value.length)
  }
})

test('[core 51] a rename that failed, then a newer commit that failed: neither is counted once the rename is done', async () => {
  let failing = ''
  await using store = await MemStore.open({
    flushMs: 60_000,
    cacheEntries: 0,
    fault: ({ op }) => {
      if (op === failing) throw ioError('EIO')
    },
  })
  await store.put(key, new Uint8Array(1000))
  await store.checkpoint()
  failing = 'publish'
  await store.put(key, new Uint8Array(2000))
  await store.checkpoint()
  failing = 'sync'
  await store.put(key, new Uint8Array(4000))
  await store.checkpoint()
  await until(() => store.stat(key)?.length === 2000)
  failing = ''
  assert.equal((await store.get(key))?.length, 2000)
  await store.checkpoint()
  await eventLoopTurn()
  assert.equal(store.stats().bytes, 2000)
  await store.remove(key)
  await store.checkpoint()
  assert.equal(store.stats().bytes, 0)
})

test('[core 51] what is left of a block of which a read failed is still there when its readers are gone', async () => {
  let isBroken = false
  await using store = await MemStore.open({
    flushMs: 60_000,
    cacheEntries: 0,
    fault: ({ op }) => {
      if (op === 'read' && isBroken) throw ioError('EIO')
    },
  })
  const { reader, writer } = await store.acquire(key)
  await writer?.writeAt(0, new Uint8Array(1000))
  await writer?.release()
  await store.checkpoint()
  isBroken = true
  await assert.rejects(reader.readAt(0, new Uint8Array(10)), isCode('ERR_CISTERN_STORAGE_IO'))
  isBroken = false
  reader.close()
  await store.checkpoint()
  await eventLoopTurn()
  assert.equal(store.stat(key)?.coverage.size, 990)
  assert.equal(store.stats().bytes, 990)
  await store.remove(key)
  await store.checkpoint()
  assert.equal(store.stats().bytes, 0)
})

test('[core 51] a failed read of what came out of a processor takes nothing off what was received', async () => {
  let isBroken = false
  await using store = await MemStore.open({
    flushMs: 60_000,
    cacheEntries: 0,
    fault: ({ op }) => {
      if (op === 'read' && isBroken) throw ioError('EIO')
    },
  })
  const { reader, writer } = await store.acquire(key, { processor: new PositionXor() })
  await writer?.writeAt(0, new Uint8Array(1000))
  await store.checkpoint()
  assert.equal(store.stats().bytes, 2000) // what was received, and what came out of it
  isBroken = true
  await assert.rejects(reader.readAt(0, new Uint8Array(10)), isCode('ERR_CISTERN_STORAGE_IO'))
  isBroken = false
  await writer?.release()
  reader.close()
  await store.checkpoint()
  await eventLoopTurn()
  assert.equal(store.stat(key)?.received?.size, 1000)
  assert.equal(store.stat(key)?.storedBytes, 1000)
  assert.equal(store.stats().bytes, 1000)
})

test('[core 51] what a rename that failed was to replace is not counted once both are gone from the disk', async (t) => {
  const root = tempFolder(t)
  const backend = new FailingPublish(root)
  await using store = await openOver(root, backend, { cacheEntries: 0, flushMs: 60_000 })
  await store.put(key, 'version one')
  await store.checkpoint()
  backend.failures = 1
  await store.put(key, 'version two')
  await store.checkpoint()
  await until(() => openFilesUnder(join(root, 'film')).length === 0)
  fs.rmSync(join(root, 'film'), { recursive: true })
  assert.equal(await store.get(key), undefined)
  await store.checkpoint()
  assert.equal(store.stats().bytes, 0)
})

test('[core 51] what could not be read all counts as it is on record when what was to replace it fails', async () => {
  let failing = ''
  const look = deferred()
  await using store = await MemStore.open({
    flushMs: 60_000,
    cacheEntries: 0,
    fault: async ({ op }) => {
      if (op === failing) throw ioError('EIO')
      if (op === 'read') await look.promise
    },
  })
  await store.put(key, new Uint8Array(2 * BLOCK_BYTES))
  await store.checkpoint()
  const reader = await store.open(key)
  const newer = await store.acquire(key, { mode: 'replace' })
  await newer.writer?.writeAt(0, Buffer.from('version two'))
  failing = 'read'
  await assert.rejects(reader.readAt(0, new Uint8Array(10)), isCode('ERR_CISTERN_STORAGE_IO'))
  failing = 'sync'
  await newer.writer?.commit() // while the rest of its predecessor is being copied
  look.resolve()
  await store.checkpoint()
  failing = ''
  newer.reader.close()
  reader.close()
  assert.equal(store.stat(key)?.length, 2 * BLOCK_BYTES)
  assert.equal(store.stats().bytes, 2 * BLOCK_BYTES)
  await store.remove(key)
  await store.checkpoint()
  assert.equal(store.stats().bytes, 0)
})
