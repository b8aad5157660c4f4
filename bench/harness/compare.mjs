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
 */

/**
 * What was measured, and what was to be reached. Times are milliseconds.
 * @typedef {object} Result
 * @property {string} name
 * @property {string} ratio What the ratio is of.
 * @property {Spread} ratios Within one run, one for each repetition.
 * @property {Record<string, Spread>} sides
 * @property {string} unit Of `sides`.
 * @property {Target | undefined} target
 */

/** @typedef {{ readonly atLeast: number } | { readonly atMost: number }} Target */

/**
 * Times are taken in turns, and the ratio is formed inside each turn: what slows the machine slows both sides. Who goes
 * first changes with every turn.
 * @param {object} comparison
 * @param {string} comparison.name
 * @param {Side} comparison.ours
 * @param {Side} comparison.theirs
 * @param {'theirs/ours' | 'ours/theirs'} comparison.ratio Of the times: theirs/ours is our throughput over theirs.
 * @param {Target} [comparison.target]
 * @param {number} [comparison.repetitions]
 * @param {number} [comparison.warmups]
 * @returns {Promise<Result>}
 */
export async function compare({ name, ours, theirs, ratio, target, repetitions = 9, warmups = 2 }) {
  /** @type {number[]} */
  const ourTimes = []
  /** @type {number[]} */
  const theirTimes = []
  for (let turn = -warmups; turn < repetitions; turn++) {
    const oursFirst = turn % 2 === 0
    const first = await timed(oursFirst ? ours : theirs)
    const second = await timed(oursFirst ? theirs : ours)
    if (turn < 0) continue
    ourTimes.push(oursFirst ? first : second)
    theirTimes.push(oursFirst ? second : first)
  }
  const ratios = ourTimes.map((our, turn) => {
    const their = /** @type {number} */ (theirTimes[turn])
    return ratio === 'theirs/ours' ? their / our : our / their
  })
  return {
    name,
    ratio: ratio === 'theirs/ours' ? `${theirs.name} / ${ours.name}` : `${ours.name} / ${theirs.name}`,
    ratios: spreadOf(ratios),
    sides: { [ours.name]: spreadOf(ourTimes), [theirs.name]: spreadOf(theirTimes) },
    unit: 'ms',
    target,
  }
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
  return { median: (low + high) / 2, min: sorted[0] ?? Number.NaN, max: sorted[sorted.length - 1] ?? Number.NaN }
}

/** @param {Result} result */
export function isMet({ ratios, target }) {
  if (!target) return undefined
  return 'atLeast' in target ? ratios.median >= target.atLeast : ratios.median <= target.atMost
}
