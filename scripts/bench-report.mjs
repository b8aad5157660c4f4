// `npm run bench:report -- FILE` makes the JSON of a run docs/performance.json, and writes from it docs/performance.md, the charts
// in docs/images/bench/ and the README's measured part. Without FILE, from the docs/performance.json that is there; with
// --check it writes nothing, and exits with 1 if that would change a file. --into FOLDER: another place than this repository.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chart } from '../bench/report/chart.mjs'
import { page } from '../bench/report/markdown.mjs'
import { withMeasured } from '../bench/report/readme.mjs'
import { formFaults } from '../bench/report/schema.mjs'

/** @import { Known, Run } from '../bench/report/run.mjs' */

const CHARTS = 'docs/images/bench'
const JSON_FILE = 'docs/performance.json'

const repository = fileURLToPath(new URL('..', import.meta.url))
const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false }, into: { type: 'string', default: repository } },
  allowPositionals: true,
})
const root = values.into
const json = readFileSync(positionals[0] ?? `${root}/${JSON_FILE}`, 'utf8')
const faults = formFaults(JSON.parse(json))
if (faults.length > 0) throw new Error(`not fit to be shown:\n${faults.join('\n')}`)

/** @type {Known[]} */
const known = JSON.parse(readFileSync(`${repository}/bench/known.json`, 'utf8'))
const wanted = filesOf(JSON.parse(json))
const present = existsSync(`${root}/${CHARTS}`) ? readdirSync(`${root}/${CHARTS}`) : []
const surplus = present.map((name) => `${CHARTS}/${name}`).filter((path) => !wanted.has(path))
const stale = [...wanted].filter(([path, text]) => !isSo(`${root}/${path}`, text)).map(([path]) => path)

if (values.check) {
  for (const path of [...stale, ...surplus]) console.log(`not what ${JSON_FILE} says: ${path}`)
  if (stale.length + surplus.length > 0) process.exitCode = 1
} else {
  for (const path of stale) write(`${root}/${path}`, wanted.get(path) ?? '')
  for (const path of surplus) rmSync(`${root}/${path}`)
  console.log(`${wanted.size} files, ${stale.length} of them changed, ${surplus.length} removed`)
}

/**
 * What each file is to hold.
 * @param {Run} run
 * @returns {Map<string, string>}
 */
function filesOf(run) {
  const measured = run.workloads.filter(({ state }) => state === 'measured')
  return new Map([
    [JSON_FILE, json],
    ['docs/performance.md', page(run, known)],
    ['README.md', withMeasured(readFileSync(`${root}/README.md`, 'utf8'), run)],
    ...measured.map(({ name }) => {
      const rows = run.results.filter(({ workload }) => workload === name)
      return /** @type {const} */ ([`${CHARTS}/${name}.svg`, chart(name, rows)])
    }),
  ])
}

/**
 * @param {string} file
 * @param {string} text
 */
function isSo(file, text) {
  return existsSync(file) && readFileSync(file, 'utf8') === text
}

/**
 * @param {string} file
 * @param {string} text
 */
function write(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
