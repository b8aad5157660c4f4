import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { Durability } from '@cistern/assets'
import { randomInteger, randomNumbers } from '../../helpers/bytes.js'
import { type Child, spawnChild } from '../../helpers/child.js'
import { History } from '../history.js'
import { Kept } from '../kept.js'
import { FILM_KEYS, FILMS } from '../keys.js'
import { lookBeside, lookThird } from './looks.js'
import { pause } from './loose-work.js'
import { type OwnerReport, ownerReportsIn, saying } from './report.js'
import { Suspension } from './suspension.js'

export interface SuspendedRound {
  readonly seed: number
  readonly durability: Durability
  /** As `owner-child` takes it; without, it is stopped at a random moment. */
  readonly stop?: string | undefined
  readonly stopWhile: 'opening' | 'working'
  /** The stale time is waited for, not brought about by setting the lock's time back. */
  readonly isReal: boolean
}

export interface RoundOutcome {
  readonly violations: readonly string[]
  readonly line: string
  /** What a call that was under way took from the new owner. */
  readonly excused: number
}

const STALE_MS = 10_000
/** The owner refreshes its lock this often: so much of the stale time may be over when it is stopped. */
const REFRESH_MS = 2_500
const PATIENCE_MS = 30_000

/** One owner is suspended, a second takes over and works, the first wakes up and ends, the second is killed, a third looks. */
export async function suspendedRound(folder: string, round: SuspendedRound): Promise<RoundOutcome> {
  const violations: string[] = []
  const root = join(folder, 'store')
  const random = randomNumbers(round.seed)
  const child = (life: number, durability: Durability, ...more: string[]) =>
    spawnChild(new URL('./owner-child.js', import.meta.url), {
      args: [root, String(round.seed * 10 + life), durability, ...more],
    })
  const zeroth = round.stopWhile === 'opening' ? await diedEarly(child(3, 'strict')) : []
  await using first = child(1, round.durability, round.stop ?? '', round.stopWhile)
  const at = await stopped(first, round, random)
  const stoppedAt = performance.now()
  const suspension = new Suspension(root, isOwner(root, first) ? ownerOf(root) : '', ownerReportsIn(first.stdout))

  const kept = new Kept(folder)
  kept.aside(root)
  await using second = child(2, 'strict')
  await takeOver(root, first, second, round, violations)
  const waited = performance.now() - stoppedAt
  if (round.isReal && waited < STALE_MS - REFRESH_MS - 500) violations.push(`taken over after ${Math.round(waited)} ms`)
  const history = historyUpTo([...zeroth, ...suspension.before], round.durability)
  for (const { key, held } of saying(ownerReportsIn(second.stdout), 'seen')) {
    const allowed = history.allowed(key)
    if (!allowed.some((one) => one?.nonce === held?.nonce && one?.length === held?.length))
      violations.push(`the second found ${JSON.stringify(held)} at ${key}, allowed are ${JSON.stringify(allowed)}`)
    history.observed(key, held)
  }
  for (const asset of FILMS) for (const pinned of history.allowedPins(asset)) history.observedPin(asset, pinned)
  const session = ownerOf(root)
  const stillOwned = (when: string): void => {
    if (!existsSync(join(root, '_index', 'lock'))) violations.push(`the second's lock was gone ${when}`)
    if (ownerOf(root) !== session) violations.push(`the second's owner record was replaced ${when}`)
  }

  await pause(randomInteger(random, 0, 800))
  // Again and again: it may come to the call where it was to be stopped only now.
  const waking = setInterval(() => first.process.kill('SIGCONT'), 50)
  const awake = await noticed(first)
  if (!awake) violations.push('the first did not notice in time that its root was lost')
  stillOwned('when the first woke up')
  await pause(randomInteger(random, 0, 400))
  violations.push(...(await lookBeside(root, suspension)))
  const end = await leave(first, random, (when) => stillOwned(when), violations)

  clearInterval(waking)

  await pause(randomInteger(random, 0, 200))
  await second.kill()
  const secondReports = ownerReportsIn(second.stdout)
  if (saying(secondReports, 'readonly').length > 0) violations.push('the second lost the root')
  violations.push(...lastWords('second', second, secondReports))
  const firstReports = ownerReportsIn(first.stdout)
  violations.push(...lastWords('first', first, firstReports))
  violations.push(...suspension.after(firstReports, round.stop !== undefined && at !== 'a random moment'))
  addAll(history, secondReports)
  const third = await lookThird(root, history, suspension, firstReports)
  violations.push(...third.violations)
  const place = violations.length > 0 ? `; the store as the first was stopped: ${kept.forGood(first.stdout)}` : ''
  const line =
    `${round.durability}, stopped at ${at}${round.stopWhile === 'opening' ? ' while opening' : ''}${round.isReal ? ` for ${Math.round(waited)} ms` : ''}, ` +
    `${suspension.underWay.length} calls under way, ended by ${end}; the second said ${secondReports.length}${place}`
  return { violations, line, excused: third.excused }
}

