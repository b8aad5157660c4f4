import type { Durability } from '@cistern/assets'
import { randomNumbers } from '../helpers/bytes.js'
import { type Child, spawnChild } from '../helpers/child.js'
import { type Report, reportsIn } from './report.js'

const MOST = 3_000 // ms, for a machine that has other things to do
const STALLED = 20_000

/** So many reports after the first of it, and a little: a busy machine kills its children no earlier in their work. */
export interface Moment {
  readonly after: 'opening' | 'opened'
  readonly reports: number
  readonly ms: number
}

/** Some die while they open, most while they work. */
export function momentOfDeath(seed: number, mostReports: number): Moment {
  const random = randomNumbers(seed)
  const ms = Math.floor(random() * 30)
  if (random() < 0.12) return { after: 'opening', reports: 0, ms }
  return { after: 'opened', reports: Math.floor(random() * mostReports), ms }
}

/** What happens to a child at its moment. */
export interface Strike {
  /** Before it, while all still works. */
  prepare(): void
  now(): void
}

export interface Life {
  readonly reports: readonly Report[]
  /** So many of them were heard before it was struck: what they say was done, was done by then. */
  readonly heard: number
  /** What it saw that must not be, and what it died of other than us. */
  readonly violations: readonly string[]
}

/**
 * One child, from its start to its end. `strike` is what happens at its moment, besides its death; what fails in it after
 * that is not a violation, wrong bytes and uncaught errors are.
 */
export async function live(
  store: string,
  seed: number,
  durability: Durability,
  { after, reports: toCome, ms }: Moment,
  strike?: Strike,
): Promise<Life> {
  await using child = spawnChild(new URL('./child.js', import.meta.url), { args: [store, String(seed), durability] })
  const begun = await Promise.race([printed(child, `"${after}"`), limit(STALLED)])
  const done = begun ?? (toCome > 0 && (await Promise.race([printed(child, '"done'), limit(STALLED)])))
  await Promise.race([reported(child, toCome), limit(MOST)])
  await elapsed(ms)
  const wasRunning = child.process.exitCode === null
  strike?.prepare()
  await elapsed(1) // what was said meanwhile is heard
  const before = strike ? reportsIn(child.stdout).length : Number.POSITIVE_INFINITY
  strike?.now()
  await child.kill()
  const reports = reportsIn(child.stdout)
  const violations = [
    ...(done === 'stalled' ? [`nothing was done in ${STALLED} ms after it was ${after}`] : []),
    ...complaints(reports, before),
    ...(wasRunning ? lastWords(child, strike !== undefined) : [`ended by itself: ${child.stderr}`]),
  ]
  return { reports, heard: before, violations }
}

/** The first few say it all. A report that the pipe still held when we struck is of before, and a failure in it unlikely. */
function complaints(reports: readonly Report[], before: number): string[] {
  return reports
    .flatMap((report, index) => {
      if (report.is === 'violation') return [report.what]
      return report.is === 'failure' && index < before ? [report.what] : []
    })
    .slice(0, 5)
}

/** Or it ended before that: its last words tell why. */
async function printed(child: Child, text: string): Promise<undefined> {
  await child.printed(text).catch(() => undefined)
}

/** Resolves once it said so much, or ended. */
function reported(child: Child, count: number): Promise<void> {
  return new Promise((resolve) => {
    const { stdout } = child.process
    let lines = 0
    const look = (text: string): void => {
      lines += text.split('\n').length - 1
      if (lines >= count) end()
    }
    const end = (): void => {
      stdout?.off('data', look)
      resolve()
    }
    stdout?.on('data', look)
    child.exited.then(end)
    look(child.stdout)
  })
}

/** A moment that the seed chose, not a wait for something. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function limit(ms: number): Promise<'stalled'> {
  return new Promise((resolve) => setTimeout(resolve, ms, 'stalled').unref())
}

/** It ends by our signal, or because what struck it kept it from opening; and has nothing to say on stderr. */
function lastWords(child: Child, isStruck: boolean): string[] {
  const words = child.stderr.trim()
  if (isStruck && child.process.exitCode === 1 && words === '') return []
  if (child.process.signalCode === 'SIGKILL' && words === '') return []
  return [`ended by ${child.process.signalCode ?? `exit ${child.process.exitCode}`}: ${words}`]
}
