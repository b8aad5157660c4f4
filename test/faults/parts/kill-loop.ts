import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Durability } from '@cistern/assets'
import { randomNumbers } from '../../helpers/bytes.js'
import { type Child, spawnChild } from '../../helpers/child.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { History } from '../history.js'
import { ASSETS, KEYS } from '../keys.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'
import { type Report, reportsIn } from '../report.js'
import { examine } from '../survivors.js'

const ROUNDS = 20
const ENOUGH = 10 // violations, after which more of them tell nothing new
const LONG_ENOUGH = 20 // ms of life in which something should get done
const STALLED = 20_000

/** SIGKILL at a random moment, again and again over the same store: what is left must be true. */
export function killLoop(durability: Durability): Part {
  return {
    name: `kill-${durability}`,
    about: `kill -9 at random moments, ${durability} durability`,
    run: (options) => run(durability, options),
  }
}

async function run(durability: Durability, options: PartOptions): Promise<PartOutcome> {
  const rounds = options.rounds ?? ROUNDS
  const violations: string[] = []
  const history = new History(
    KEYS.map(({ id }) => id),
    ASSETS,
    durability,
  )
  await inTempFolder(async (folder) => {
    for (let round = 1; round <= rounds && violations.length < ENOUGH; round++) {
      const { found, line } = await oneLife(folder, durability, history, options, round)
      violations.push(...found.map((what) => `round ${round}: ${what}`))
      options.say(`  ${String(round).padStart(3)}  ${line}${found.length > 0 ? `  ${found.length} VIOLATIONS` : ''}`)
    }
  })
  return { rounds, violations }
}

/** One child, from its start to its end and what it leaves. */
async function oneLife(
  folder: string,
  durability: Durability,
  history: History,
  { seed, quick, say }: PartOptions,
  round: number,
): Promise<{ found: readonly string[]; line: string }> {
  const lifeSeed = seed * 1_000 + round
  const moment = momentOfDeath(lifeSeed, quick)
  await using child = spawnChild(new URL('../child.js', import.meta.url), {
    args: [`${folder}/store`, String(lifeSeed), durability],
  })
  const stalled = await die(child, moment)
  const reports = reportsIn(child.stdout)
  for (const report of reports) history.add(report)
  keepAside(folder)
  const survivors = await examine(`${folder}/store`, history)
  const found = [...(stalled ? [stalled] : []), ...lifeTime(reports), ...lastWords(child), ...survivors.violations]
  if (survivors.violations.length > 0) say(`  the store as round ${round} left it: ${keepForGood(folder)}`)
  const commits = reports.filter((report) => report.is === 'done' && report.held).length
  const line =
    `killed ${moment.ms} ms after it was ${moment.after}: ${reports.length} reports, ${commits} commits; ` +
    `left ${survivors.committed} committed, ${survivors.partial} partial, ${survivors.bytes} bytes, ` +
    `${survivors.orphans} orphans, ${survivors.missing} missing`
  return { found, line }
}

/** Looking at a store changes it: a copy of what the dead process left waits until it is known whether it is of interest. */
export function keepAside(folder: string): void {
  rmSync(`${folder}/left`, { recursive: true, force: true })
  if (existsSync(`${folder}/store`))
    cpSync(`${folder}/store`, `${folder}/left`, { recursive: true, preserveTimestamps: true })
}

export function keepForGood(folder: string): string {
  const kept = mkdtempSync(join(tmpdir(), 'cistern-faults-'))
  if (existsSync(`${folder}/left`)) cpSync(`${folder}/left`, kept, { recursive: true, preserveTimestamps: true })
  return kept
}

interface Moment {
  readonly after: 'opening' | 'opened'
  readonly ms: number
}

/** Some die while they open, most while they work. */
function momentOfDeath(seed: number, quick: boolean): Moment {
  const random = randomNumbers(seed)
  if (random() < 0.2) return { after: 'opening', ms: Math.floor(random() * 30) }
  return { after: 'opened', ms: Math.floor(random() ** 2 * (quick ? 500 : 2_000)) }
}

/** Resolves with a violation when it did not get anything done although it had the time. */
async function die(child: Child, { after, ms }: Moment): Promise<string | undefined> {
  await child.printed(`"${after}"`).catch(() => undefined) // ended before: its last words tell why
  const moment = elapsed(ms)
  const stalled = ms < LONG_ENOUGH ? undefined : await Promise.race([progress(child), limit(STALLED)])
  await moment
  await child.kill()
  return stalled && `nothing was done in ${STALLED} ms after it was ${after}`
}

async function progress(child: Child): Promise<undefined> {
  await child.printed('"is":"done').catch(() => undefined)
}

/** A moment that the seed chose, not a wait for something. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function limit(ms: number): Promise<'stalled'> {
  return new Promise((resolve) => setTimeout(resolve, ms, 'stalled').unref())
}

/** What it saw while it lived; the first few say it all. */
function lifeTime(reports: readonly Report[]): string[] {
  return reports.flatMap((report) => (report.is === 'violation' ? [report.what] : [])).slice(0, 5)
}

/** It ends by our signal, and has nothing to say on stderr. */
function lastWords(child: Child): string[] {
  const byUs = child.process.signalCode === 'SIGKILL'
  const words = child.stderr.trim()
  if (byUs && words === '') return []
  return [`ended by ${child.process.signalCode ?? `exit ${child.process.exitCode}`}: ${words}`]
}
