/** @import { Run } from './run.mjs' */

/** @typedef {(value: unknown, at: string) => string[]} Check */

const LEAST_REPETITIONS = 7

/** @type {Check} */
const text = (value, at) => (typeof value === 'string' && value !== '' ? [] : [`${at} is not a text`])
/** JSON has no NaN: it says null. @type {Check} */
const finite = (value, at) => (Number.isFinite(value) ? [] : [`${at} is not a finite number`])
/** @type {Check} */
const yesOrNo = (value, at) => (typeof value === 'boolean' ? [] : [`${at} is neither true nor false`])

const spread = object({ median: finite, min: finite, max: finite, count: finite })
const target = either(object({ atLeast: finite }), object({ atMost: finite }))
const growth = object({ of: text, at: list(finite), sides: record(list(spread)), unit: text })

const row = object({
  workload: text,
  name: text,
  ratio: text,
  ratios: spread,
  sides: record(spread),
  unit: text,
  target: optional(target),
  headline: optional(yesOrNo),
  bothOurs: optional(yesOrNo),
  growth: optional(growth),
  syscalls: optional(record(record(finite))),
  met: optional(yesOrNo),
})

const workload = object({
  name: text,
  state: text,
  reason: optional(text),
  seconds: finite,
  leftOut: list(text),
  loop: optional(object({ p99Ms: finite, maxMs: finite })),
  peakMiB: optional(finite),
})

const run = object({
  machine: object({ node: text, system: text, cpu: text, cores: finite, memoryGiB: finite }),
  peers: record(text),
  at: text,
  quick: yesOrNo,
  workloads: list(workload),
  results: list(row),
})

/**
 * What is wrong with the JSON of a run, before anything is made of it.
 * @param {unknown} value
 * @returns {string[]}
 */
export function formFaults(value) {
  const faults = run(value, 'the run')
  return faults.length > 0 ? faults : [...quickness(/** @type {Run} */ (value)), ...counts(/** @type {Run} */ (value))]
}

/** @param {Run} run */
function quickness({ quick }) {
  return quick ? ['the run was a quick one: nothing in it is a measurement'] : []
}

/** @param {Run} run */
function counts({ results }) {
  return results.flatMap(({ workload, name, ratios, growth }) => [
    ...(ratios.count < LEAST_REPETITIONS
      ? [`${workload}: ${name}: ${ratios.count} repetitions, fewer than ${LEAST_REPETITIONS}`]
      : []),
    ...Object.entries(growth?.sides ?? {})
      .filter(([, spreads]) => spreads.length !== growth?.at.length)
      .map(([side]) => `${workload}: ${name}: the curve of ${side} has not a point for each size`),
  ])
}

/**
 * @param {Record<string, Check>} members All that there are: a name that is not among them is a fault too.
 * @returns {Check}
 */
function object(members) {
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is not an object`]
    const given = /** @type {Record<string, unknown>} */ (value)
    const unknown = Object.keys(given).filter((name) => !(name in members))
    return [
      ...Object.entries(members).flatMap(([name, check]) => check(given[name], `${at}, ${name}`)),
      ...unknown.map((name) => `${at} has a member ${name} that nobody reads`),
    ]
  }
}

/** @param {Check} check @returns {Check} */
function record(check) {
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is not an object`]
    return Object.entries(value).flatMap(([name, each]) => check(each, `${at}, ${name}`))
  }
}

/** @param {Check} check @returns {Check} */
function list(check) {
  return (value, at) => {
    if (!Array.isArray(value)) return [`${at} is not a list`]
    return value.flatMap((each, index) => check(each, `${at} ${each?.name ?? index}`))
  }
}

/** @param {Check} check @returns {Check} */
function optional(check) {
  return (value, at) => (value === undefined ? [] : check(value, at))
}

/** @param {Check} one @param {Check} other @returns {Check} */
function either(one, other) {
  return (value, at) => (one(value, at).length === 0 ? [] : other(value, at))
}
