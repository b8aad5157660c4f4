import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssetStore, NotFoundError, ResourceKey } from '@cistern/assets'
import { assetName, resourcePath, writeBigIndex } from '../../helpers/big-index.js'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { tempFolder } from '../../helpers/temp-folder.js'

const RESOURCES = 5000
const asset = assetName(0)
const key = ResourceKey.of(asset, resourcePath(7))

async function openLarge(root: string): Promise<AssetStore> {
  await writeBigIndex(root, { assets: 1, resourcesPerAsset: RESOURCES })
  const store = await AssetStore.open({ root, minFreeBytes: 0 })
  assert.equal(store.stats().resources, RESOURCES)
  return store
}

test('[core 26] an asset of very many resources is gone in one step, and lets others have their turn on its way out', async (t) => {
  const root = tempFolder(t)
  await using store = await openLarge(root)
  let isDone = false
  const removing = store.removeAsset(asset).then((was) => {
    isDone = true
    return was
  })
  await undefined
  assert.equal(store.stat(key), undefined)
  assert.equal(store.assetStat(asset), undefined)
  assert.deepEqual([...store.assets()], [])
  assert.deepEqual([...store.resources(asset)], [])
  await assert.rejects(store.open(key), NotFoundError)
  assert.equal(await store.removeAsset(asset), false)
  let turns = 0
  for (; !isDone; turns++) await eventLoopTurn()
  assert.equal(await removing, true)
  assert.ok(turns > 5, `${turns} turns`)
  const { resources, assets, bytes } = store.stats()
  assert.deepEqual({ resources, assets, bytes }, { resources: 0, assets: 0, bytes: 0 })
})

test('[core 26] what is filled while its asset is on its way out is not taken along', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await openLarge(root)
    const removing = store.removeAsset(asset)
    await Promise.all([removing, store.put(key, 'new'), store.put(ResourceKey.of(asset, 'other.ts'), 'as well')])
    assert.deepEqual([store.stats().resources, store.stats().bytes], [2, 10])
  }
  await using store = await AssetStore.open({ root, minFreeBytes: 0 })
  assert.equal(store.stats().resources, 2)
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'new')
})

test('[core 26] a store that closes while an asset is on its way out closes without it', async (t) => {
  const root = tempFolder(t)
  const first = await openLarge(root)
  const removing = first.removeAsset(asset).catch(() => undefined)
  await first.close()
  await removing
  await using store = await AssetStore.open({ root, minFreeBytes: 0 })
  assert.equal(store.stats().resources, 0)
})
