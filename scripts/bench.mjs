// `npm run bench`, `npm run bench -- NAME… --json FILE`. A workload is a file of bench/ whose default export is a function
// that is handed a Place and gives Results; targets are judged by the median of the ratios inside this one run.
import { readdirSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'
import { parseArgs } from 'node:util'
import { isMet } from '../bench/harness/compare.mjs'
import { Place } from '../bench/harness/place.mjs'
import { lines } from '../bench/harness/table.mjs'

/** @import { Result } from '../bench/harness/compare.mjs' */

const folder = new URL('../bench/', import.meta.url)
const { values, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true })
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.slice(0, -'.mjs'.length))
  .filter((name) => positionals.length === 0 || positionals.some((word) => name.includes(word)))
  .sort()
if (names.length === 0) throw new Error(`no workload matches ${positionals.join(', ')}`)

const machine = {
  node: process.version,
  system: `${platform()} ${arch()}`,
  cpu: cpus()[0]?.model,
  cores: cpus().length,
}
console.log(`node ${machine.node}, ${machine.system}, ${machine.cores} × ${machine.cpu}`)
console.log('median (min–max); a ratio is formed inside each repetition')

/** @type {Result[]} */
const results = []
for (const name of names) {
  console.log(`\n${name}`)
  for (const result of await measured(name)) {
    results.push(result)
    console.log(lines(result))
  }
}

const missed = results.filter((result) => isMet(result) === false)
const judged = results.filter((result) => isMet(result) !== undefined)
console.log(`\n${judged.length - missed.length} of ${judged.length} targets met`)
for (const { name } of missed) console.log(`  NOT MET ${name}`)
if (values.json !== undefined) {
  const judgedResults = results.map((result) => ({ ...result, met: isMet(result) }))
  writeFileSync(
    values.json,
    `${JSON.stringify({ machine, at: new Date().toISOString(), results: judgedResults }, null, 2)}\n`,
  )
}

/**
 * @param {string} name
 * @returns {Promise<Result[]>}
 */
async function measured(name) {
  const place = new Place()
  try {
    const workload = await import(new URL(`${name}.mjs`, folder).href)
    return await workload.default(place)
  } finally {
    place[Symbol.dispose]()
  }
}
