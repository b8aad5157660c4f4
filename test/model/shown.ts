import assert from 'node:assert/strict'
import { type AssetStore, ResourceKey } from '@cistern/assets'
import { eventLoopTurn } from '../helpers/deferred.js'
import type { Model } from './model.js'
import { ASSETS, KEYS } from './operations.js'

/** For what runs behind: removals, and what waits for them. */
const PATIENCE_MS = 10_000

/** All that the store shows without I/O is what the model has. */
export function assertShown(store: AssetStore, model: Model, leases: (asset: string) => number): void {
  for (const key of KEYS) assert.deepEqual(shown(store, key), expected(model, key), `stat of ${key}`)
  for (const asset of ASSETS) {
    const stat = store.assetStat(asset)
    const resources = KEYS.filter((key) => key.startsWith(`${asset}/`) && model.visible(key))
    assert.equal(stat?.resources ?? 0, resources.length, `resources of ${asset}`)
    assert.equal(stat?.pinned ?? false, model.pins.has(asset), `${asset} is pinned`)
    assert.equal(stat?.leases ?? 0, leases(asset), `leases of ${asset}`)
    assert.deepEqual(
      [...store.resources(asset)].map(({ key }) => key.id).sort(),
      [...resources].sort(),
      `resources of ${asset}`,
    )
  }
  const order = [...store.assets()].filter((stat) => stat.resources > 0).map(({ asset }) => asset)
  assert.deepEqual(order, model.assets, 'assets, least recently used first')
  const { assets, resources, state } = store.stats()
  const visible = KEYS.filter((key) => model.visible(key))
  assert.equal(resources, visible.length, 'resources in all')
  assert.equal(assets, new Set(visible.map((key) => key.slice(0, 1))).size, 'assets in all')
  assert.equal(state, 'ok')
}

/** What is dropped as soon as nobody holds it is dropped in a turn of its own. */
export async function untilGone(store: AssetStore, model: Model): Promise<void> {
  const isLeft = () => KEYS.some((key) => !model.visible(key) && store.stat(ResourceKey.parse(key)))
  const patience = Date.now() + PATIENCE_MS
  while (isLeft() && Date.now() < patience) await eventLoopTurn()
}

/** What is counted as stored is what is stored, once removals that run behind are done. */
export async function assertSettled(store: AssetStore, model: Model): Promise<void> {
  const sizes = new Map(ASSETS.map((asset) => [asset, model.bytesOf(asset)]))
  for (const [asset, bytes] of sizes) assert.equal(store.assetStat(asset)?.bytes ?? 0, bytes, `bytes of ${asset}`)
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
  const patience = Date.now() + PATIENCE_MS
  while (store.stats().bytes !== total && Date.now() < patience) await eventLoopTurn()
  const { bytes, pinnedBytes } = store.stats()
  assert.equal(bytes, total, 'bytes in all')
  const pinned = [...store.assets()].filter((stat) => stat.pinned || stat.leases > 0)
  assert.equal(
    pinnedBytes,
    pinned.reduce((sum, stat) => sum + stat.bytes, 0),
    'pinned bytes',
  )
}

function shown(store: AssetStore, key: string): object | undefined {
  const stat = store.stat(ResourceKey.parse(key))
  if (!stat) return undefined
  const { generation, state, writing, readers, length, coverage, received, storedBytes, metadata } = stat
  return {
    generation,
    state,
    writing,
    readers,
    length,
    coverage: coverage.toFlat(),
    received: received.toFlat(),
    storedBytes,
    metadata,
  }
}

function expected(model: Model, key: string): object | undefined {
  const life = model.visible(key)
  if (!life) return undefined
  const coverage = life.coverage
  return {
    generation: life.id,
    state: life.committed ? 'committed' : 'active',
    writing: life.writer !== undefined,
    readers: life.readers.size,
    length: life.length,
    coverage,
    received: coverage,
    storedBytes: life.size,
    metadata: life.metadata,
  }
}
