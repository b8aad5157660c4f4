/** @import { Result, Spread } from '../harness/compare.mjs' */

/**
 * Three digits, in groups where there are more: the same text for the same number everywhere.
 * @param {number} value
 */
export function number(value) {
  if (!Number.isFinite(value)) return String(value)
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 999.5) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',')
  return size >= 1e-4 ? value.toPrecision(3) : value.toExponential(2)
}

/** @param {Spread} spread */
export function shown({ median, min, max }) {
  return `${number(median)} (${number(min)}–${number(max)})`
}

/** @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(3))
}

/** What is to be reached. @param {Pick<Result, 'target'>} result */
export function goal({ target }) {
  if (!target) return ''
  return 'atLeast' in target ? `≥ ${rounded(target.atLeast)}` : `≤ ${rounded(target.atMost)}`
}
