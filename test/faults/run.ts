// `npm run faults [-- --quick] [--seed N] [--rounds N] [PART…]`
import { parseArgs } from 'node:util'
import type { Part, PartOutcome } from './part.js'
import { killLoop } from './parts/kill-loop.js'

const parts: readonly Part[] = [killLoop('ordered'), killLoop('strict'), killLoop('relaxed')]

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, seed: { type: 'string' }, rounds: { type: 'string' } },
  allowPositionals: true,
})
const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : wholeNumber('seed', values.seed)
const rounds = values.rounds === undefined ? undefined : wholeNumber('rounds', values.rounds)
const chosen = parts.filter(({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)))
if (chosen.length === 0)
  throw new Error(`no part matches ${positionals.join(', ')}: ${parts.map(({ name }) => name).join(', ')}`)

let broken = 0
for (const part of chosen) broken += (await runPart(part)).violations.length
console.log(broken === 0 ? '\nno violations' : `\n${broken} VIOLATIONS`)
process.exitCode = broken === 0 ? 0 : 1

async function runPart(part: Part): Promise<PartOutcome> {
  const reason = part.unavailable?.()
  if (reason !== undefined) {
    console.log(`\nSKIPPED ${part.name}: ${reason}`)
    return { rounds: 0, violations: [] }
  }
  const replay = `npm run faults -- ${part.name} --seed ${seed}${values.quick ? ' --quick' : ''}${rounds === undefined ? '' : ` --rounds ${rounds}`}`
  console.log(`\n${part.name}: ${part.about}\n  seed ${seed}, again with: ${replay}`)
  const outcome = await part.run({ seed, quick: values.quick, rounds, say: (line) => console.log(line) })
  console.log(`  ${outcome.rounds} rounds, ${outcome.violations.length} violations`)
  for (const violation of outcome.violations) console.log(`  VIOLATION ${violation}`)
  return outcome
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} takes a whole number, not ${text}`)
  return number
}
