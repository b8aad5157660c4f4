import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AcquireOptions,
  type Acquisition,
  AssetsLayer,
  CisternError,
  IncompleteResourceError,
  InvalidOptionError,
  type Layer,
  ResourceAbandonedError,
  ResourceKey,
  type ResourceReader,
  type ResourceWriter,
  StoreClosedError,
} from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { deferred, eventLoopTurn } from '../../helpers/deferred.js'
import { nextEvent } from '../../helpers/events.js'
import { onBoth, text } from './stores.js'

const key = ResourceKey.of('film', 'a.ts')
const hello = Buffer.from('hello')

onBoth('[core 18] of many at once one fills, and all read', async (open) => {
  await using store = await open()
  let calls = 0
  const fill = async (writer: ResourceWriter): Promise<void> => {
    calls++
    await eventLoopTurn()
    await writer.writeFrom([hello])
  }
  const readers = await Promise.all(Array.from({ length: 20 }, () => store.openOrFill(key, fill)))
  for (const reader of readers) {
    assert.equal(text(await reader.bytes()), 'hello')
    reader.close()
  }
  assert.equal(calls, 1)
  using later = await store.openOrFill(key, fill)
  assert.equal(text(await later.bytes()), 'hello')
  assert.equal(calls, 1)
})

onBoth('[core 18] it resolves before the fill has done anything', async (open) => {
  await using store = await open()
  const gate = deferred()
  using reader = await store.openOrFill(key, async (writer) => {
    await gate.promise
    await writer.writeAt(0, hello)
  })
  assert.equal(reader.coverage.size, 0)
  gate.resolve()
  assert.equal(await reader.waitCommit(), 5)
})

onBoth('[core 18] a fill that rejects releases: readers get its cause, bytes stay for the next', async (open) => {
  await using store = await open()
  const cause = new Error('origin: 503')
  using reader = await store.openOrFill(key, async (writer) => {
    await writer.writeAt(0, hello)
    throw cause
  })
  await assert.rejects(reader.waitCommit(), (error) => error instanceof ResourceAbandonedError && error.cause === cause)
  let there = 0
  using next = await store.openOrFill(key, async (writer) => {
    there = writer.coverage.size
    await writer.writeAt(5, Buffer.from(' you'))
  })
  assert.equal(text(await next.bytes()), 'hello you')
  assert.equal(there, 5)
})

onBoth(
  '[core 18] a fill that throws at once, or rejects with no error, is a rejection like any other',
  async (open) => {
    await using store = await open()
    const thrown = new Error('at once')
    using one = await store.openOrFill(key, () => {
      throw thrown
    })
    await assert.rejects(one.waitCommit(), { code: 'ERR_CISTERN_ABANDONED', cause: thrown })
    using two = await store.openOrFill(key, () => Promise.reject('just text'))
    await assert.rejects(two.waitCommit(), ResourceAbandonedError)
  },
)

onBoth('[core 18] fill is not called when all of a declared length is there', async (open) => {
  await using store = await open()
  using first = await store.openOrFill(key, async (writer) => {
    await writer.declare({ length: 5 })
    await writer.writeAt(0, hello)
    await writer.release()
  })
  await assert.rejects(first.waitCommit(), ResourceAbandonedError)
  using second = await store.openOrFill(key, () => assert.fail('called'))
  assert.equal(await second.waitCommit(), 5)
  using empty = await store.openOrFill(ResourceKey.of('film', 'empty'), () => assert.fail('called'), { length: 0 })
  assert.equal(await empty.waitCommit(), 0)
})

onBoth('[core 18] the caller may leave, and his signal abort: the fill goes on to its end', async (open) => {
  await using store = await open()
  const gate = deferred()
  const leaving = new AbortController()
  let isAborted = false
  const reader = await store.openOrFill(
    key,
    async (writer, signal) => {
      await gate.promise
      isAborted = signal.aborted
      await writer.writeAt(0, hello)
    },
    { signal: leaving.signal },
  )
  leaving.abort(new Error('gone'))
  reader.close()
  const committed = nextEvent(store, 'commit')
  gate.resolve()
  await committed
  assert.equal(isAborted, false)
  assert.equal(text(await store.get(key)), 'hello')
})

onBoth('[core 18] an aborted signal ends the acquire', async (open) => {
  await using store = await open()
  const reason = new Error('never mind')
  const filled = store.openOrFill(key, () => assert.fail('called'), { signal: AbortSignal.abort(reason) })
  await assert.rejects(filled, (error) => error === reason)
})

