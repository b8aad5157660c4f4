import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AcquireOptions,
  type Acquisition,
  AssetsLayer,
  aes128Cbc,
  CisternError,
  type DefaultLayers,
  diskAssets,
  driverAssets,
  type Layer,
  openIndex,
  openStore,
  ResourceKey,
  type StoreOptions,
  volatileIndex,
} from '@cistern/assets'
import { type LayerName, type StoreFactory, testAssetStore } from '@cistern/assets/testing'
import { MemStore } from '@cistern/mem-store'
import { diskPlace } from './disk/places.js'
import { RecordBackend } from './record-backend.js'

const ALL: readonly LayerName[] = ['lease', 'cached', 'processing', 'evict']
const key = ResourceKey.of('film', 'film.mp4')
const processor = aes128Cbc({ key: new Uint8Array(16), iv: new Uint8Array(16) })

/** A store in memory with the chain of its own. */
function chained(name: string, layers: NonNullable<StoreOptions['layers']>): StoreFactory {
  // An option of the test's own that is wrong has to stay wrong.
  const open = (options: StoreOptions) => MemStore.open({ layers, ...options })
  return { name, create: async () => ({ open, [Symbol.asyncDispose]: async () => {} }) }
}

const memory = { survivesReopening: false, sparse: false }
const only = (names: readonly LayerName[]) => (defaults: DefaultLayers) => names.map((name) => defaults[name])

for (const left of ALL) {
  const layers = ALL.filter((name) => name !== left)
  const factory = chained(`[core 35] without ${left}`, only(layers))
  testAssetStore({ test, factory, capabilities: { ...memory, layers } })
}

testAssetStore({
  test,
  factory: chained('[core 35] without any layer', only([])),
  capabilities: { ...memory, layers: [] },
})

for (const order of [
  ['processing', 'lease', 'cached', 'evict'],
  ['lease', 'processing', 'cached', 'evict'],
  ['lease', 'processing', 'evict', 'cached'],
] as const) {
  const factory = chained(`[core 35] ${order.join(' over ')}`, only(order))
  testAssetStore({ test, factory, capabilities: memory })
}

/** What an application might add: counts who asks, in between and at both ends. */
class CountingAssets extends AssetsLayer {
  static acquires = 0

  override acquire(asked: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
    CountingAssets.acquires++
    return super.acquire(asked, options)
  }
}
const counting: Layer = (inner) => new CountingAssets(inner)

testAssetStore({
  test,
  factory: chained("[core 35] with others' layers", ({ lease, cached, processing, evict }) => [
    counting,
    lease,
    cached,
    counting,
    processing,
    evict,
    counting,
  ]),
  capabilities: memory,
})

test("[core 35] others' layers were passed through", () => {
  assert.ok(CountingAssets.acquires > 100, `${CountingAssets.acquires}`)
})

testAssetStore({
  test,
  factory: {
    name: '[core 35] another backend over volatileIndex',
    create: async () => ({
      open: (options) => openStore(driverAssets(new RecordBackend()), volatileIndex(), options),
      [Symbol.asyncDispose]: async () => {},
    }),
  },
  capabilities: { survivesReopening: false, sparse: true },
})

testAssetStore({
  test,
  factory: {
    name: '[core 35] another backend over openIndex',
    create: () => {
      const backend = new RecordBackend()
      return diskPlace(async (root, options) => {
        const { durability, flushMs } = options
        return openStore(driverAssets(backend), await openIndex(`${root}/_index`, { durability, flushMs }), options)
      })
    },
  },
  capabilities: { survivesReopening: true, sparse: true },
})

test('[core 35] a store opened by its parts is the one that AssetStore.open opens', async () => {
  await using place = await diskPlace(async (root, options) =>
    openStore(diskAssets(root), await openIndex(`${root}/_index`), options),
  )
  {
    await using store = await place.open({ minFreeBytes: 0 })
    await store.put(key, 'hello')
  }
  await using store = await place.open({ minFreeBytes: 0 })
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'hello')
})

test('[core 35] a processor is refused where no layer runs it, and nothing is begun', async () => {
  for (const layers of [[], ['lease', 'cached', 'evict']] as const) {
    await using store = await MemStore.open({ layers: only(layers) })
    const isRefusal = (error: unknown): boolean => CisternError.is(error, 'ERR_CISTERN_NOT_SUPPORTED')
    const mustNotRun = () => assert.fail('nobody asked for it')
    await assert.rejects(store.acquire(key, { processor }), isRefusal)
    await assert.rejects(store.acquire(key, { processor: mustNotRun }), isRefusal)
    await assert.rejects(store.put(key, 'x', { processor }), isRefusal)
    await assert.rejects(store.openOrFill(key, mustNotRun, { processor }), isRefusal)
    assert.deepEqual([...store.assets()], [])
    assert.equal(store.assetStat('film')?.leases ?? 0, 0)
  }
})
