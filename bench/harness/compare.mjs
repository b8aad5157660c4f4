import { times } from './quick.mjs'

/**
 * One side of a comparison. `prepare` and `settle` run before and after each repetition, outside the time.
 * @typedef {object} Side
 * @property {string} name
 * @property {() => Promise<number | void> | number | void} run One repetition. A number it returns is the time in
 *   milliseconds, taken where the work was done: in another process.
 * @property {(() => Promise<unknown> | unknown) | undefined} [prepare]
 * @property {(() => Promise<unknown> | unknown) | undefined} [settle]
 */

/**
 * @typedef {object} Spread
 * @property {number} median
 * @property {number} min
 * @property {number} max
 * @property {number} count Of the numbers it is of.
 */

/**
 * What was measured, and what was to be reached. Times are milliseconds.
 * @typedef {object} Result
 * @property {string} name
 * @property {string} ratio What the ratio is of.
 * @property {Spread} ratios Within one run, one for each repetition.
 * @property {Record<string, Spread>} sides Ours first, where it is one of them.
 * @property {string} unit Of `sides`.
 * @property {Target | undefined} target
 * @property {boolean} [headline] It belongs into the README's first table, whatever came out.
 * @property {boolean} [bothOurs] The other side is nobody else's.
 * @property {Growth} [growth] The same at several sizes.
 * @property {Record<string, Record<string, number>>} [syscalls] Of each side, by the call's name.
 */

/**
 * A curve for each side: a spread for each size.
 * @typedef {object} Growth
 * @property {string} of What there is more and more of.
 * @property {readonly number[]} at
 * @property {Record<string, readonly Spread[]>} sides Ours first.
 * @property {string} unit
 */

/** @typedef {{ readonly atLeast: number } | { readonly atMost: number }} Target */

/** @typedef {'theirs/ours' | 'ours/theirs'} Ratio Of the times: theirs/ours is our throughput over theirs. */

/** @typedef {Side & { readonly ratio: Ratio, readonly target?: Target | undefined }} Other */

/**
 * @param {object} comparison
 * @param {string} comparison.name
 * @param {Side} comparison.ours
 * @param {Side} comparison.theirs
 * @param {Ratio} comparison.ratio
 * @param {Target} [comparison.target]
 * @param {number} [comparison.repetitions]
 * @param {number} [comparison.warmups]
 * @param {boolean} [comparison.bothOurs]
 * @returns {Promise<Result>}
 */
export async function compare({ theirs, ratio, target, ...comparison }) {
  const [result] = await compareAll({ ...comparison, others: [{ ...theirs, ratio, target }] })
  return /** @type {Result} */ (result)
}

/**
 * Ours beside several others: a result for each of them. Times are taken in turns, and the ratio is formed inside each
 * turn: what slows the machine slows all sides. Who goes first changes with every turn.
 * @param {object} comparison
 * @param {string} comparison.name
 * @param {Side} comparison.ours
 * @param {readonly Other[]} comparison.others
 * @param {number} [comparison.repetitions]
 * @param {number} [comparison.warmups]
 * @param {boolean} [comparison.bothOurs]
 * @returns {Promise<Result[]>}
 */
export async function compareAll({ name, ours, others, repetitions = 9, warmups = 2, bothOurs }) {
  const sides = [ours, ...others]
  const before = times(warmups)
  /** @type {number[][]} */
  const taken = sides.map(() => [])
  for (let turn = -before; turn < times(repetitions); turn++) {
    for (let place = 0; place < sides.length; place++) {
      const side = (place + turn + before) % sides.length
      const ms = await timed(/** @type {Side} */ (sides[side]))
      if (turn >= 0) taken[side]?.push(ms)
    }
  }
  const [ourTimes = [], ...otherTimes] = taken
  return others.map(({ name: other, ratio, target }, index) => {
    const theirTimes = otherTimes[index] ?? []
    const ratios = ourTimes.map((our, turn) => {
      const their = theirTimes[turn] ?? Number.NaN
      return ratio === 'theirs/ours' ? their / our : our / their
    })
    return {
      name,
      ratio: ratio === 'theirs/ours' ? `${other} / ${ours.name}` : `${ours.name} / ${other}`,
      ratios: spreadOf(ratios),
      sides: { [ours.name]: spreadOf(ourTimes), [other]: spreadOf(theirTimes) },
      unit: 'ms',
      target,
      ...(bothOurs && { bothOurs }),
    }
  })
}

/** @param {Side} side */
async function timed({ prepare, run, settle }) {
  await prepare?.()
  const started = performance.now()
  const elsewhere = await run()
  const ms = elsewhere ?? performance.now() - started
  await settle?.()
  return ms
}

/**
 * @param {readonly number[]} numbers
 * @returns {Spread}
 */
export function spreadOf(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other)
  const middle = sorted.length / 2
  const high = sorted[Math.floor(middle)] ?? Number.NaN
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN
  const [min = Number.NaN] = sorted
  return { median: (low + high) / 2, min, max: sorted.at(-1) ?? Number.NaN, count: sorted.length }
}

/** @param {Result} result */
export function isMet({ ratios, target }) {
  if (!target) return undefined
  return 'atLeast' in target ? ratios.median >= target.atLeast : ratios.median <= target.atMost
}
