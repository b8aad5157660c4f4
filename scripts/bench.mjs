// `npm run bench`, `npm run bench -- NAME… --json FILE --quick`. A workload is a file of bench/ whose default export is a
// function that is handed a Place and gives Results; each runs in a process of its own. Targets are judged by the median of
// the ratios inside this one run, and with --quick, which only tries whether everything runs, not at all.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { isMet } from '../bench/harness/compare.mjs'
import { peerVersions, thisMachine } from '../bench/harness/machine.mjs'
import { ending, lines } from '../bench/harness/table.mjs'
import { runWorkload, workloadNames } from '../bench/harness/workloads.mjs'

/** @import { Run } from '../bench/report/run.mjs' */

const { values, positionals } = parseArgs({
  options: { json: { type: 'string' }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const { quick } = values
const names = chosen(workloadNames(), positionals)

const machine = thisMachine()
console.log(`node ${machine.node}, ${machine.system}, ${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB`)
console.log(quick ? 'quick: nothing is judged' : 'median (min–max); a ratio is formed inside each repetition')

/** @type {Run} */
const run = { machine, peers: peerVersions(), at: new Date().toISOString(), quick, workloads: [], results: [] }
for (const name of names) {
  console.log(`\n${name}`)
  const { workload, results } = await runWorkload(name, { quick })
  const rows = results.map((result) => ({ workload: name, ...result, ...(!quick && { met: isMet(result) }) }))
  for (const row of rows) console.log(lines(row))
  console.log(ending(workload))
  run.workloads.push(workload)
  run.results.push(...rows)
  save() // what was measured is kept, whatever becomes of the rest
}
summarize(run)

/**
 * A word that is a name stands for that one alone, any other for all names that hold it.
 * @param {readonly string[]} all
 * @param {readonly string[]} words
 */
function chosen(all, words) {
  const matching = words.map((word) => (all.includes(word) ? [word] : all.filter((name) => name.includes(word))))
  const unknown = words.filter((_, index) => matching[index]?.length === 0)
  if (unknown.length > 0) throw new Error(`no workload matches ${unknown.join(', ')}`)
  return words.length === 0 ? all : all.filter((name) => matching.flat().includes(name))
}

function save() {
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(run, null, 2)}\n`)
}

/** @param {Run} run */
function summarize({ workloads, results }) {
  const judged = results.filter(({ met }) => met !== undefined)
  const missed = judged.filter(({ met }) => !met)
  console.log('')
  if (!quick) console.log(`${judged.length - missed.length} of ${judged.length} targets met`)
  for (const { workload, name, ratio } of missed) console.log(`  NOT MET ${workload}: ${name}: ${ratio}`)
  for (const { name, state } of workloads) if (state !== 'measured') console.log(`  ${state} ${name}`)
  if (workloads.some(({ state }) => state === 'failed')) process.exitCode = 1
}
