// What pinning an asset while it plays costs, in a small store and in one of a million assets.
import { AssetStore } from '@cistern/assets'
import { compare, spreadOf } from './harness/compare.mjs'
import { assetName, buildLargeIndex } from './harness/large-index.mjs'
import { shuffled } from './harness/shuffled.mjs'

/** @import { Result } from './harness/compare.mjs' */

const SMALL = 1_000
const LARGE = 1_000_000
const LEASES = 100_000
const REPETITIONS = 9

/** @param {import('./harness/place.mjs').Place} place */
export default async function lease(place) {
  const small = await storeOf(place, SMALL)
  const large = await storeOf(place, LARGE)
  try {
    return [
      await beside({ small, large }, 'one asset', 1, 1.3),
      await beside({ small, large }, '1,000 hot assets', SMALL, 1.8),
      await atRandom(large),
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
 * @param {{ small: AssetStore, large: AssetStore }} stores
 * @param {string} over
 * @param {number} different
 * @param {number} atMost
 */
function beside({ small, large }, over, different, atMost) {
  const names = (/** @type {number} */ assets) =>
    repeated(shuffled(different).map((index) => assetName(index * (assets / different))))
  const [ofSmall, ofLarge] = [names(SMALL), names(LARGE)]
  return compare({
    name: `lease and release, ${LEASES} times over ${over}`,
    ratio: 'ours/theirs',
    bothOurs: true,
    target: { atMost },
    repetitions: REPETITIONS,
    ours: { name: `of ${LARGE}`, run: () => leaseAll(large, ofLarge) },
    theirs: { name: `of ${SMALL}`, run: () => leaseAll(small, ofSmall) },
  })
}

/**
 * @param {AssetStore} store
 * @returns {Promise<Result>}
 */
async function atRandom(store) {
  const names = shuffled(LARGE).map(assetName)
  /** @type {number[]} */
  const each = []
  for (let turn = 0; turn < REPETITIONS; turn++) {
    const some = names.slice(turn * LEASES, (turn + 1) * LEASES)
    const started = performance.now()
    leaseAll(store, some)
    each.push(((performance.now() - started) / some.length) * 1000)
    await store.checkpoint() // what was used is on record before the next
  }
  return {
    name: `lease and release at random, ${LEASES} of ${LARGE} assets`,
    ratio: 'µs each',
    ratios: spreadOf(each),
    sides: {},
    unit: 'µs',
    target: { atMost: 3 },
  }
}

/**
 * @param {AssetStore} store
 * @param {readonly string[]} names
 */
function leaseAll(store, names) {
  for (const name of names) store.lease(name).release()
}

/** @param {readonly string[]} names */
function repeated(names) {
  return Array.from({ length: LEASES }, (_, index) => names[index % names.length] ?? '')
}
