import { join } from 'node:path'
import type { Durability } from '@cistern/assets'
import { randomInteger, randomNumbers, shuffled } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { History } from '../history.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'
import { reportsIn } from '../report.js'
import { goOn } from '../scripted/go-on.js'
import { ASSETS, KEYS } from '../scripted/keys.js'
import { type Target, type Traced, targetsIn, traced, withoutStrace } from '../scripted/strace.js'
import { examine } from '../survivors.js'
import { keepAside, keepForGood } from './kill-loop.js'

const CHILD = new URL('../scripted/child.js', import.meta.url)
const RECOVERY = new URL('../scripted/recovery-child.js', import.meta.url)
const MODES: readonly Durability[] = ['ordered', 'strict', 'relaxed']
const CALLS = ['write', 'pwrite64', 'pwritev', 'rename', 'link', 'unlink', 'fsync', 'fdatasync', 'ftruncate', 'mkdir']
const AT_ONCE = 2
const QUICK_ROUNDS = 45
const ENOUGH = 10 // violations, after which more of them tell nothing new
const SCOPE = { keys: KEYS, assets: ASSETS }

interface Step extends Target {
  readonly durability: Durability
}

/** A scripted session, killed at each system call that changes something, in each mode. */
export const killSteps: Part = {
  name: 'kill-steps',
  about: 'kill -9 at every single call of a scripted session that changes a file, in each mode',
  unavailable: withoutStrace,
  run,
}

async function run({ seed, quick, rounds, say }: PartOptions): Promise<PartOutcome> {
  const all = (await Promise.all(MODES.map(stepsOf))).flat()
  const chosen = shuffled(randomNumbers(seed), all).slice(0, rounds ?? (quick ? QUICK_ROUNDS : all.length))
  const violations: string[] = []
  const counts = { recoveries: 0, missed: 0 }
  let done = 0
  const worker = async (): Promise<void> => {
    for (let step = chosen.shift(); step !== undefined && violations.length < ENOUGH; step = chosen.shift()) {
      const found = await killAt(step, seed, counts, say)
      violations.push(...found.map((what) => `${shown(step as Step)}: ${what}`))
      if (++done % 50 === 0) say(`  ${done} of ${done + chosen.length}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const note = `${done} of ${all.length} calls; ${counts.recoveries} killed again while they recovered; ${counts.missed} not reached`
  return { rounds: done, violations, note }
}

/** What the session does in a run that nothing happens to. */
function stepsOf(durability: Durability): Promise<Step[]> {
  return inTempFolder(async (folder) => {
    const [root, log] = [join(folder, 'store'), join(folder, 'trace')]
    const ended = await traced(CHILD, { args: [root, durability], calls: CALLS, log })
    const wrong = [...lastWords(ended), ...lifeTime(ended)]
    if (wrong.length > 0 || !ended.stdout.includes('"finished"'))
      throw new Error(`the session does not run by itself: ${wrong.join('\n')}\n${ended.stdout.slice(-2_000)}`)
    return targetsIn(log, root).map((target) => ({ ...target, durability }))
  })
}

function killAt(
  step: Step,
  seed: number,
  counts: { recoveries: number; missed: number },
  say: (line: string) => void,
): Promise<string[]> {
  return inTempFolder(async (folder) => {
    const root = join(folder, 'store')
    const ended = await traced(CHILD, {
      args: [root, step.durability],
      calls: [step.call],
      inject: `${step.call}:signal=KILL:when=${step.when}`,
    })
    if (ended.signal !== 'SIGKILL') counts.missed++
    const history = new History(
      KEYS.map(({ id }) => id),
      ASSETS,
      step.durability,
    )
    for (const report of reportsIn(ended.stdout)) history.add(report)
    const violations = [...(ended.signal === 'SIGKILL' ? [] : lastWords(ended)), ...lifeTime(ended)]
    keepAside(folder)
    counts.recoveries += await killRecovery(root, step, seed)
    violations.push(...(await examineTwice(root, history)), ...(await goOn(root, step.durability)))
    if (violations.length > 0)
      say(`  the store as ${shown(step)} left it, in step '${lastStep(ended)}': ${keepForGood(folder)}`)
    return violations
  })
}

/** The opening that follows is killed, too, at one of its own calls, or two. Returns how often. */
async function killRecovery(root: string, step: Step, seed: number): Promise<number> {
  const random = randomNumbers(seed * 7_919 + step.when * 31 + step.call.length)
  let killed = 0
  while (random() < 0.35) {
    const call = ['pwrite64', 'fsync', 'fdatasync', 'rename', 'unlink', 'write', 'mkdir'][randomInteger(random, 0, 7)]
    const inject = `${call}:signal=KILL:when=${randomInteger(random, 1, 5)}`
    const ended = await traced(RECOVERY, { args: [root, step.durability], calls: [call ?? ''], inject })
    if (ended.signal === 'SIGKILL') killed++
  }
  return killed
}

/** What is found at first is what history allows, and what is found then is what was found at first. */
async function examineTwice(root: string, history: History): Promise<string[]> {
  const violations: string[] = []
  const found = [await examine(root, history, SCOPE), await examine(root, history, SCOPE)]
  for (const [index, { suspect, orphans, missing, violations: wrong }] of found.entries()) {
    const where = index === 0 ? '' : 'opened again: '
    violations.push(...wrong.map((what) => where + what))
    if (suspect) violations.push(`${where}the index is suspect`)
    if (orphans > 0) violations.push(`${where}${orphans} files that no record names`)
    if (missing > 0) violations.push(`${where}${missing} records whose file is not there`)
  }
  // What was begun and has no bytes yet is let go of when it is looked at.
  const [first, second] = found.map(({ committed, bytes }) => JSON.stringify({ committed, bytes }))
  if (first !== second) violations.push(`opened again, it holds ${second} and not ${first}`)
  return violations
}

function lifeTime({ stdout }: Traced): string[] {
  return reportsIn(stdout)
    .flatMap((report) => (report.is === 'violation' ? [report.what] : []))
    .slice(0, 5)
}

function lastWords({ stderr, code, signal, hung }: Traced): string[] {
  if (hung) return ['it never ended']
  return code === 0 && stderr === '' ? [] : [`ended by ${signal ?? `exit ${code}`}: ${stderr.trim()}`]
}

function lastStep({ stdout }: Traced): string {
  return reportsIn(stdout).reduce((name, report) => (report.is === 'step' ? report.name : name), '')
}

function shown({ durability, call, when, on }: Step): string {
  return `${durability}, killed at ${call} ${when} (${on})`
}
