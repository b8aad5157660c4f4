/** @import { Result } from '../harness/compare.mjs' */
/** @import { Machine } from '../harness/machine.mjs' */
/** @import { Workload } from '../harness/workloads.mjs' */

/** @typedef {Result & { workload: string, met?: boolean | undefined }} Row */

/**
 * What `npm run bench -- --json FILE` writes.
 * @typedef {object} Run
 * @property {Machine} machine
 * @property {Record<string, string>} peers
 * @property {string} at
 * @property {boolean} quick Nothing is judged.
 * @property {Workload[]} workloads
 * @property {Row[]} results
 */

/** A missed target, or a workload that is not there, and why. @typedef {{ workload: string, name?: string, ratio?: string, reason: string }} Known */

/**
 * What tells a result from all others: several may have one name, beside another peer each.
 * @param {Pick<Row, 'workload' | 'name' | 'ratio'>} row
 */
export function idOf({ workload, name, ratio }) {
  return `${workload}: ${name}: ${ratio}`
}

/**
 * The reason that stands in a list for a row. An entry without `ratio` is for all rows of its name.
 * @param {readonly Known[]} known
 * @param {Pick<Row, 'workload' | 'name' | 'ratio'>} row
 */
export function reasonFor(known, row) {
  const entry = known.find(
    ({ workload, name, ratio }) =>
      workload === row.workload && name === row.name && (ratio === undefined || ratio === row.ratio),
  )
  return entry?.reason
}
