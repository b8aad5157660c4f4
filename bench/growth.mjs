// The same operation at a thousand, ten thousand, a hundred thousand and a million resources: what does not stay as it is
// grows with the store. A start reads all of it, and may.
import { spreadOf } from './harness/compare.mjs'
import { RESOURCES_AN_ASSET } from './harness/large-index.mjs'
import { LargeStore } from './harness/large-store.mjs'
import { Starts } from './harness/starts.mjs'

/** @import { Result } from './harness/compare.mjs' */
/** @import { Place } from './harness/place.mjs' */

const AT = [1_000, 10_000, 100_000, 1_000_000]
const REPETITIONS = 7
const TIMES = 1_000
const FILES = 200

/**
 * @param {Place} place
 * @returns {Promise<Result[]>}
 */
export default async function growth(place) {
  return [...(await operations(place)), ...(await starts(place))]
}

/** @param {Place} place */
async function operations(place) {
  /** @type {LargeStore[]} */
  const stores = []
  for (const resources of AT) stores.push(await LargeStore.open(place, resources))
  for (const store of stores) await store.putFiles()
  try {
    return [
      await grown('lease and release, assets at random', stores, TIMES, (store) => store.lease(TIMES)),
      await grown('stat, resources at random', stores, TIMES, (store) => store.stat(TIMES)),
      await grown('open and close, of 100 files in turns', stores, FILES, (store) => store.openFiles(FILES)),
      await grown('change of metadata at random, 1,000 durable at once', stores, TIMES, (store) => store.change(TIMES)),
    ]
  } finally {
    for (const store of stores) await store.close()
  }
}

/**
 * @param {string} name
 * @param {readonly LargeStore[]} stores
 * @param {number} times That `run` does it.
 * @param {(store: LargeStore) => unknown} run
 */
async function grown(name, stores, times, run) {
  const each = stores.map(() => /** @type {number[]} */ ([]))
  for (let turn = -2; turn < REPETITIONS; turn++) {
    for (const [index, store] of stores.entries()) {
      const started = performance.now()
      await run(store)
      if (turn >= 0) each[index]?.push(((performance.now() - started) / times) * 1000)
    }
  }
  return curve(name, 'µs each', { AssetStore: each })
}

/** @param {Place} place */
async function starts(place) {
  const shapes = AT.map((resources) => ({ assets: resources / RESOURCES_AN_ASSET, perAsset: RESOURCES_AN_ASSET }))
  const ours = shapes.map((shape) => new Starts(place, 'store', shape))
  const theirs = shapes.map((shape) => new Starts(place, 'unpack', shape))
  /** @type {{ ours: number[][], theirs: number[][] }} */
  const each = { ours: AT.map(() => []), theirs: AT.map(() => []) }
  for (let turn = -1; turn < REPETITIONS; turn++) {
    for (const [index, resources] of AT.entries()) {
      for (const [side, of] of /** @type {const} */ ([
        ['ours', ours[index]],
        ['theirs', theirs[index]],
      ])) {
        await of?.prepare()
        const ms = (await of?.run()) ?? Number.NaN
        if (turn >= 0) each[side][index]?.push((ms / resources) * 1000)
      }
    }
  }
  return [
    curve('start', 'µs a resource', { 'AssetStore.open': each.ours, 'msgpackr unpack': each.theirs }),
    curve('memory after a start', 'bytes a resource', { AssetStore: ours.map(({ bytesEach }) => bytesEach) }),
  ]
}

/**
 * @param {string} name
 * @param {string} unit
 * @param {Record<string, number[][]>} sides At each number of resources, in each repetition.
 * @returns {Result}
 */
function curve(name, unit, sides) {
  const [first = [], last = []] = [Object.values(sides)[0]?.[0], Object.values(sides)[0]?.at(-1)]
  return {
    name: `growth: ${name}`,
    ratio: `at ${AT.at(-1)} resources / at ${AT[0]}`,
    ratios: spreadOf(last.map((value, turn) => value / (first[turn] ?? Number.NaN))),
    sides: Object.fromEntries(
      Object.entries(sides).flatMap(([side, at]) =>
        at.map((values, index) => [`${side} at ${AT[index]}`, spreadOf(values)]),
      ),
    ),
    unit,
    target: undefined,
    growth: {
      of: 'resources',
      at: AT,
      unit,
      sides: Object.fromEntries(Object.entries(sides).map(([side, at]) => [side, at.map(spreadOf)])),
    },
  }
}
