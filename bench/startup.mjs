// Opening a store of up to a million resources, each time in a new process, against a bare msgpackr unpack of the same
// content. The resources' files do not exist: an open that touched one would find them gone.
import { compare, spreadOf } from './harness/compare.mjs'
import { RESOURCES_AN_ASSET } from './harness/large-index.mjs'
import { checkLargeIndex } from './harness/large-index-check.mjs'
import { sameContent } from './harness/same-content.mjs'
import { Starts } from './harness/starts.mjs'

/** @import { Result, Target } from './harness/compare.mjs' */
/** @import { Place } from './harness/place.mjs' */

const MILLION = 1_000_000
const JOURNALED = 100_000
const REPETITIONS = 7

/** @param {Place} place */
export default async function startup(place) {
  await checkLargeIndex(place)
  return [
    ...(await started(place, 1_000)),
    ...(await started(place, 100_000)),
    ...(await started(place, MILLION, { target: { atMost: 0.5 }, memory: { atMost: 150 } })),
    ...(await started(place, MILLION, { journal: { of: 'new', records: JOURNALED }, target: { atMost: 1 } })),
    // Each of them looks for its entry anew: 100,000 would take most of the time of this run.
    ...(await started(place, MILLION, { journal: { of: 'changed', records: JOURNALED / 5 } })),
    await memoryOfSingles(place),
  ]
}

/**
 * @param {Place} place
 * @param {number} resources
 * @param {{ journal?: { of: 'new' | 'changed', records: number }, target?: Target, memory?: Target }} [of]
 * @returns {Promise<Result[]>}
 */
async function started(place, resources, { journal, target, memory } = {}) {
  const shape = { assets: resources / RESOURCES_AN_ASSET, perAsset: RESOURCES_AN_ASSET }
  const ours = new Starts(place, 'store', shape, journal)
  const theirs = new Starts(place, 'unpack', shape)
  await sameContent(shape)
  const name = `${resources} resources, ${shape.perAsset} an asset${journal ? `, and ${journal.records} records of ${journal.of} ones` : ''}`
  const time = await compare({
    name: `open, ${name}`,
    ratio: 'ours/theirs',
    target,
    repetitions: REPETITIONS,
    warmups: 1,
    ours: { name: 'AssetStore.open', prepare: () => ours.prepare(), run: () => ours.run() },
    theirs: { name: 'msgpackr unpack', prepare: () => theirs.prepare(), run: () => theirs.run() },
  })
  if (memory === undefined) return [time]
  return [time, memoryOf(ours, name, memory, { 'bytes a resource, msgpackr unpack': spreadOf(theirs.bytesEach) })]
}

/** @param {Place} place */
async function memoryOfSingles(place) {
  const starts = new Starts(place, 'store', { assets: MILLION, perAsset: 1 })
  for (let turn = 0; turn < REPETITIONS; turn++) {
    await starts.prepare()
    await starts.run()
  }
  return memoryOf(starts, `${MILLION} resources, one an asset`, { atMost: 300 }, {})
}

/**
 * @param {Starts} starts
 * @param {string} name
 * @param {Target} target
 * @param {Result['sides']} sides
 * @returns {Result}
 */
function memoryOf(starts, name, target, sides) {
  return {
    name: `memory after open, ${name}`,
    ratio: 'bytes a resource, AssetStore',
    ratios: spreadOf(starts.bytesEach),
    sides,
    unit: 'bytes',
    target,
  }
}
