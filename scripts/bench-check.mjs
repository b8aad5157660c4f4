// `npm run bench:check -- FILE [OTHER]`: whether the JSON of a run is whole, and its targets are met or have a reason in
// bench/known.json; with two files also which targets both runs met. Exits with 1 when something is amiss.
// --partial: a run of some workloads only. --known FILE: other reasons.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { workloadNames } from '../bench/harness/workloads.mjs'
import { formFaults } from '../bench/report/schema.mjs'
import { inBoth, judge } from '../bench/report/verdict.mjs'

/** @import { Known, Run } from '../bench/report/run.mjs' */

const { values, positionals } = parseArgs({
  options: {
    partial: { type: 'boolean', default: false },
    known: { type: 'string', default: fileURLToPath(new URL('../bench/known.json', import.meta.url)) },
  },
  allowPositionals: true,
})
if (positionals.length < 1 || positionals.length > 2) throw new Error('one file or two, as `npm run bench` writes them')
/** @type {Known[]} */
const known = JSON.parse(readFileSync(values.known, 'utf8'))

const runs = positionals.map(checked)
const [one, other] = runs
if (one && other) compareRuns(one, other)

/**
 * @param {string} file
 * @returns {Run | undefined} Nothing where it is not fit to be judged.
 */
function checked(file) {
  console.log(file)
  const { value, faults: unreadable } = parsed(file)
  const faults = unreadable ?? formFaults(value)
  if (faults.length > 0) {
    say('FAULT', faults)
    return undefined
  }
  const run = /** @type {Run} */ (value)
  const expected = values.partial ? [] : workloadNames()
  const verdict = judge(run, known, { expected })
  say('FAULT', verdict.faults)
  say('known', verdict.excused)
  say('note ', verdict.remarks)
  const targets = run.results.filter(({ target }) => target !== undefined).length
  console.log(`  ${run.results.length} results, ${targets} of them with a target; ${verdict.faults.length} faults`)
  return run
}

/**
 * @param {string} file
 * @returns {{ value?: unknown, faults?: string[] }}
 */
function parsed(file) {
  try {
    return { value: JSON.parse(readFileSync(file, 'utf8')) }
  } catch (error) {
    return { faults: [`not JSON: ${error}`] }
  }
}

/**
 * A target counts as reached only where both met it.
 * @param {Run} one
 * @param {Run} other
 */
function compareRuns(one, other) {
  const { met, once, never, inOne } = inBoth(one, other)
  console.log('in both')
  say('met  ', met)
  say('ONCE ', once)
  say('NEVER', never)
  say('in one run only', inOne)
  console.log(`  ${met.length} targets met in both, ${once.length} in one of them, ${never.length} in neither`)
}

/**
 * @param {string} what
 * @param {readonly string[]} lines
 */
function say(what, lines) {
  for (const line of lines) console.log(`  ${what}  ${line}`)
  if (what === 'FAULT' && lines.length > 0) process.exitCode = 1
}
