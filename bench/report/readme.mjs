import { madeOn, plainText, score, verdict } from './markdown.mjs'
import { goal, shown } from './numbers.mjs'
import { standing } from './standing.mjs'

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
  const first = run.results.filter(
    (row, index) => row.headline || run.results.findIndex(({ workload }) => workload === row.workload) === index,
  )
  const rest = run.results.filter((row) => !first.includes(row) && (row.target || standing(row)?.word === 'behind'))
  const behind = '<summary>Every other target, and every other row in which we are behind</summary>'
  return [
    `${madeOn(run)} ${score(run)} ${standings(run)}`,
    table(first, run),
    ...(rest.length > 0 ? [`<details>${behind}`, table(rest, run), '</details>'] : []),
    ...charts(run).map((name) => `![${plainText(name)}: medians as bars](docs/images/bench/${name}.svg)`),
    `[All ${run.results.length} rows](docs/performance.md), with what each side took and why targets are missed.`,
  ].join('\n\n')
}

/** @param {Run} run */
function standings({ results }) {
  const words = results.flatMap((row) => standing(row)?.word ?? [])
  /** @param {string} word */
  const count = (word) => words.filter((each) => each === word).length
  return `Of ${words.length} rows beside something else, we are ahead in ${count('ahead')}, even in ${count('even')}, and behind in ${count('behind')}.`
}

/**
 * @param {readonly Row[]} rows
 * @param {Run} run
 */
function table(rows, run) {
  return [
    '| what | beside | times as fast, or the figure | wanted | |',
    '|---|---|---|---|---|',
    ...rows.map((row, index) => {
      const name = nameOf(row, run)
      const before = rows[index - 1]
      return `| ${before && nameOf(before, run) === name ? '' : plainText(name)} | ${cells(row).join(' | ')} |`
    }),
  ].join('\n')
}

/**
 * With our side where others of this name have another.
 * @param {Row} row
 * @param {Run} run
 */
function nameOf({ name, sides }, { results }) {
  const [ours] = Object.keys(sides)
  const isShared = results.some((row) => row.name === name && Object.keys(row.sides)[0] !== ours)
  return isShared ? `${name}: ${ours}` : name
}

/** @param {Row} row */
function cells(row) {
  const beside = standing(row)
  if (!beside) return [plainText(row.ratio), shown(row.ratios), goal(row), verdict(row)]
  const told = [beside.word, verdict(row)].filter((word) => word !== '').join(', ')
  return [plainText(beside.rival), shown(beside.times), goal(beside), told]
}

/** @param {Run} run */
function charts({ workloads }) {
  const measured = workloads.filter(({ state }) => state === 'measured').map(({ name }) => name)
  const wanted = CHARTS.filter((name) => measured.includes(name))
  return [...wanted, ...measured.filter((name) => !wanted.includes(name))].slice(0, Math.max(2, wanted.length))
}