/** An owner that is killed, so that the first takes a root over: what it said. */
async function diedEarly(owner: Child): Promise<OwnerReport[]> {
  await using child = owner
  await child.printed('"is":"done')
  await child.kill()
  return ownerReportsIn(child.stdout)
}

/** Returns where it stopped. */
async function stopped(first: Child, round: SuspendedRound, random: () => number): Promise<string> {
  const moment = randomInteger(random, 50, 1_200)
  let at = 'a random moment'
  if (round.stop === undefined) {
    await first.printed('"is":"working"')
    await pause(moment)
  } else {
    const stops = first.printed('"is":"stopping"').then(() => true)
    if (await Promise.race([stops, pause(4_000)])) at = round.stop
    stops.catch(() => undefined)
  }
  // One that is about to stop itself must not be stopped before: woken up, it would stop itself.
  if (at === 'a random moment') first.process.kill('SIGSTOP')
  while (!/^State:\s+T/m.test(readFileSync(`/proc/${first.pid}/status`, 'utf8'))) await pause(1)
  // All that it said is in the pipe; it is read to the end when nothing more comes.
  for (let length = -1; length !== first.stdout.length; await pause(30)) length = first.stdout.length
  return at
}

/** Refused while the first may be alive, told of it, and let in when it has been silent for long enough. */
async function takeOver(
  root: string,
  first: Child,
  second: Child,
  round: SuspendedRound,
  violations: string[],
): Promise<void> {
  // One that was stopped before it had anything is in nobody's way.
  await Promise.race([second.printed('"is":"locked"'), second.printed('"is":"working"')])
  if (!round.isReal && second.stdout.includes('"is":"locked"')) {
    // As if it had been suspended for ever: what it refreshes is as old as can be.
    for (const name of ['lock', 'claim']) {
      const path = join(root, '_index', name)
      if (existsSync(path)) utimesSync(path, 1, 1)
    }
  }
  if (!(await within(second.printed('"is":"working"')))) violations.push('the second was not let in in time')
  for (const { holder } of saying(ownerReportsIn(second.stdout), 'locked'))
    if (holder !== first.pid) violations.push(`the second was told of process ${holder}, not of ${first.pid}`)
}

/** It says that it lost the root, or, still opening, that it was refused. */
async function noticed(first: Child): Promise<boolean> {
  return within(Promise.race([first.printed('"is":"readonly"'), first.printed('"is":"locked"'), first.exited]))
}

async function within(event: Promise<unknown>): Promise<boolean> {
  const limit = AbortSignal.timeout(PATIENCE_MS)
  const late = new Promise<false>((resolve) => limit.addEventListener('abort', () => resolve(false)))
  return Promise.race([
    event.then(
      () => true,
      () => false,
    ),
    late,
  ])
}

/** The first ends in one of the ways in which processes do; none may take what is the second's. */
async function leave(
  first: Child,
  random: () => number,
  look: (when: string) => void,
  violations: string[],
): Promise<string> {
  const way = ['close', 'exit', 'SIGTERM', 'SIGKILL'][randomInteger(random, 0, 4)] ?? 'exit'
  // One that was refused as it opened goes by itself, and may be about to.
  if (saying(ownerReportsIn(first.stdout), 'locked').length > 0 && !(await within(first.exited)))
    violations.push('the first was refused, and did not end')
  if (first.process.exitCode !== null) return 'itself'
  if (way === 'close') {
    first.send('close')
    if (!(await within(first.printed('"is":"closed"')))) violations.push('the first did not get closed')
    look('after the first closed')
  }
  if (way === 'close' || way === 'exit') first.send('exit')
  else first.process.kill(way as NodeJS.Signals)
  if (!(await within(first.exited))) violations.push(`the first did not end by ${way}`)
  look(`after the first ended by ${way}`)
  return way
}

function historyUpTo(reports: readonly OwnerReport[], durability: Durability): History {
  const history = new History(
    FILM_KEYS.map(({ id }) => id),
    FILMS,
    durability,
  )
  addAll(history, reports)
  return history
}

function addAll(history: History, reports: readonly OwnerReport[]): void {
  const ours = new Set(['begin', 'done', 'undone', 'begin-pin', 'done-pin', 'begin-remove-asset', 'done-remove-asset'])
  for (const report of reports) {
    if (ours.has(report.is) || report.is === 'begin-checkpoint' || report.is === 'done-checkpoint')
      history.add(report as Parameters<History['add']>[0])
  }
}

function lastWords(who: string, child: Child, reports: readonly OwnerReport[]): string[] {
  const said = saying(reports, 'violation').map(({ what }) => `the ${who} said: ${what}`)
  const words = child.stderr.trim()
  return [...said.slice(0, 5), ...(words === '' ? [] : [`the ${who} said on stderr: ${words}`])]
}

const recordOf = (root: string) =>
  JSON.parse(readFileSync(join(root, '_index', 'owner'), 'utf8')) as { readonly session: string; readonly pid: number }

/** The session that `_index/owner` names. */
const ownerOf = (root: string): string => recordOf(root).session

function isOwner(root: string, child: Child): boolean {
  return existsSync(join(root, '_index', 'owner')) && recordOf(root).pid === child.pid
}
