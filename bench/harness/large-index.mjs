import { AssetStore, driverAssets, openIndex, openStore } from '@cistern/assets'
import { MemoryBackend } from './memory-backend.mjs'

/**
 * A store of many small resources: its index is on disk at `root`, its bytes were never there. Whoever opens it later with
 * `AssetStore.open` and touches a file of an asset finds none.
 * @param {string} root
 * @param {{ assets: number, perAsset: number }} shape
 */
export async function buildLargeIndex(root, { assets, perAsset }) {
  const store = await openStore(driverAssets(new MemoryBackend()), await openIndex(`${root}/_index`), {
    minFreeBytes: 0,
    cacheEntries: 0,
  })
  try {
    for (let asset = 0; asset < assets; asset++) {
      await Promise.all(Array.from({ length: perAsset }, (_, index) => putOne(store, assetName(asset), index)))
    }
  } finally {
    await store.close()
  }
}

/** @param {number} asset */
export function assetName(asset) {
  return `asset-${String(asset).padStart(6, '0')}`
}

/**
 * @param {AssetStore} store
 * @param {string} asset
 * @param {number} index
 */
function putOne(store, asset, index) {
  const path = `segment-${String(index).padStart(5, '0')}.ts`
  return store
    .asset(asset)
    .put(path, Buffer.alloc(100, index), { metadata: { contentType: 'video/mp2t', etag: `"${index}"` } })
}