test('[core 18] what an aborted acquire, or open, gets late is let go of', async () => {
  const gate = deferred()
  class Slow extends AssetsLayer {
    override async acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
      await gate.promise
      return this.inner.acquire(key, { ...options, signal: undefined })
    }
    override async open(key: ResourceKey): Promise<ResourceReader> {
      await gate.promise
      return this.inner.open(key)
    }
  }
  const slow: Layer = (inner) => new Slow(inner)
  await using store = await MemStore.open({ layers: ({ lease }) => [lease, slow] })
  const leaving = new AbortController()
  const reason = new Error('no time')
  const { signal } = leaving
  const waiting = [store.openOrFill(key, () => assert.fail('called'), { signal }), store.open(key, { signal })]
  const rejected = Promise.all(waiting.map((wait) => assert.rejects(wait, (error) => error === reason)))
  leaving.abort(reason)
  await rejected
  gate.resolve()
  await nextEvent(store, 'abandon')
  await eventLoopTurn()
  // Nobody holds it, and nothing was written: nothing is left of it.
  assert.equal(store.stat(key), undefined)
  assert.equal(store.assetStat('film')?.leases ?? 0, 0)
})

onBoth('[core 18] a fill may settle its writer itself', async (open) => {
  await using store = await open()
  using committed = await store.openOrFill(key, async (writer) => {
    await writer.writeAt(0, hello)
    await writer.commit()
    await eventLoopTurn()
  })
  assert.equal(await committed.waitCommit(), 5)
  const cause = new Error('no such thing')
  using failed = await store.openOrFill(ResourceKey.of('film', 'b.ts'), (writer) => writer.fail(cause))
  await assert.rejects(failed.waitCommit(), (error) => error === cause)
})

onBoth('[core 18] a fill that leaves a gap releases with what commit said', async (open) => {
  await using store = await open()
  using reader = await store.openOrFill(key, (writer) => writer.writeAt(10, hello))
  await assert.rejects(
    reader.waitCommit(),
    (error) => error instanceof ResourceAbandonedError && error.cause instanceof IncompleteResourceError,
  )
})

onBoth('[core 18] a digest that does not match reaches the readers', async (open) => {
  await using store = await open()
  const integrity = `sha256-${Buffer.alloc(32, 1).toString('base64')}`
  using reader = await store.openOrFill(key, (writer) => writer.writeAt(0, hello), { integrity })
  await assert.rejects(reader.waitCommit(), { code: 'ERR_CISTERN_INTEGRITY' })
  assert.equal(store.stat(key), undefined)
  using again = await store.openOrFill(key, (writer) => writer.writeAt(0, hello))
  assert.equal(await again.waitCommit(), 5)
})

onBoth('[core 18] the signal of a fill aborts when the resource is removed, or fails', async (open) => {
  await using store = await open()
  for (const end of [() => store.remove(key), () => store.removeAsset('film')]) {
    const aborted = deferred<unknown>()
    using reader = await store.openOrFill(key, async (_, signal) => {
      signal.addEventListener('abort', () => aborted.resolve(signal.reason))
      await aborted.promise
    })
    await end()
    assert.ok(CisternError.is(await aborted.promise, 'ERR_CISTERN_REMOVED'))
    await assert.rejects(reader.waitCommit(), { code: 'ERR_CISTERN_REMOVED' })
  }
})

onBoth('[core 18] the signal of a fill aborts when the store closes, which waits for no fill', async (open) => {
  const store = await open()
  const aborted = deferred<unknown>()
  const reader = await store.openOrFill(key, async (writer, signal) => {
    signal.addEventListener('abort', () => aborted.resolve(signal.reason))
    await new Promise(() => {})
    await writer.commit()
  })
  const waiting = assert.rejects(reader.waitCommit(), StoreClosedError)
  await store.close()
  assert.ok((await aborted.promise) instanceof StoreClosedError)
  await waiting
})

onBoth('[core 18] a fill keeps the asset leased after its readers left', async (open) => {
  await using store = await open()
  const gate = deferred()
  const reader = await store.openOrFill(key, async (writer) => {
    await gate.promise
    await writer.writeAt(0, hello)
  })
  reader.close()
  assert.equal(store.assetStat('film')?.leases, 1)
  const committed = nextEvent(store, 'commit')
  gate.resolve()
  await committed
  await eventLoopTurn()
  assert.equal(store.assetStat('film')?.leases, 0)
})

onBoth('[core 18] what is no function is refused before anything is begun', async (open) => {
  await using store = await open()
  await assert.rejects(store.openOrFill(key, 'fill' as never), InvalidOptionError)
  assert.equal(store.stat(key), undefined)
})
