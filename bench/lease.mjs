// What pinning one asset while it plays costs, in a small store and in a large one.
import { AssetStore } from '@cistern/assets'
import { compare } from './harness/compare.mjs'
import { assetName, buildLargeIndex } from './harness/large-index.mjs'

const SMALL = 1_000
const LARGE = 100_000
const LEASES = 100_000

/** @param {import('./harness/place.mjs').Place} place */
export default async function lease(place) {
  const small = await storeOf(place, SMALL)
  const large = await storeOf(place, LARGE)
  try {
    return [
      await compare({
        name: `lease and release, ${LEASES} times over ${SMALL} assets`,
        ratio: 'ours/theirs',
        target: { atMost: 1.5 },
        ours: { name: `of ${LARGE} assets`, run: () => leaseAll(large, LARGE / SMALL) },
        theirs: { name: `of ${SMALL} assets`, run: () => leaseAll(small, 1) },
      }),
    ]
  } finally {
    await large.close()
    await small.close()
  }
}

/**
 * @param {import('./harness/place.mjs').Place} place
 * @param {number} assets
 */
async function storeOf(place, assets) {
  const root = place.folder({ inMemory: true })
  await buildLargeIndex(root, { assets, perAsset: 1 })
  return AssetStore.open({ root, minFreeBytes: 0 })
}

/**
 * As many different assets in both stores, spread over the whole of each.
 * @param {AssetStore} store
 * @param {number} stride
 */
function leaseAll(store, stride) {
  for (let index = 0; index < LEASES; index++) store.lease(assetName((index % SMALL) * stride)).release()
}
