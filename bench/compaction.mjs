// What a compaction of a million resources does to those who use the process meanwhile, and how long it and a checkpoint take.
import { Child } from './harness/child.mjs'
import { spreadOf } from './harness/compare.mjs'
import { buildLargeIndex, RESOURCES_AN_ASSET } from './harness/large-index.mjs'

/** @import { Result } from './harness/compare.mjs' */
/** @import { Compacted } from './harness/compaction-child.mjs' */

const RESOURCES = 1_000_000
const REPETITIONS = 7

/**
 * @param {import('./harness/place.mjs').Place} place
 * @returns {Promise<Result[]>}
 */
export default async function compaction(place) {
  const root = place.folder()
  await buildLargeIndex(root, { assets: RESOURCES / RESOURCES_AN_ASSET, perAsset: RESOURCES_AN_ASSET })
  const turns = await compactedAt(root)
  const of = (/** @type {keyof Compacted} */ what) => spreadOf(turns.map((turn) => turn[what]))
  const name = `compaction of ${RESOURCES} resources`
  return [
    { name: `${name}: event loop, p99`, ratio: 'delay in ms', ratios: of('p99'), target: { atMost: 10 }, ...nobody },
    { name: `${name}: event loop, worst`, ratio: 'delay in ms', ratios: of('max'), target: { atMost: 20 }, ...nobody },
    {
      name,
      ratio: 'compaction / bare write of as many bytes, and fdatasync',
      ratios: spreadOf(turns.map(({ ms, bareMs }) => ms / bareMs)),
      sides: { compaction: of('ms'), 'bare write of as many bytes, and fdatasync': of('bareMs') },
      unit: 'ms',
      target: undefined,
    },
    {
      name: `checkpoint of 1000 changes among ${RESOURCES} resources`,
      ratio: 'ms',
      ratios: of('checkpointMs'),
      target: undefined,
      ...nobody,
    },
  ]
}

const nobody = { sides: {}, unit: 'ms' }

/** @param {string} root */
async function compactedAt(root) {
  const child = Child.start('./compaction-child.mjs', root)
  try {
    /** @type {Compacted[]} */
    const turns = []
    for (let turn = -1; turn < REPETITIONS; turn++) {
      const compacted = await child.ask('compact')
      if (turn >= 0) turns.push(compacted)
    }
    await child.ask('close')
    return turns
  } finally {
    await child[Symbol.asyncDispose]()
  }
}
