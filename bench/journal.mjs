// Changes of what an index has on record, at a thousand and at a million resources, a thousand of them at random until all
// are on the medium. Beside it lmdb, where each is one record. A pin is the change alone; with metadata, the caller's object is
// looked through and its resource's entry is found, which lmdb is not asked to do.
import { compare } from './harness/compare.mjs'
import { LargeStore } from './harness/large-store.mjs'
import { LmdbIndex } from './harness/lmdb-index.mjs'

/** @import { Result } from './harness/compare.mjs' */
/** @import { Place } from './harness/place.mjs' */

const CHANGES = 1_000
const REPETITIONS = 15

/** @param {Place} place */
export default async function journal(place) {
  return [...(await changesAmong(place, 1_000, 1.2)), ...(await changesAmong(place, 1_000_000, 3))]
}

/**
 * @param {Place} place
 * @param {number} resources
 * @param {number} atLeast
 * @returns {Promise<Result[]>}
 */
async function changesAmong(place, resources, atLeast) {
  const store = await LargeStore.open(place, resources)
  const lmdb = await LmdbIndex.open(place, resources)
  const theirs = 'lmdb put each in one async batch, then flushed'
  const beside = { ratio: /** @type {const} */ ('theirs/ours'), repetitions: REPETITIONS }
  try {
    return [
      await compare({
        ...beside,
        name: `${CHANGES} pins among ${resources} resources, durable`,
        target: { atLeast },
        ours: { name: 'pin each, all awaited', run: () => store.pin(CHANGES) },
        theirs: { name: theirs, run: () => lmdb.pin(CHANGES) },
      }),
      await compare({
        ...beside,
        name: `${CHANGES} changes of metadata among ${resources} resources, durable`,
        ours: { name: 'setMetadata each, then checkpoint', run: () => store.change(CHANGES) },
        theirs: { name: theirs, run: () => lmdb.change(CHANGES) },
      }),
      await compare({
        ...beside,
        name: `one pin among ${resources} resources, durable`,
        ours: { name: 'pin', run: () => store.pin(1) },
        theirs: { name: 'lmdb put, then flushed', run: () => lmdb.pin(1) },
      }),
    ]
  } finally {
    await store.close()
    await lmdb.close()
  }
}
