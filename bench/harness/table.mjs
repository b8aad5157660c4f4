import { isMet } from './compare.mjs'

/** @import { Result, Spread } from './compare.mjs' */

/**
 * @param {Result} result
 * @returns {string}
 */
export function lines(result) {
  const sides = Object.entries(result.sides).map(
    ([name, spread]) => `      ${name.padEnd(44)} ${shown(spread)} ${result.unit}`,
  )
  return [
    `  ${verdict(result)}  ${result.name}`,
    `      ${result.ratio.padEnd(44)} ${shown(result.ratios)}${goal(result)}`,
    ...sides,
  ].join('\n')
}

/** @param {Result} result */
function verdict(result) {
  const met = isMet(result)
  return met === undefined ? '       ' : met ? 'met    ' : 'NOT MET'
}

/** @param {Result} result */
function goal({ target }) {
  if (!target) return ''
  return 'atLeast' in target ? `, wanted ≥ ${target.atLeast}` : `, wanted ≤ ${target.atMost}`
}

/** @param {Spread} spread */
function shown({ median, min, max }) {
  return `${number(median)} (${number(min)}–${number(max)})`
}

/** @param {number} value */
function number(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
