import { writeFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { AssetStore } from '@cistern/assets'
import { pack } from 'msgpackr'
import { fingerprintLike } from './memory-backend.mjs'

/**
 * What a store's index knows, as one msgpack file of plain arrays: the least that someone would have who keeps the same
 * in memory without an index of ours.
 * @param {string} root
 * @param {string} file
 */
export async function packSameContent(root, file) {
  const store = await AssetStore.open({ root, minFreeBytes: 0 })
  try {
    const assets = [...store.assets()].map(({ asset, pinned }, use) => [asset, use, pinned, resourcesOf(store, asset)])
    writeFileSync(file, pack(assets))
  } finally {
    await store.close()
  }
}

/**
 * @param {AssetStore} store
 * @param {string} asset
 */
function resourcesOf(store, asset) {
  return [...store.resources(asset)].map((stat) => [
    stat.key.path,
    stat.generation,
    stat.state,
    stat.length,
    stat.coverage.toFlat(),
    [crc32(stat.key.id)], // of its one block
    fingerprintLike(stat.length),
    stat.committedAt?.getTime(),
    stat.metadata,
  ])
}
