import { join } from 'node:path'
import { randomChoice, randomInteger, randomNumbers, shuffled } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { Kept } from '../kept.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'
import { reportsIn } from '../report.js'
import { historyOf, lookAt, type Step, stepsOf } from '../scripted/look-at.js'
import { lastStep, lastWords, lifeTime, traced, withoutStrace } from '../scripted/strace.js'

const CHILD = new URL('../scripted/child.js', import.meta.url)
const RECOVERY = new URL('../scripted/recovery-child.js', import.meta.url)
/** What changes files, and what makes that durable. */
const CALLS = [
  'write',
  'pwrite64',
  'pwritev',
  'rename',
  'link',
  'unlink',
  'fsync',
  'fdatasync',
  'ftruncate',
  'mkdir',
] as const
/** Of an opening, those that it makes in each mode. */
const RECOVERY_CALLS = ['write', 'pwrite64', 'rename', 'unlink', 'fsync', 'fdatasync', 'mkdir'] as const
const AT_ONCE = 2
const QUICK_ROUNDS = 30
const ENOUGH = 10 // violations, after which more of them tell nothing new

/** A scripted session, killed at each system call that changes something, in each mode. */
export const killSteps: Part = {
  name: 'kill-steps',
  about: 'kill -9 at every single call of a scripted session that changes a file, in each mode',
  unavailable: withoutStrace,
  run,
}

async function run({ seed, quick, rounds, say }: PartOptions): Promise<PartOutcome> {
  const all = await stepsOf(CALLS)
  const chosen = shuffled(randomNumbers(seed), all).slice(0, rounds ?? (quick ? QUICK_ROUNDS : all.length))
  const violations: string[] = []
  let [done, again, missed] = [0, 0, 0]
  const worker = async (): Promise<void> => {
    for (let step = chosen.shift(); step && violations.length < ENOUGH; step = chosen.shift()) {
      const { found, killedAgain, isKilled } = await killAt(step, seed, say)
      for (const what of found) violations.push(`${shown(step)}: ${what}`)
      again += killedAgain
      if (!isKilled) missed++
      if (++done % 50 === 0) say(`  ${done} done, ${chosen.length} to come`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const note = `${done} of ${all.length} calls; killed again in recovery: ${again}; not reached: ${missed}`
  return { rounds: done, violations, note }
}

function killAt(
  step: Step,
  seed: number,
  say: (line: string) => void,
): Promise<{ found: readonly string[]; killedAgain: number; isKilled: boolean }> {
  return inTempFolder(async (folder) => {
    const { call, when, durability } = step
    const root = join(folder, 'store')
    const inject = `${call}:signal=KILL:when=${when}`
    const ended = await traced(CHILD, { args: [root, durability], calls: [call], inject })
    const isKilled = ended.signal === 'SIGKILL' && !ended.hung
    const history = historyOf(durability)
    for (const report of reportsIn(ended.stdout)) history.add(report)
    const kept = new Kept(folder)
    kept.aside(`${folder}/store`)
    const killedAgain = await killRecovery(root, step, seed)
    const found = [
      ...(isKilled ? [] : lastWords(ended)),
      ...lifeTime(ended),
      ...(await lookAt(root, durability, history)),
    ]
    if (found.length > 0) say(`  the store as ${shown(step)} left it, in step '${lastStep(ended)}': ${kept.forGood()}`)
    return { found, killedAgain, isKilled }
  })
}

/** Now and then, the opening that follows is killed at one of its own calls, and perhaps the next one. Gives how often. */
async function killRecovery(root: string, { call: at, when, durability }: Step, seed: number): Promise<number> {
  const random = randomNumbers(seed * 7_919 + when * 31 + at.length)
  let killed = 0
  while (random() < 0.25) {
    const call = randomChoice(random, RECOVERY_CALLS)
    const inject = `${call}:signal=KILL:when=${randomInteger(random, 1, 5)}`
    const { signal } = await traced(RECOVERY, { args: [root, durability], calls: [call], inject })
    if (signal === 'SIGKILL') killed++
  }
  return killed
}

function shown({ durability, call, when, on }: Step): string {
  return `${durability}, killed at ${call} ${when} (${on})`
}
