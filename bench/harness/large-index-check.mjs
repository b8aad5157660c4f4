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
 * Throws where a start finds something else in a large index that was written directly than in what `put`s through the
 * public store leave.
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
  // Not their frames: those end where their writer has rested.
  assert.deepEqual(await found(written), await found(stored), 'a store and a large index are not the same')
}

/**
 * What a start finds.
 * @param {string} root
 */
async function found(root) {
  const { state } = await recover(join(root, '_index'), undefined)
  const entries = Array.from({ length: SHAPE.assets * SHAPE.perAsset }, (_, index) =>
    state.entry(assetName(Math.floor(index / SHAPE.perAsset)), pathName(index % SHAPE.perAsset)),
  )
  assert(entries.every((entry) => entry?.committed))
  const rows = [...state.rows.values()].map(({ name, use, pinned }) => ({ name, use, pinned }))
  return { entries, rows, clock: state.clock }
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
