import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CisternError, ForwardingWriter, NoSpaceError, StorageIoError } from '@cistern/storage'
import { FreeSpace } from '#assets/evicting/free-space.js'
import { ResourceKey } from '#assets/key.js'
import { AssetsLayer } from '#assets/layers/assets-layer.js'
import { cached } from '#assets/layers/cached.js'
import { evict } from '#assets/layers/evict.js'
import { lease } from '#assets/layers/lease.js'
import { withHandles } from '#assets/layers/wrap-acquisition.js'
import type { Acquisition, Assets, Layer, RemoveAssetOptions } from '#assets/types.js'
import { deferred, eventLoopTurn, stateOf } from '../../helpers/deferred.js'
import fc from '../../helpers/fast-check.js'
import { chainOver, type FakeOptions, FakeStore, fill } from './fake-base.js'

const keyOf = (asset: string, path = 'a.ts'): ResourceKey => ResourceKey.of(asset, path)
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7)
const quota = (error: unknown): boolean => CisternError.is(error, 'ERR_CISTERN_QUOTA_EXCEEDED')

function storeOf(options: FakeOptions = {}): { store: FakeStore; assets: Assets } {
  const store = new FakeStore(options)
  return { store, assets: chainOver(store, lease, cached({ cacheEntries: 5 }), evict) }
}

/** Ten assets a0 … a9 of 100 bytes each, a0 the oldest. */
async function tenAssets(options: FakeOptions): Promise<{ store: FakeStore; assets: Assets; names: () => string[] }> {
  const { store, assets } = storeOf(options)
  for (let n = 0; n < 10; n++) await fill(assets, keyOf(`a${n}`), bytes(100))
  return {
    store,
    assets,
    names: () => [...store.index.assets()].filter((stat) => stat.resources > 0).map((stat) => stat.asset),
  }
}

/** Resolves once the run that goes on beside the write is over. */
async function settled(store: FakeStore): Promise<void> {
  for (let before = -1; before !== store.log.length; await eventLoopTurn()) before = store.log.length
}

async function writing(
  assets: Assets,
  key: ResourceKey,
): Promise<Acquisition & { writer: NonNullable<Acquisition['writer']> }> {
  const got = await assets.acquire(key)
  assert.ok(got.writer)
  return got as Acquisition & { writer: NonNullable<Acquisition['writer']> }
}

test('[core 23] past maxBytes the oldest go first, down to 90% of it', async () => {
  const { store, assets, names } = await tenAssets({ limits: { maxBytes: 1000 } })
  await fill(assets, keyOf('new'), bytes(50))
  await settled(store)
  assert.deepEqual(names(), ['a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9', 'new'])
  assert.deepEqual(store.evicted, [
    { asset: 'a0', bytes: 100, reason: 'bytes' },
    { asset: 'a1', bytes: 100, reason: 'bytes' },
  ])
  assert.equal(store.context.counters.evictions, 2)
  assert.ok(store.mostBytes <= 1000)
})

test('[core 23] maxBytes counts every resource of an asset, partial and raw ones too', async () => {
  const { store, assets } = storeOf({ limits: { maxBytes: 1000 } })
  await fill(assets, keyOf('old', 'a.ts'), bytes(300))
  await using partial = await writing(assets, keyOf('old', 'b.ts'))
  await partial.writer.writeAt(50, bytes(200))
  const staged = await assets.acquire(keyOf('processed'), { staged: true })
  await staged.writer?.writeAt(0, bytes(250))
  await staged.stage?.output.writeAt(0, bytes(250))
  assert.equal(store.index.totalBytes, 1000)
  await using one = await writing(assets, keyOf('one'))
  await assert.rejects(one.writer.writeAt(0, bytes(1)), quota)
  await assert.rejects(async () => staged.stage?.output.writeAt(250, bytes(1)), quota)
  await staged[Symbol.asyncDispose]()
  await one.writer.writeAt(0, bytes(1))
  assert.equal(store.evicted.length, 1)
})

