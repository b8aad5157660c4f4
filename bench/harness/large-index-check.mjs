import { strict as assert } from 'node:assert'
import { join } from 'node:path'
import { driverAssets, openIndex, openStore } from '@cistern/assets'
import { recover } from '../../packages/assets/dist/index/recovery.js'
import { readSnapshot, snapshotName } from '../../packages/assets/dist/index/snapshot.js'
import { assetName, bodyOf, metadataOf, pathName, writeLargeIndex } from './large-index.mjs'
import { MemoryBackend } from './memory-backend.mjs'

/** @import { Place } from './place.mjs' */
/** @import { Shape } from './large-index.mjs' */

/** Enough that closing compacts; leaves that were split among them. */
const SHAPE = { assets: 20, perAsset: 100 }

/**
 * Throws where a large index that was written directly is not, to the byte, what `put`s through the public store leave.
 * @param {Place} place
 */
export async function checkLargeIndex(place) {
  const [stored, written] = [place.folder({ inMemory: true }), place.folder({ inMemory: true })]
  await putLargeIndex(stored, SHAPE)
  const { header } = await readSnapshot(join(stored, '_index', snapshotName('cov')))
  const { state } = await recover(join(stored, '_index'), undefined)
  assert(header)
  await writeLargeIndex(written, SHAPE, {
    ...header,
    commit: (asset, index) => {
      const committed = state.entry(assetName(asset), pathName(index))?.committed
      assert(committed)
      return committed
    },
  })
  for (const kind of /** @type {const} */ (['cov', 'lru', 'pins'])) {
    const [one, other] = [await payloadsOf(stored, kind), await payloadsOf(written, kind)]
    assert.deepEqual(other, one, `${kind} of a store and of a large index are not the same`)
  }
}

/**
 * @param {string} root
 * @param {Shape} shape
 */
async function putLargeIndex(root, { assets, perAsset }) {
  const index = await openIndex(`${root}/_index`)
  const store = await openStore(driverAssets(new MemoryBackend()), index, { minFreeBytes: 0, cacheEntries: 0 })
  try {
    for (let asset = 0; asset < assets; asset++)
      for (let index = 0; index < perAsset; index++)
        await store.asset(assetName(asset)).put(pathName(index), bodyOf(index), { metadata: metadataOf(index) })
  } finally {
    await store.close()
  }
}

/**
 * @param {string} root
 * @param {'cov' | 'lru' | 'pins'} kind
 */
async function payloadsOf(root, kind) {
  const { payloads, whole } = await readSnapshot(join(root, '_index', snapshotName(kind)))
  assert(whole)
  return payloads.map((payload) => Buffer.from(payload).toString('latin1'))
}
