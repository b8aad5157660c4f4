import { isMet } from '../harness/compare.mjs'
import { goal, number, shown } from './numbers.mjs'
import { reasonFor } from './run.mjs'
import { standing } from './standing.mjs'

/** @import { Growth } from '../harness/compare.mjs' */
/** @import { Machine } from '../harness/machine.mjs' */
/** @import { Workload } from '../harness/workloads.mjs' */
/** @import { Known, Row, Run } from './run.mjs' */

/** Text that stands as it is in a table's cell. @param {string} text */
export function plainText(text) {
  return text
    .replace(/\s+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_[\]|~]/g, '\\$&')
}

/** @param {Run} run */
export function madeOn({ machine, at }) {
  return `Measured on ${at.slice(0, 10)} with Node.js ${machine.node.replace(/^v/, '')} on ${plainText(hardware(machine))}.`
}

/** @param {Machine} machine */
function hardware({ system, cores, cpu, memoryGiB }) {
  return `${system}, ${cores} cores (${cpu}), ${memoryGiB} GiB of memory`
}

/** @param {Run} run */
export function score({ results }) {
  const judged = results.map(isMet).filter((met) => met !== undefined)
  return `${judged.filter(Boolean).length} of ${judged.length} targets are met.`
}

/** @param {Row} row */
export function verdict(row) {
  const met = isMet(row)
  return met === undefined ? '' : met ? 'target met' : '**target missed**'
}

/**
 * A page with everything that a run has.
 * @param {Run} run
 * @param {readonly Known[]} known
 */
export function page(run, known) {
  const peers = Object.entries(run.peers).map(([name, version]) => `${plainText(name)} ${plainText(version)}`)
  const parts = [
    '# Performance',
    '<!-- Written by `npm run bench:report` from performance.json: not to be edited. -->',
    `${madeOn(run)} ${score(run)}`,
    `Versions of what was compared with, or helped: ${peers.join(', ')}.`,
    `A figure is the median of its repetitions, with the least and the most behind it. Each repetition measures all sides in turn, and
the ratio is formed inside it, so that what slows the machine slows all of them. \`wanted\` is a target of our own, for that
ratio. \`ahead\`, \`behind\` and \`even\` (within 5 %) say how our side, the first one, stands beside somebody else's. Each workload
runs in a process of its own. Results depend on the machine and vary from run to run: \`npm run bench\` measures on yours.`,
    ...run.workloads.map((workload) =>
      section(
        workload,
        run.results.filter((row) => row.workload === workload.name),
        known,
      ),
    ),
  ]
  return `${parts.join('\n\n')}\n`
}

/**
 * @param {Workload} workload
 * @param {readonly Row[]} rows
 * @param {readonly Known[]} known
 */
function section({ name, state, reason, leftOut, loop, peakMiB }, rows, known) {
  const title = `## ${plainText(name)}`
  if (state !== 'measured') return `${title}\n\nNot measured: ${plainText(firstLine(reason ?? state))}`
  const reasons = rows
    .filter((row) => isMet(row) === false)
    .flatMap((row) => {
      const why = reasonFor(known, row)
      return why === undefined ? [] : [`Missed: ${plainText(row.name)}, ${plainText(row.ratio)}: ${plainText(why)}`]
    })
  const fared =
    loop && peakMiB !== undefined
      ? [
          `The whole process, all sides and preparations included: event loop late by ${number(loop.p99Ms)} ms at p99, ${number(loop.maxMs)} ms at most; peak memory ${number(peakMiB)} MiB.`,
        ]
      : []
  const omitted = leftOut.map((what) => `Left out: ${plainText(what)}.`)
  const picture = `![${plainText(name)}, drawn](images/bench/${name}.svg)`
  const curves = rows.flatMap((row) => (row.growth ? [growthTable(row.name, row.growth)] : []))
  return [title, picture, table(rows), ...curves, ...reasons, ...omitted, ...fared].join('\n\n')
}

/** @param {readonly Row[]} rows */
function table(rows) {
  return [
    '| measured | ratio, or figure | median (min–max) | repetitions | wanted | | sides |',
    '|---|---|---|---|---|---|---|',
    ...rows.map((row) => {
      const cells = [
        plainText(row.name),
        plainText(row.ratio),
        shown(row.ratios),
        String(row.ratios.count),
        goal(row),
        [standing(row)?.word ?? '', verdict(row)].filter((word) => word !== '').join(', '),
        sides(row),
      ]
      return `| ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

/** @param {Row} row */
function sides({ sides, unit, syscalls }) {
  const measured = Object.entries(sides).map(
    ([name, spread]) => `${plainText(name)}: ${shown(spread)} ${plainText(unit)}`,
  )
  const calls = Object.entries(syscalls ?? {}).map(([name, each]) => {
    const counts = Object.entries(each).map(([call, count]) => `${plainText(call)} ${number(count)}`)
    return `${plainText(name)}: ${counts.join(', ')}`
  })
  return [...measured, ...calls].join('<br>')
}

/**
 * A row for each size, a column for each side.
 * @param {string} name
 * @param {Growth} growth
 */
function growthTable(name, { of, at, sides, unit }) {
  const columns = Object.entries(sides)
  const rows = at.map((size, index) => {
    const cells = columns.map(([, spreads]) => {
      const spread = spreads[index]
      return spread ? shown(spread) : ''
    })
    return `| ${number(size)} | ${cells.join(' | ')} |`
  })
  return [
    `${plainText(name)}, in ${plainText(unit)}:`,
    '',
    `| ${[of, ...columns.map(([side]) => side)].map(plainText).join(' | ')} |`,
    `|${'---|'.repeat(columns.length + 1)}`,
    ...rows,
  ].join('\n')
}

/** @param {string} text */
function firstLine(text) {
  return text.split('\n')[0] ?? ''
}
