import { isMet } from '../harness/compare.mjs'
import { shown } from './numbers.mjs'
import { idOf, reasonFor } from './run.mjs'

/** @import { Known, Row, Run } from './run.mjs' */

/**
 * What stands against a run: `faults` fail it; `excused` would, had they no reason in the list; `remarks` are for who reads.
 * @typedef {{ faults: string[], excused: string[], remarks: string[] }} Verdict
 */

/**
 * @param {Run} run
 * @param {readonly Known[]} known
 * @param {{ expected: readonly string[] }} options Names of the workloads that a run is to have.
 * @returns {Verdict}
 */
export function judge(run, known, { expected }) {
  const missed = run.results.filter((row) => isMet(row) === false)
  const absent = absentWorkloads(run, expected)
  /** @param {string} workload */
  const excuse = (workload) => known.find((entry) => entry.workload === workload && entry.name === undefined)?.reason
  return {
    faults: [
      ...missed.filter((row) => reasonFor(known, row) === undefined).map((row) => `target not met: ${measured(row)}`),
      ...absent.filter(({ name }) => excuse(name) === undefined).map(({ said }) => said),
      ...doubles(run.results),
      ...unknownEntries(run, known),
    ],
    excused: [
      ...missed.flatMap((row) => withReason(measured(row), reasonFor(known, row))),
      ...absent.flatMap(({ name, said }) => withReason(said, excuse(name))),
    ],
    remarks: [
      ...run.workloads.flatMap(({ name, leftOut }) => leftOut.map((what) => `${name}: left out: ${what}`)),
      ...run.results
        .filter((row) => isMet(row) && reasonFor(known, row) !== undefined)
        .map((row) => `met here, although it is listed as known not to be: ${idOf(row)}`),
    ],
  }
}

/**
 * Targets that only one of two runs has, or met, and those that both met.
 * @param {Run} one
 * @param {Run} other
 */
export function inBoth(one, other) {
  const others = new Map(other.results.map((row) => [idOf(row), row]))
  const pairs = one.results
    .filter(({ target }) => target !== undefined)
    .map((row) => ({ row, again: others.get(idOf(row)) }))
  const ids = new Set(one.results.map(idOf))
  return {
    met: pairs
      .filter(({ row, again }) => isMet(row) && again && isMet(again))
      .map(({ row, again }) => twice(row, again)),
    once: pairs
      .filter(({ row, again }) => again && isMet(row) !== isMet(again))
      .map(({ row, again }) => twice(row, again)),
    never: pairs
      .filter(({ row, again }) => again && !isMet(row) && !isMet(again))
      .map(({ row, again }) => twice(row, again)),
    inOne: [
      ...pairs.filter(({ again }) => !again).map(({ row }) => idOf(row)),
      ...other.results.filter((row) => row.target !== undefined && !ids.has(idOf(row))).map(idOf),
    ],
  }
}

/**
 * @param {Run} run
 * @param {readonly string[]} expected
 */
function absentWorkloads({ workloads }, expected) {
  const failed = workloads
    .filter(({ state }) => state !== 'measured')
    .map(({ name, state, reason = 'no reason' }) => ({ name, said: `workload ${state}: ${name}: ${reason}` }))
  const missing = expected
    .filter((name) => !workloads.some((workload) => workload.name === name))
    .map((name) => ({ name, said: `workload missing: ${name}` }))
  return [...failed, ...missing]
}

/** Two rows that nothing tells apart. @param {readonly Row[]} rows */
function doubles(rows) {
  const ids = rows.map(idOf)
  return ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `two results of one name: ${id}`)
}

/**
 * A reason for what is not measured any more, or is called otherwise now.
 * @param {Run} run
 * @param {readonly Known[]} known
 */
function unknownEntries({ workloads, results }, known) {
  const measuredNames = workloads.filter(({ state }) => state === 'measured').map(({ name }) => name)
  return known
    .filter((entry) => entry.name !== undefined && measuredNames.includes(entry.workload))
    .filter((entry) => !results.some((row) => reasonFor([entry], row) !== undefined))
    .map((entry) => `a reason for a result that there is not: ${entry.workload}: ${entry.name}: ${entry.ratio ?? ''}`)
}

/** @param {Row} row */
function measured(row) {
  return `${idOf(row)}: ${shown(row.ratios)}`
}

/** @param {Row} row @param {Row | undefined} again */
function twice(row, again) {
  return again ? `${idOf(row)}: ${shown(row.ratios)}, ${shown(again.ratios)}` : measured(row)
}

/** @param {string} said @param {string | undefined} reason */
function withReason(said, reason) {
  return reason === undefined ? [] : [`${said}: ${reason}`]
}
