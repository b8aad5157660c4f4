// Evicting assets of 10 resources, oldest first, beside bare calls that remove the same files and folders. The files are
// made once, and each repetition takes its share of them: making them takes many times as long as removing them.
import { compareAll } from './harness/compare.mjs'
import { BareFiles, EvictedStore } from './harness/evicted.mjs'

/** @import { Result } from './harness/compare.mjs' */
/** @import { Place } from './harness/place.mjs' */

const KIB = 1024
const MIB = 1024 * KIB

/** @param {Place} place */
export default async function evict(place) {
  return [
    ...(await evicted(place, { assets: 1_000, shares: 10, bytes: 4 * KIB, atLeast: 0.8 })),
    ...(await evicted(place, { assets: 100, shares: 10, bytes: MIB, atLeast: 1.1 })),
    ...(await evicted(place, { assets: 9_600, shares: 8, bytes: 4 * KIB, inMemory: true })),
  ]
}

/**
 * @param {Place} place
 * @param {{ assets: number, shares: number, bytes: number, atLeast?: number, inMemory?: boolean }} of
 * @returns {Promise<Result[]>}
 */
async function evicted(place, { assets, shares, bytes, atLeast, inMemory = false }) {
  const share = assets / shares
  // One more, which stays: a store may not be limited to none.
  const store = await EvictedStore.fill(place.folder({ inMemory }), assets + 1, bytes)
  const one = BareFiles.fill(place.folder({ inMemory }), assets, bytes)
  const several = BareFiles.fill(place.folder({ inMemory }), assets, bytes)
  try {
    return await compareAll({
      name: `evict ${share} assets of ${assets}, 10 resources of ${bytes / KIB} KiB each${inMemory ? ', tmpfs' : ''}`,
      repetitions: shares > 1 ? shares - 1 : shares,
      warmups: shares > 1 ? 1 : 0,
      ours: { name: 'setLimits, until all are unlinked', run: () => store.evict(share) },
      others: [
        {
          name: 'bare unlinkSync and rmdirSync',
          ratio: 'theirs/ours',
          target: atLeast === undefined ? undefined : { atLeast },
          run: () => one.removeSync(share),
        },
        {
          name: 'unlink and rmdir of node:fs/promises, eight at once',
          ratio: 'theirs/ours',
          run: () => several.remove(share, 8),
        },
      ],
    })
  } finally {
    await store.close()
  }
}
