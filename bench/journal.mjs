// One change of what an index has on record, at a thousand and at a million resources: new metadata for resources at random,
// by the thousand, until all of it is on the medium. Beside it lmdb, whose one record holds the same.

import { compare } from './harness/compare.mjs'
import { LargeStore } from './harness/large-store.mjs'
import { LmdbIndex } from './harness/lmdb-index.mjs'

/** @import { Place } from './harness/place.mjs' */

const CHANGES = 1_000

/** @param {Place} place */
export default async function journal(place) {
  return [
    await changes(place, { resources: 1_000, atOnce: CHANGES, atLeast: 1.2 }),
    await changes(place, { resources: 1_000_000, atOnce: CHANGES, atLeast: 3 }),
    await changes(place, { resources: 1_000_000, atOnce: 1 }),
  ]
}

/**
 * @param {Place} place
 * @param {{ resources: number, atOnce: number, atLeast?: number }} of
 */
async function changes(place, { resources, atOnce, atLeast }) {
  const store = await LargeStore.open(place, resources)
  const lmdb = await LmdbIndex.open(place, resources)
  try {
    return await compare({
      name: `${atOnce} changes of ${resources} resources at random, durable`,
      ratio: 'theirs/ours',
      target: atLeast === undefined ? undefined : { atLeast },
      repetitions: 15,
      ours: { name: 'setMetadata each, then checkpoint', run: () => store.change(atOnce) },
      theirs: { name: 'lmdb put each in one async batch, then flushed', run: () => lmdb.change(atOnce) },
    })
  } finally {
    await store.close()
    await lmdb.close()
  }
}
