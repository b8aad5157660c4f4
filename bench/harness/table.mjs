import { goal, number, shown } from '../report/numbers.mjs'

/** @import { Growth, Result } from './compare.mjs' */
/** @import { Workload } from './workloads.mjs' */

const WIDTH = 44

/**
 * A measured row, with the sides under it.
 * @param {Result & { met?: boolean | undefined }} result
 * @returns {string}
 */
export function lines(result) {
  const wanted = goal(result)
  const sides = Object.entries(result.sides).map(
    ([name, spread]) => `      ${name.padEnd(WIDTH)} ${shown(spread)} ${result.unit}`,
  )
  return [
    `  ${verdict(result)}  ${result.name}`,
    `      ${result.ratio.padEnd(WIDTH)} ${shown(result.ratios)}${wanted && `, wanted ${wanted}`}`,
    ...sides,
    ...(result.growth ? curves(result.growth) : []),
  ].join('\n')
}

/**
 * How the workload's process fared, and what it left out.
 * @param {Workload} workload
 * @returns {string}
 */
export function ending({ state, reason, seconds, leftOut, loop, peakMiB }) {
  if (state === 'failed') return `  FAILED after ${seconds} s: ${reason}`
  if (state === 'skipped') return `  skipped: ${reason}`
  const fared = `event loop late by ${number(loop?.p99Ms ?? 0)} ms at p99, ${number(loop?.maxMs ?? 0)} ms at most`
  return [
    ...leftOut.map((what) => `  left out: ${what}`),
    `  ${seconds} s; ${fared}; peak memory ${number(peakMiB ?? 0)} MiB`,
  ].join('\n')
}

/** @param {{ met?: boolean | undefined }} result */
function verdict({ met }) {
  return met === undefined ? '       ' : met ? 'met    ' : 'NOT MET'
}

/** @param {Growth} growth */
function curves({ of, at, sides, unit }) {
  return at.map((size, index) => {
    const each = Object.entries(sides).map(([name, spreads]) => {
      const spread = spreads[index]
      return `${name} ${spread ? shown(spread) : '–'} ${unit}`
    })
    return `      ${`at ${number(size)} ${of}`.padEnd(WIDTH)} ${each.join('; ')}`
  })
}
