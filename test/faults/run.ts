// `npm run faults [-- --quick] [--seed N] [--rounds N] [PART…]`
import { parseArgs } from 'node:util'
import type { Part, PartOutcome } from './part.js'
import { parts } from './parts/index.js'

const USAGE = `usage: npm run faults [-- [--quick] [--seed N] [--rounds N] [PART…]]
parts: ${parts.map(({ name }) => name).join(', ')}`

const { values, positionals } = asked()
const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : wholeNumber('seed', values.seed)
const rounds = values.rounds === undefined ? undefined : wholeNumber('rounds', values.rounds)
const chosen = parts.filter(({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)))
if (chosen.length === 0) refuse(`no part matches ${positionals.join(', ')}`)

const results: Result[] = []
for (const part of chosen) results.push(await runPart(part))
const broken = results.reduce((sum, { violations }) => sum + violations.length, 0)
console.log(`\n${table(results)}`)
const skipped = results.filter(({ rounds: count }) => count === 0).length
const left = skipped === 0 ? '' : `, ${skipped} parts SKIPPED`
console.log(broken === 0 ? `\nno violations${left}` : `\n${broken} VIOLATIONS${left}`)
process.exitCode = broken === 0 ? 0 : 1

interface Result extends PartOutcome {
  readonly part: Part
  readonly seconds: number
}

async function runPart(part: Part): Promise<Result> {
  const reason = part.unavailable?.()
  if (reason !== undefined) {
    console.log(`\nSKIPPED ${part.name}: ${reason}`)
    return { part, seconds: 0, rounds: 0, violations: [], note: `SKIPPED: ${reason}` }
  }
  const replay = `npm run faults -- ${part.name} --seed ${seed}${values.quick ? ' --quick' : ''}${rounds === undefined ? '' : ` --rounds ${rounds}`}`
  console.log(`\n${part.name}: ${part.about}\n  seed ${seed}, again with: ${replay}`)
  const started = performance.now()
  const outcome = await part.run({ seed, quick: values.quick, rounds, say: (line) => console.log(line) })
  console.log(`  ${outcome.rounds} rounds, ${outcome.violations.length} violations`)
  for (const violation of outcome.violations) console.log(`  VIOLATION ${violation}`)
  return { part, seconds: (performance.now() - started) / 1_000, ...outcome }
}

/** Markdown, so that it can stand in the docs as it is. */
function table(lines: readonly Result[]): string {
  const rows = lines.map(
    ({ part, rounds: count, violations, seconds, note = '' }) =>
      `| ${[part.name, part.about, count, violations.length, `${Math.round(seconds)} s`, note].join(' | ')} |`,
  )
  return ['| part | what | rounds | violations | time | note |', '|---|---|---:|---:|---:|---|', ...rows].join('\n')
}

function asked() {
  try {
    return parseArgs({
      options: { quick: { type: 'boolean', default: false }, seed: { type: 'string' }, rounds: { type: 'string' } },
      allowPositionals: true,
    })
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) refuse(`--${name} takes a whole number, not ${text}`)
  return number
}

function refuse(why: string): never {
  console.error(`${why}\n${USAGE}`)
  process.exit(2)
}
