import { isMet } from '../harness/compare.mjs'
import { isOfSides } from './bars.mjs'
import { madeOn, plainText, score, verdict } from './markdown.mjs'
import { goal, shown } from './numbers.mjs'

/** @import { Row, Run } from './run.mjs' */

const BEGIN = '<!-- bench:begin -->'
const END = '<!-- bench:end -->'
/** Shown in the README, as far as they were measured; others in their place where they were not. */
const CHARTS = ['take-in', 'read', 'serve']

/**
 * The README with its measured part written anew; all around the markers stays.
 * @param {string} readme
 * @param {Run} run
 */
export function withMeasured(readme, run) {
  const begin = readme.indexOf(BEGIN)
  const end = readme.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`the README has no ${BEGIN} with ${END} behind it`)
  return `${readme.slice(0, begin + BEGIN.length)}\n${measuredPart(run)}\n${readme.slice(end)}`
}

/** @param {Run} run */
function measuredPart(run) {
  const rows = run.results.filter((row, index) => isTelling(row, index, run.results))
  const lines = rows.map((row, index) => {
    const name = rows[index - 1]?.name === row.name ? '' : plainText(row.name)
    const told = verdict(row) || (isBehind(row) ? 'behind' : '')
    return `| ${name} | ${plainText(shortRatio(row))} | ${shown(row.ratios)} | ${goal(row)} | ${told} |`
  })
  return [
    `${madeOn(run)} ${score(run)}`,
    ['| | ratio | median (min–max) | wanted | |', '|---|---|---|---|---|', ...lines].join('\n'),
    ...charts(run).map((name) => `![${plainText(name)}: medians as bars](docs/images/bench/${name}.svg)`),
    `[All ${run.results.length} rows](docs/performance.md), with what each side took.`,
  ].join('\n\n')
}

/**
 * Of each workload the row that it begins with, and whatever we lose.
 * @param {Row} row
 * @param {number} index
 * @param {readonly Row[]} rows
 */
function isTelling(row, index, rows) {
  const isFirst = rows.findIndex(({ workload }) => workload === row.workload) === index
  return isFirst || row.headline === true || isMet(row) === false || (row.target === undefined && isBehind(row))
}

/**
 * What is compared, the row's own name saying what ours is.
 * @param {Row} row
 */
function shortRatio({ ratio, sides }) {
  const [ours = ''] = Object.keys(sides)
  if (ratio.startsWith(`${ours} / `)) return `ours${ratio.slice(ours.length)}`
  return ratio.endsWith(` / ${ours}`) ? `${ratio.slice(0, -ours.length)}ours` : ratio
}

/**
 * Whether ours is the worse of two sides: fewer a second, or more of anything else.
 * @param {Row} row
 */
function isBehind(row) {
  const [ours, ...others] = Object.entries(row.sides)
  if (!ours || !isOfSides(row)) return false
  const other = others.find(([name]) => row.ratio === `${ours[0]} / ${name}` || row.ratio === `${name} / ${ours[0]}`)
  if (!other) return false
  const isOursOver = row.ratio.startsWith(`${ours[0]} / `)
  const oursOverTheirs = isOursOver ? row.ratios.median : 1 / row.ratios.median
  return /a second|\/s$/.test(row.unit) ? oursOverTheirs < 1 : oursOverTheirs > 1
}

/** @param {Run} run */
function charts({ workloads }) {
  const measured = workloads.filter(({ state }) => state === 'measured').map(({ name }) => name)
  const wanted = CHARTS.filter((name) => measured.includes(name))
  return [...wanted, ...measured.filter((name) => !wanted.includes(name))].slice(0, Math.max(2, wanted.length))
}
