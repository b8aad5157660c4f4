import { existsSync } from 'node:fs'
import { randomChoice, randomInteger, randomNumbers } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { contest } from '../owners/contest.js'
import { type SuspendedRound, suspendedRound } from '../owners/suspended.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'

/** Of a full run; each in turn is a contest, a stop at a call, a stop at a random moment. */
const ROUNDS = { quick: 18, full: 90 }
/** Of those, in which the stale time is waited for: all at the same time, beside the others. */
const REAL = { quick: 4, full: 16 }
const REAL_AT_ONCE = 8
const BOUTS = { quick: 6, full: 12 }
/** Rounds mostly wait. */
const LANES = 2

/** Calls to be stopped at, with how often they are made while an owner lives for a second. */
const CALLS: readonly (readonly [name: string, often: number])[] = [
  ['rename', 15],
  ['unlink', 15],
  ['rm', 2],
  ['link', 3],
  ['fdatasync', 20],
  ['fsync', 10],
  ['open', 30],
  ['write', 60],
  ['ftruncate', 3],
  ['close', 30],
  ['mkdir', 2],
]
const OPENING_CALLS = ['rename', 'open', 'mkdir', 'rmdir', 'fsync', 'fdatasync', 'write', 'unlink'] as const

/** Two processes want one root: refused, taken over, and nothing that a suspended owner still does is ever seen. */
export const twoOwners: Part = {
  name: 'two-owners',
  about: 'contenders for a dead owner’s root; an owner suspended past the stale time, and another beside it',
  unavailable: () => (existsSync('/proc/self/status') ? undefined : 'needs signals and /proc'),
  run,
}

async function run(options: PartOptions): Promise<PartOutcome> {
  const kind = options.quick ? 'quick' : 'full'
  const rounds = options.rounds ?? ROUNDS[kind]
  const real = options.rounds === undefined ? REAL[kind] : Math.floor(rounds / 6)
  const tally = new Tally(options)
  const round = (index: number, isReal: boolean) => () => oneRound(tally, options, index, isReal, BOUTS[kind])
  const all = Array.from({ length: rounds }, (_, index) => round(index + 1, index >= rounds - real))
  // First those that wait for ten seconds, and the others meanwhile.
  await Promise.all([inLanes(all.splice(rounds - real), REAL_AT_ONCE), inLanes(all, LANES)])
  const { contests, bouts, suspensions, excused, violations } = tally
  return {
    rounds: contests + suspensions,
    violations,
    note: `${bouts} contests of 6, ${suspensions} suspensions (${real} of real time); ${excused} resources met the one call under way`,
  }
}

class Tally {
  readonly violations: string[] = []
  contests = 0
  bouts = 0
  suspensions = 0
  excused = 0
  readonly #say: (line: string) => void

  constructor({ say }: PartOptions) {
    this.#say = say
  }

  add(round: number, line: string, violations: readonly string[]): void {
    this.violations.push(...violations.map((what) => `round ${round}: ${what}`))
    const found = violations.length > 0 ? `  ${violations.length} VIOLATIONS` : ''
    this.#say(`  ${String(round).padStart(3)}  ${line}${found}`)
  }
}

async function oneRound(
  tally: Tally,
  { seed }: PartOptions,
  index: number,
  isReal: boolean,
  bouts: number,
): Promise<void> {
  const roundSeed = seed * 1_000 + index
  await inTempFolder(async (folder) => {
    if (!isReal && index % 3 === 0) {
      tally.add(index, `${bouts} contests for a dead owner's root`, await contest(folder, roundSeed, bouts))
      tally.contests++
      tally.bouts += bouts
      return
    }
    const outcome = await suspendedRound(folder, suspensionOf(roundSeed, index, isReal))
    tally.add(index, outcome.line, outcome.violations)
    tally.suspensions++
    tally.excused += outcome.excused
  })
}

function suspensionOf(seed: number, index: number, isReal: boolean): SuspendedRound {
  const random = randomNumbers(seed)
  const durability = randomChoice(random, ['ordered', 'strict', 'relaxed'] as const)
  if (isReal || index % 3 === 2) return { seed, durability, stopWhile: 'working', isReal }
  const side = random() < 0.7 ? 'after' : 'before'
  if (random() < 0.15) {
    const name = randomChoice(random, OPENING_CALLS)
    return { seed, durability, stop: `${name}:${randomInteger(random, 1, 5)}:${side}`, stopWhile: 'opening', isReal }
  }
  const [name, often] = randomChoice(random, CALLS)
  return {
    seed,
    durability,
    stop: `${name}:${randomInteger(random, 1, often + 1)}:${side}`,
    stopWhile: 'working',
    isReal,
  }
}

/** One after another in each lane. */
async function inLanes(steps: (() => Promise<void>)[], lanes: number): Promise<void> {
  const lane = async (): Promise<void> => {
    for (let step = steps.shift(); step !== undefined; step = steps.shift()) await step()
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
