/** @import { Spread, Target } from '../harness/compare.mjs' */
/** @import { Row } from './run.mjs' */

/** A difference that no machine shows twice. */
const EVEN = 1.05

/**
 * How ours stands beside somebody else's: always so that more is better for us.
 * @typedef {object} Standing
 * @property {string} rival
 * @property {Spread} times How many times as fast as the rival, or as cheap.
 * @property {{ readonly atLeast: number } | undefined} target
 * @property {'ahead' | 'even' | 'behind'} word
 */

/**
 * `undefined` where a row has no two sides, or only ours.
 * @param {Row} row
 * @returns {Standing | undefined}
 */
export function standing(row) {
  const [ours, ...others] = Object.keys(row.sides)
  const rival = others.find((name) => row.ratio === `${ours} / ${name}` || row.ratio === `${name} / ${ours}`)
  if (ours === undefined || rival === undefined || row.bothOurs) return undefined
  // Of rates, ours over theirs; of what it takes, theirs over ours.
  const isTimes = row.ratio.startsWith(`${ours} / `) === /a second|\/s$/.test(row.unit)
  const times = isTimes ? row.ratios : inverse(row.ratios)
  const word = times.median >= EVEN ? 'ahead' : times.median > 1 / EVEN ? 'even' : 'behind'
  return { rival, times, target: isTimes ? atLeast(row.target) : atLeast(inverseTarget(row.target)), word }
}

/**
 * @param {Spread} spread
 * @returns {Spread}
 */
function inverse({ median, min, max, count }) {
  return { median: 1 / median, min: 1 / max, max: 1 / min, count }
}

/**
 * @param {Target | undefined} target
 * @returns {Target | undefined}
 */
function inverseTarget(target) {
  if (target === undefined) return undefined
  return 'atMost' in target ? { atLeast: 1 / target.atMost } : { atMost: 1 / target.atLeast }
}

/**
 * A target that says how slow we are to be would be a mistake in the workload.
 * @param {Target | undefined} target
 */
function atLeast(target) {
  if (target === undefined || 'atLeast' in target) return target
  throw new Error(`a target of at most ${target.atMost} times as fast`)
}
