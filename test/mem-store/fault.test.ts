import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CisternError, type CisternErrorCode, ResourceKey } from '@cistern/assets'
import { type FaultPoint, MemStore } from '@cistern/mem-store'
import { deferred, eventLoopTurn, stateOf } from '../helpers/deferred.js'
import { nextEvent } from '../helpers/events.js'

const key = ResourceKey.of('film', '1.ts')
const isCode = (code: CisternErrorCode) => (error: unknown) => CisternError.is(error, code)
const errno = (code: string) => Object.assign(new Error(code), { code })

test('[core 36] a full disk is NoSpaceError for that write; its writer goes on once there is room', async () => {
  let full = true
  await using store = await MemStore.open({
    fault: ({ op }) => {
      if (op === 'write' && full) throw errno('ENOSPC')
    },
  })
  await using got = await store.acquire(key)
  await assert.rejects(async () => got.writer?.writeAt(0, Buffer.from('hello')), isCode('ERR_CISTERN_NO_SPACE'))
  assert.equal(got.reader.coverage.size, 0)
  full = false
  await got.writer?.writeAt(0, Buffer.from('hello'))
  await got.writer?.commit()
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'hello')
})

test('[core 36] a full disk evicts first, and the write is tried once more', async () => {
  const room = new Set<string>()
  await using store = await MemStore.open({
    fault: ({ op, key: of }) => {
      if (op === 'write' && of?.asset === 'film' && room.size === 0) throw errno('ENOSPC')
    },
  })
  await store.put(ResourceKey.of('old', '1.ts'), 'x'.repeat(1000))
  await store.checkpoint()
  store.on('evict', ({ asset }) => room.add(asset))
  await store.put(key, 'hello')
  assert.deepEqual([...room], ['old'])
})

test('[core 36] a read that fails is StorageIoError with its cause; other resources are not affected', async () => {
  const cause = errno('EIO')
  await using store = await MemStore.open({
    fault: ({ op, key: of }) => {
      if (op === 'read' && of?.id === key.id) throw cause
    },
  })
  const other = ResourceKey.of('film', '2.ts')
  await store.put(key, 'hello')
  await store.put(other, 'there')
  using reader = await store.open(key)
  await assert.rejects(reader.bytes(), (error) => {
    assert.ok(CisternError.is(error, 'ERR_CISTERN_STORAGE_IO'))
    return error.cause === cause
  })
  assert.equal(Buffer.from((await store.get(other)) ?? []).toString(), 'there')
})

test('[core 36] a slow write holds up nobody: not others, nor those who read what is being written', async () => {
  const going = deferred()
  await using store = await MemStore.open({
    fault: ({ op, key: of }) => (op === 'write' && of?.id === key.id ? going.promise : undefined),
  })
  await using got = await store.acquire(key)
  if (!got.writer) throw new Error('somebody fills it already')
  const write = got.writer.writeAt(0, Buffer.from('hello'))
  const read = got.reader.bytes({ end: 5 })
  await store.put(ResourceKey.of('other', '1.ts'), 'there')
  assert.equal(Buffer.from(await read).toString(), 'hello')
  assert.equal(await stateOf(write), 'pending')
  const behind = got.reader.bytes({ end: 6 })
  assert.equal(await stateOf(behind), 'pending')
  going.resolve()
  await write
  await got.writer.commit()
  assert.equal(Buffer.from(await behind).toString(), 'hello')
})

test('[core 26][core 36] a removal that fails keeps the index true: what is hidden counts until it is gone', async () => {
  let failing = true
  await using store = await MemStore.open({
    fault: ({ op }) => {
      if (op === 'remove' && failing) throw errno('EIO')
    },
  })
  await store.put(key, 'hello')
  await store.checkpoint()
  await assert.rejects(store.remove(key), isCode('ERR_CISTERN_STORAGE_IO'))
  assert.equal(store.stat(key), undefined)
  assert.equal(await store.get(key), undefined)
  assert.equal(store.stats().bytes, 5)
  failing = false
  await store.put(key, 'again')
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'again')
})

test('[core 36] an index that cannot be written makes the store degraded, and restored when it can again', async () => {
  let failing = false
  await using store = await MemStore.open({
    flushMs: 1,
    fault: ({ op }) => {
      if (op === 'index' && failing) throw errno('ENOSPC')
    },
  })
  await store.put(key, 'hello')
  await store.checkpoint()
  failing = true
  const degraded = nextEvent(store, 'degraded')
  await store.put(key, 'in memory')
  await degraded
  assert.equal(store.stats().state, 'degraded')
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'in memory')
  await assert.rejects(store.checkpoint())
  const restored = nextEvent(store, 'restored')
  failing = false
  await restored
  assert.equal(store.stats().state, 'ok')
  await store.checkpoint()
})

test('[core 51] while no removal can be recorded nothing is evicted: it would be hidden, and free nothing', async () => {
  let failing = false
  await using store = await MemStore.open({
    maxBytes: 1000,
    flushMs: 1,
    fault: ({ op }) => {
      if (op === 'index' && failing) throw errno('ENOSPC')
    },
  })
  const stored = Array.from({ length: 10 }, (_, n) => ResourceKey.of(`film-${n}`, 'a.ts'))
  for (const each of stored) await store.put(each, new Uint8Array(100))
  await store.checkpoint()
  failing = true
  const degraded = nextEvent(store, 'degraded')
  store.pin('film-0').catch(() => undefined)
  await degraded
  await assert.rejects(store.put(key, new Uint8Array(100)), (error: Error) => {
    assert.match(String(error.cause), /ENOSPC/)
    return isCode('ERR_CISTERN_QUOTA_EXCEEDED')(error)
  })
  assert.deepEqual(
    stored.filter((each) => store.stat(each)),
    stored,
  )
  const restored = nextEvent(store, 'restored')
  failing = false
  await restored
  await store.put(key, new Uint8Array(100))
  assert.equal(store.stat(stored[1] as ResourceKey), undefined)
})

test('[core 36] a sync that fails drops what was committed but never durable: it is fetched again', async () => {
  let failing = true
  await using store = await MemStore.open({
    fault: ({ op }) => {
      if (op === 'sync' && failing) throw errno('EIO')
    },
  })
  const failed = nextEvent(store, 'fail')
  await store.put(key, 'hello')
  const [{ error }] = await failed
  assert.ok(CisternError.is(error, 'ERR_CISTERN_STORAGE_IO'))
  assert.equal(store.stat(key), undefined)
  failing = false
  await store.put(key, 'again')
  await store.checkpoint()
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'again')
})

test('[core 36] the hook is told of each operation with its key, position and bytes', async () => {
  const points: FaultPoint[] = []
  await using store = await MemStore.open({ fault: (at) => void points.push(at) })
  await store.put(key, 'hello')
  await store.checkpoint()
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'hello')
  await store.remove(key)
  await eventLoopTurn()
  const seen = new Set(points.map(({ op }) => op))
  assert.deepEqual([...seen].sort(), ['index', 'publish', 'read', 'remove', 'sync', 'write'])
  for (const { op, key: of } of points) assert.equal(of?.id, op === 'index' ? undefined : key.id, op)
  const write = points.find(({ op }) => op === 'write')
  assert.deepEqual([write?.position, write?.bytes], [0, 5])
})