test('[core 23] maxAssets passes by what is pinned, what is leased, and the newcomer', async () => {
  const { store, assets, names } = await tenAssets({ limits: { maxAssets: 10 } })
  store.index.pinned.add('a0')
  using held = await assets.open(keyOf('a1'))
  await fill(assets, keyOf('new'), bytes(1))
  assert.deepEqual(names(), ['a0', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9', 'a1', 'new'])
  assert.deepEqual(store.evicted, [{ asset: 'a2', bytes: 100, reason: 'assets' }])
  assert.equal(held.length, 100)
})

test('[core 23] maxAssets 1 works, also for what no index names before its commit', async () => {
  for (const mode of ['fill', 'replace'] as const) {
    const { store, assets } = storeOf({ limits: { maxAssets: 1 } })
    for (const name of ['a', 'b', 'c', 'b']) {
      await fill(assets, keyOf(name), bytes(10), { mode })
      assert.deepEqual(
        [...store.index.assets()].filter((stat) => stat.resources > 0).map((stat) => stat.asset),
        [name],
      )
    }
    await fill(assets, keyOf('b', 'second.ts'), bytes(10))
    assert.equal(store.index.resourceCount, 2)
  }
})

test('[core 23] with every asset in use a newcomer is acquired but cannot write; those that were there can', async () => {
  const { store, assets } = storeOf({ limits: { maxAssets: 2 } })
  await fill(assets, keyOf('pinned'), bytes(10))
  store.index.pinned.add('pinned')
  await using first = await writing(assets, keyOf('first'))
  const second = await writing(assets, keyOf('second'))
  await assert.rejects(
    second.writer.writeAt(0, bytes(1)),
    (error: Error) => quota(error) && /maxAssets is 2/.test(error.message),
  )
  await first.writer.writeAt(0, bytes(1))
  await using there = await writing(assets, keyOf('pinned', 'b.ts'))
  await there.writer.writeAt(0, bytes(1))
  store.index.pinned.delete('pinned')
  await there.writer.release()
  there.reader.close()
  await second.writer.writeAt(0, bytes(1))
  assert.deepEqual(
    store.evicted.map((event) => event.asset),
    ['pinned'],
  )
  await second[Symbol.asyncDispose]()
})

test('[core 24] a cache hit counts as use; evict, fetch again, evict again', async () => {
  const { store, assets, names } = await tenAssets({ limits: { maxBytes: 1000 } })
  ;(await assets.open(keyOf('a9'))).close() // still idle in the cache: a hit
  ;(await assets.open(keyOf('a0'))).close()
  for (let round = 0; round < 3; round++) {
    const [oldest] = names()
    assert.ok(oldest)
    await fill(assets, keyOf(`new${round}`), bytes(100))
    await settled(store)
    assert.ok(!names().includes(oldest))
    await fill(assets, keyOf(oldest), bytes(100))
    await settled(store)
    assert.ok(names().includes(oldest))
  }
  assert.deepEqual(
    store.evicted.map((event) => event.asset),
    ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'],
  )
  assert.ok(store.mostBytes <= 1000)
})

test('[core 25] everything pinned and over quota: that write rejects, and its writer goes on once a pin is dropped', async () => {
  const { store, assets } = await tenAssets({ limits: { maxBytes: 1000 } })
  for (let n = 0; n < 10; n++) store.index.pinned.add(`a${n}`)
  await using got = await writing(assets, keyOf('new'))
  await assert.rejects(
    got.writer.writeAt(0, bytes(10)),
    (error: Error) => quota(error) && /maxBytes is 1000, 1000 are used \(1000 pinned\)/.test(error.message),
  )
  await got.writer.writeAt(0, bytes(0))
  store.index.pinned.delete('a4')
  await got.writer.writeAt(0, bytes(10))
  assert.equal(await got.writer.commit(), 10)
  assert.deepEqual(
    store.evicted.map((event) => event.asset),
    ['a4'],
  )
})

test('[core 25] a writer larger than the quota never exceeds it, and evicts nobody in vain', async () => {
  const { store, assets } = await tenAssets({ limits: { maxBytes: 1000 } })
  await using got = await writing(assets, keyOf('huge'))
  await assert.rejects(got.writer.writeAt(0, bytes(2000)), quota)
  assert.equal(store.evicted.length, 0)
  let written = 0
  await assert.rejects(async () => {
    for (; written < 2000; written += 64) await got.writer.writeAt(written, bytes(64))
  }, quota)
  assert.equal(written, 960)
  assert.ok(store.mostBytes <= 1000)
})

test('[core 25] many writers at once never exceed the quota between them', async () => {
  const { store, assets } = await tenAssets({ limits: { maxBytes: 1000 }, onWrite: () => eventLoopTurn() })
  const all = await Promise.allSettled(
    Array.from({ length: 30 }, async (_, n) => {
      await using got = await writing(assets, keyOf(`w${n}`))
      for (let at = 0; at < 100; at += 20) await got.writer.writeAt(at, bytes(20))
      await got.writer.commit()
    }),
  )
  assert.ok(store.mostBytes <= 1000, `${store.mostBytes}`)
  assert.ok(all.some((one) => one.status === 'fulfilled'))
  for (const one of all) if (one.status === 'rejected') assert.ok(quota(one.reason), String(one.reason))
})

test('[core 25] pieces of one writer wait in order, and one too many does not take the others down', async () => {
  const { store, assets } = await tenAssets({ limits: { maxBytes: 1000 } })
  for (let n = 1; n < 10; n++) store.index.pinned.add(`a${n}`)
  await using got = await writing(assets, keyOf('new'))
  const all = await Promise.allSettled([0, 40, 80].map((at) => got.writer.writeAt(at, bytes(40))))
  assert.deepEqual(
    all.map((one) => one.status),
    ['fulfilled', 'fulfilled', 'rejected'],
  )
  assert.equal(got.writer.coverage.size, 80)
})

test('[core 25] a write that pins leave no room for evicts nobody in vain', async () => {
  const { store, assets } = await tenAssets({ limits: { maxBytes: 1000 } })
  for (let n = 1; n < 10; n++) store.index.pinned.add(`a${n}`)
  await using got = await writing(assets, keyOf('new'))
  await assert.rejects(got.writer.writeAt(0, bytes(101)), quota)
  assert.equal(store.evicted.length, 0)
  await got.writer.writeAt(0, bytes(100))
})

test('bytes written over bytes that are there need no room, also when the limit was lowered under them', async () => {
  const { store, assets } = storeOf({ limits: { maxBytes: 100 } })
  await using got = await writing(assets, keyOf('a'))
  await got.writer.writeAt(0, bytes(100))
  await store.setLimits({ maxBytes: 50 })
  await got.writer.writeAt(0, bytes(100))
  await assert.rejects(got.writer.writeAt(50, bytes(51)), quota)
  assert.equal(store.index.totalBytes, 100)
})

test('what is discarded is reserved no more, and what comes instead is reserved anew', async () => {
  const { store, assets } = storeOf({ limits: { maxBytes: 100 } })
  await using one = await writing(assets, keyOf('one'))
  await using two = await writing(assets, keyOf('two'))
  await one.writer.writeAt(0, bytes(100))
  await one.writer.discard()
  await two.writer.writeAt(0, bytes(60))
  await assert.rejects(one.writer.writeAt(0, bytes(41)), quota)
  await one.writer.writeAt(0, bytes(40))
  assert.equal(store.index.totalBytes, 100)
})

test('bytes that are discarded but still on the medium are waited for before a write is refused', async () => {
  const gate = deferred()
  const { store, assets } = storeOf({ limits: { maxBytes: 100 }, onUnlink: () => gate.promise })
  await using got = await writing(assets, keyOf('a'))
  await got.writer.writeAt(0, bytes(100))
  await got.writer.discard()
  const write = got.writer.writeAt(0, bytes(100))
  assert.equal(await stateOf(write), 'pending')
  gate.resolve()
  await write
  assert.equal(store.mostBytes, 100)
})

test('what a writer reserved is free again when its write failed for good and it settles', async () => {
  let broken = true
  const onWrite = (): void => {
    if (broken) throw Object.assign(new Error('broken'), { code: 'EIO' })
  }
  const { assets } = storeOf({ limits: { maxBytes: 100 }, onWrite })
  const got = await writing(assets, keyOf('a'))
  await assert.rejects(got.writer.writeAt(0, bytes(100)), (error) => CisternError.is(error, 'ERR_CISTERN_STORAGE_IO'))
  broken = false
  await got.writer.writeAt(0, bytes(100)) // the same bytes again: they are not reserved twice
  await got.writer.fail(new Error('no more'))
  got.reader.close()
  await fill(assets, keyOf('b'), bytes(100))
})

test('an asset that is pinned between its choice and its removal stays, and the next oldest goes', async () => {
  const store = new FakeStore({ limits: { maxBytes: 1000 } })
  const late: Layer = (inner) =>
    new (class extends AssetsLayer {
      override async removeAsset(...given: Parameters<Assets['removeAsset']>) {
        if (given[0] === 'a0') store.index.pinned.add('a0')
        return this.inner.removeAsset(...given)
      }
    })(inner)
  const assets = chainOver(store, lease, evict, late)
  for (let n = 0; n < 10; n++) await fill(assets, keyOf(`a${n}`), bytes(100))
  await fill(assets, keyOf('new'), bytes(100))
  await settled(store)
  assert.deepEqual(
    store.evicted.map((event) => event.asset),
    ['a1', 'a2'],
  )
})

test('a removal that fails is passed by; with nothing else left the write learns why', async () => {
  const store = new FakeStore({ limits: { maxBytes: 100 } })
  const failing: Layer = (inner) =>
    new (class extends AssetsLayer {
      override async removeAsset(): Promise<boolean> {
        throw new Error('read-only')
      }
    })(inner)
  const assets = chainOver(store, evict, failing)
  await fill(assets, keyOf('a'), bytes(100))
  await using got = await writing(assets, keyOf('b'))
  await assert.rejects(
    got.writer.writeAt(0, bytes(1)),
    (error: Error) => quota(error) && /read-only/.test(String(error.cause)),
  )
})

test('[core 35] without a lease layer, and over writers of another make, what is being written still stays', async () => {
  const foreign: Layer = (inner) =>
    new (class extends AssetsLayer {
      override async acquire(...given: Parameters<Assets['acquire']>) {
        const got = await this.inner.acquire(...given)
        return withHandles(got, got.reader, got.writer && new ForwardingWriter(got.writer), undefined)
      }
    })(inner)
  const store = new FakeStore({ limits: { maxBytes: 100 } })
  const assets = chainOver(store, evict, foreign)
  const one = await writing(assets, keyOf('one'))
  const two = await writing(assets, keyOf('two'))
  await Promise.all([
    one.writer.writeAt(0, bytes(30)),
    one.writer.writeAt(30, bytes(30)),
    two.writer.writeAt(0, bytes(40)),
  ])
  await assert.rejects(two.writer.writeAt(40, bytes(1)), quota)
  assert.equal(store.evicted.length, 0)
  await one.writer.commit()
  await two.writer.writeAt(40, bytes(1))
  assert.deepEqual(
    store.evicted.map((event) => event.asset),
    ['one'],
  )
  await two[Symbol.asyncDispose]()
})

test('[core 35] without a lease layer the oldest goes that nobody writes', async () => {
  const store = new FakeStore({ limits: { maxBytes: 100 } })
  const assets = chainOver(store, evict)
  await using oldest = await writing(assets, keyOf('oldest'))
  await oldest.writer.writeAt(0, bytes(30))
  await fill(assets, keyOf('second'), bytes(40))
  await fill(assets, keyOf('third'), bytes(30))
  await fill(assets, keyOf('new'), bytes(25))
  assert.deepEqual(
    store.evicted.map((event) => event.asset),
    ['second'],
  )
})

test('at most eight removals run at once, in one run for all who wait', async () => {
  let now = 0
  let most = 0
  const gate = deferred()
  const onUnlink = async (): Promise<void> => {
    most = Math.max(most, ++now)
    await gate.promise
    now--
  }
  const { store, assets } = storeOf({ limits: { maxBytes: 200 }, onUnlink })
  for (let n = 0; n < 20; n++) await fill(assets, keyOf(`a${n}`), bytes(10))
  const writers = await Promise.all(['x', 'y'].map((name) => writing(assets, keyOf(name))))
  const writes = writers.map((got, n) => got.writer.writeAt(0, bytes(n === 0 ? 100 : 60)))
  const [first] = writes
  assert.ok(first)
  assert.equal(await stateOf(first), 'pending')
  gate.resolve()
  await Promise.all(writes)
  await settled(store)
  assert.equal(most, 8)
  assert.equal(store.evicted.length, 18) // of 200 + 100 + 60 bytes, 180 stay
  for (const got of writers) await got[Symbol.asyncDispose]()
})

test('a small write does not overtake a large one that waits for room', async () => {
  const gate = deferred()
  const { assets } = await tenAssets({ limits: { maxBytes: 1050 }, onUnlink: () => gate.promise })
  await using large = await writing(assets, keyOf('large'))
  await using small = await writing(assets, keyOf('small'))
  const order: string[] = []
  const writes = [
    large.writer.writeAt(0, bytes(100)).then(() => order.push('large')),
    small.writer.writeAt(0, bytes(10)).then(() => order.push('small')),
  ]
  await eventLoopTurn()
  assert.deepEqual(order, [])
  gate.resolve()
  await Promise.all(writes)
  assert.deepEqual(order, ['large', 'small'])
})

test('setLimits evicts down to the new limits, and resolves after that', async () => {
  let free = 1000
  const { store, names } = await tenAssets({ freeBytes: async () => free + store.evicted.length * 100 })
  await store.setLimits({ maxBytes: 500 })
  assert.deepEqual(names(), ['a6', 'a7', 'a8', 'a9'])
  await store.setLimits({ maxAssets: 3 })
  assert.deepEqual(names(), ['a7', 'a8', 'a9'])
  free = 0
  await store.setLimits({ minFreeBytes: 900 })
  assert.deepEqual(names(), ['a9'])
  assert.deepEqual(
    store.evicted.map((event) => event.reason),
    [...Array(6).fill('bytes'), 'assets', 'free-space', 'free-space'],
  )
})

test('minFreeBytes: below it the oldest go, and with nothing left the write is refused', async () => {
  let capacity = 1500
  const limits = { minFreeBytes: 500 }
  const { store, assets }: { store: FakeStore; assets: Assets } = storeOf({
    limits,
    freeBytes: async () => capacity - store.index.totalBytes,
  })
  for (let n = 0; n < 10; n++) await fill(assets, keyOf(`a${n}`), bytes(100))
  await fill(assets, keyOf('new'), bytes(150))
  await settled(store)
  assert.deepEqual(store.evicted, [
    { asset: 'a0', bytes: 100, reason: 'free-space' },
    { asset: 'a1', bytes: 100, reason: 'free-space' },
  ])
  capacity = 500 // somebody else filled the disk
  await using got = await writing(assets, keyOf('other'))
  await assert.rejects(
    got.writer.writeAt(0, bytes(100)),
    (error: Error) => quota(error) && /minFreeBytes is 500/.test(error.message),
  )
})

test('free space is measured anew where a measurement under way may not know what was evicted since', async () => {
  const answers = [deferred<number>(), deferred<number>()]
  let asked = 0
  const free = new FreeSpace(
    () => answers[asked++]?.promise ?? Promise.resolve(0),
    () => 10,
  )
  free.grant(5) // never measured: begins beside it
  const measured = free.measure()
  await eventLoopTurn()
  assert.equal(asked, 1)
  answers[0]?.resolve(100)
  await eventLoopTurn()
  assert.equal(asked, 2)
  free.grant(20)
  answers[1]?.resolve(200)
  await measured
  assert.equal(free.estimate, 200 - 10 - 20)
})

test('a medium that cannot tell its free space refuses nothing', async () => {
  const { assets } = storeOf({
    limits: { minFreeBytes: 500 },
    freeBytes: () => {
      throw new Error('no statfs here')
    },
  })
  await fill(assets, keyOf('a'), bytes(100))
})

test('[core 36] a full disk: idle handles are closed, the oldest goes, the write is tried once more', async () => {
  let room = 1000
  let used = (): number => 0
  const onWrite = (_: number, size: number): void => {
    if (used() + size > room) throw new NoSpaceError('full')
  }
  const { store, assets } = await tenAssets({ onWrite })
  used = () => store.index.totalBytes
  assert.equal(store.inUse.size, 5)
  await fill(assets, keyOf('new'), bytes(50))
  assert.deepEqual(store.evicted, [{ asset: 'a0', bytes: 100, reason: 'no-space' }])
  assert.equal(store.inUse.size, 1)
  room = 0
  await using got = await writing(assets, keyOf('other'))
  await assert.rejects(got.writer.writeAt(0, bytes(10)), (error) => CisternError.is(error, 'ERR_CISTERN_NO_SPACE'))
  room = 1000
  await got.writer.writeAt(0, bytes(10))
})

test('no room for one file more: idle handles are closed, the oldest goes, acquiring is tried once more [core 51]', async () => {
  let used = 0
  const { store, assets } = storeOf({
    onAcquire: () => {
      if (used === 2 + store.evicted.length) throw new NoSpaceError('no inode is free')
      used++
    },
  })
  await fill(assets, keyOf('old'), bytes(10))
  await fill(assets, keyOf('new'), bytes(10))
  await using got = await writing(assets, keyOf('newer'))
  await got.writer.writeAt(0, bytes(10))
  assert.deepEqual(
    store.evicted.map(({ asset, reason }) => `${asset} for ${reason}`),
    ['old for no-space'],
  )
})

test('out of descriptors: idle handles are closed and the write is tried once more; other I/O errors are told at once', async () => {
  const failures: string[] = []
  const { store, assets } = storeOf({
    onWrite: () => {
      const code = failures.shift()
      if (code) throw new StorageIoError(`cannot write: ${code}`, { cause: Object.assign(new Error(code), { code }) })
    },
  })
  await fill(assets, keyOf('a'), bytes(10))
  await using got = await writing(assets, keyOf('b'))
  assert.equal(store.inUse.size, 2)
  failures.push('EMFILE')
  await got.writer.writeAt(0, bytes(10))
  assert.equal(store.inUse.size, 1)
  failures.push('EIO', 'never met')
  await assert.rejects(got.writer.writeAt(10, bytes(10)), /EIO/)
  assert.deepEqual(failures, ['never met'])
  assert.deepEqual(store.evicted, [])
})

test('extend takes room for its copy beforehand', async () => {
  const { store, assets } = storeOf({ limits: { maxBytes: 1000 } })
  await fill(assets, keyOf('old'), bytes(300))
  await fill(assets, keyOf('live'), bytes(400))
  await using got = await assets.acquire(keyOf('live'), { mode: 'extend' })
  await got.writer?.writeAt(400, bytes(100))
  assert.deepEqual(
    store.evicted.map((event) => event.asset),
    ['old'],
  )
  assert.ok(store.mostBytes <= 1000)
  await assert.rejects(async () => got.writer?.writeAt(500, bytes(200)), quota)
})

test('a write that waits when its writer is removed, or the store closes, is not left waiting', async () => {
  for (const end of ['remove', 'close'] as const) {
    const gate = deferred()
    const { assets } = await tenAssets({ limits: { maxBytes: 1000 }, onUnlink: () => gate.promise })
    const got = await writing(assets, keyOf('new'))
    const write = got.writer.writeAt(0, bytes(10))
    assert.equal(await stateOf(write), 'pending')
    const ended = end === 'remove' ? assets.remove(keyOf('new')) : assets.close()
    await assert.rejects(write, CisternError)
    gate.resolve()
    await ended
    got.reader.close()
  }
})

test('close ends the subscription; nothing is evicted afterwards', async () => {
  const { store, assets } = await tenAssets({})
  await assets.close()
  assert.equal(store.listeners, 0)
  await store.setLimits({ maxAssets: 1 })
  assert.deepEqual(store.evicted, [])
})

test('[core 23] [core 25] whatever is written, held, pinned and removed: never above the quota, never a victim in use', async () => {
  const step = fc.record({
    what: fc.constantFrom(
      'write',
      'write',
      'write',
      'commit',
      'release',
      'fail',
      'discard',
      'open',
      'close',
      'pin',
      'remove',
    ),
    asset: fc.integer({ min: 0, max: 5 }),
    at: fc.integer({ min: 0, max: 4 }),
    size: fc.integer({ min: 1, max: 60 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const store = new FakeStore({ limits: { maxBytes: 200, maxAssets: 4 } })
      const held = new Map<number, Acquisition>()
      const wronged: string[] = []
      const watching: Layer = (inner) =>
        new (class extends AssetsLayer {
          override removeAsset(asset: string, options?: RemoveAssetOptions) {
            if (!options?.unless) return this.inner.removeAsset(asset)
            const unless = (): boolean => {
              if (options.unless?.()) return true
              if (store.index.pinned.has(asset) || held.has(Number(asset.slice(1)))) wronged.push(asset)
              return false
            }
            return this.inner.removeAsset(asset, { unless })
          }
        })(inner)
      const assets = chainOver(store, lease, cached({ cacheEntries: 2 }), evict, watching)
      const pending: Promise<unknown>[] = []
      for (const { what, asset, at, size } of steps) {
        const name = `a${asset}`
        let got = held.get(asset)
        if (what === 'pin') store.index.pinned[store.index.pinned.has(name) ? 'delete' : 'add'](name)
        else if (what === 'remove') await assets.removeAsset(name)
        else if (what === 'close') {
          held.delete(asset)
          await got?.[Symbol.asyncDispose]()
        } else if (!got) {
          got = await assets.acquire(keyOf(name))
          held.set(asset, got)
        }
        if (what === 'write' && got?.writer) pending.push(got.writer.writeAt(at * 30, bytes(size)).catch(() => {}))
        if (what === 'commit') await got?.writer?.commit().catch(() => {})
        if (what === 'release') await got?.writer?.release()
        if (what === 'fail') await got?.writer?.fail(new Error('given up'))
        if (what === 'discard') await got?.writer?.discard().catch(() => {})
        assert.ok(store.mostBytes <= 200, `${store.mostBytes} bytes`)
      }
      await Promise.all(pending)
      for (const [asset, got] of held) {
        held.delete(asset) // from here on it may go
        await got[Symbol.asyncDispose]()
      }
      await settled(store)
      assert.ok(store.mostBytes <= 200, `${store.mostBytes} bytes`)
      assert.deepEqual(wronged, [])
      assert.deepEqual(
        [...store.index.leases.values()].filter((count) => count !== 0),
        [],
      )
      store.index.pinned.clear()
      await fill(assets, keyOf('last'), bytes(200)) // nothing stayed reserved
      await assets.close()
    }),
    { numRuns: 150 },
  )
})
