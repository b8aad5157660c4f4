import type { Durability } from '@cistern/assets'
import { randomChoice, randomNumbers } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { History } from '../history.js'
import { Kept } from '../kept.js'
import { ASSETS, KEYS } from '../keys.js'
import { inLanes } from '../lanes.js'
import { live, momentOfDeath } from '../life.js'
import { type FileSystem, LoopDisk, loopDiskUnavailable } from '../loop-disk.js'
import { examineElsewhere } from '../observing.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'
import { Tally } from '../tally.js'
import { type Writeback, writeBack } from '../writeback.js'

const MODES: readonly Durability[] = ['ordered', 'strict', 'relaxed']
const CUTS = 32 // of each mode
const QUICK_CUTS = 4
const CUTS_OF_A_DISK = 8 // then a fresh one, and a store that begins anew
const ENOUGH = 10
const MOST_REPORTS = 300 // of one life
const MOST_QUICK_REPORTS = 150
/** In `relaxed` nothing else brings anything to the medium. */
const WRITEBACKS: Readonly<Record<Durability, readonly Writeback[]>> = {
  ordered: ['nothing', 'index', 'index and some'],
  strict: ['nothing', 'index', 'index and some'],
  relaxed: ['nothing', 'index', 'index and some', 'index and some', 'index and some'],
}

/** The power goes at a random moment, again and again over the same store: what the medium has must be true. */
export function powerCut(fileSystem: FileSystem, modes: readonly Durability[] = MODES): Part {
  return {
    name: `power-cut-${fileSystem}`,
    about: `forced shutdowns of ${fileSystem} at random moments, each durability`,
    unavailable: () => loopDiskUnavailable(fileSystem),
    run: (options) => run(fileSystem, modes, options),
  }
}

/** `--rounds` is of each mode. */
async function run(fileSystem: FileSystem, modes: readonly Durability[], options: PartOptions): Promise<PartOutcome> {
  const cuts = options.rounds ?? (options.quick ? QUICK_CUTS : CUTS)
  const violations: string[] = []
  const tally = new Tally()
  await inLanes(modes.length, async (lane) => {
    const durability = modes[lane] as Durability
    for (let first = 1; first <= cuts && violations.length < ENOUGH; first += CUTS_OF_A_DISK) {
      const last = Math.min(cuts, first + CUTS_OF_A_DISK - 1)
      violations.push(...(await oneDisk(fileSystem, durability, [first, last], options, tally)))
    }
  })
  return { rounds: tally.count('cuts'), violations, note: noteOf(tally) }
}

/** One store over several cuts. */
async function oneDisk(
  fileSystem: FileSystem,
  durability: Durability,
  [first, last]: readonly [number, number],
  options: PartOptions,
  tally: Tally,
): Promise<string[]> {
  const violations: string[] = []
  const ids = KEYS.map(({ id }) => id)
  const history = new History(ids, ASSETS, durability, { powerCuts: true })
  await inTempFolder(async (folder) => {
    await using disk = LoopDisk.make(fileSystem, folder)
    const kept = new Kept(folder)
    for (let cut = first; cut <= last && violations.length < ENOUGH; cut++) {
      const found = await oneCut(disk, durability, history, kept, options, cut, tally)
      violations.push(...found.map((what) => `${durability}, cut ${cut}: ${what}`))
    }
  })
  return violations
}

async function oneCut(
  disk: LoopDisk,
  durability: Durability,
  history: History,
  kept: Kept,
  { seed, quick, say }: PartOptions,
  cut: number,
  tally: Tally,
): Promise<readonly string[]> {
  const lifeSeed = seed * 1_000 + cut * 3 + MODES.indexOf(durability)
  const random = randomNumbers(lifeSeed + 500_000)
  const writeback = randomChoice(random, WRITEBACKS[durability])
  const withLog = random() < 0.3
  const moment = momentOfDeath(lifeSeed, quick ? MOST_QUICK_REPORTS : MOST_REPORTS)
  const store = `${disk.mount}/store`
  const { reports, heard, violations } = await live(store, lifeSeed, durability, moment, {
    prepare: () => writeBack(store, writeback, random),
    now: () => disk.cutPower(withLog),
  })
  for (const [index, report] of reports.entries()) history.add(report, index < heard)
  await disk.restorePower()
  kept.aside(store)
  const survivors = await examineElsewhere(store, history)
  tally.add('cuts')
  tally.addAll(reports)
  if (survivors.damaged > 0) tally.add('stores with damage')
  tally.add('damaged', survivors.damaged)
  const found = [...violations, ...survivors.violations]
  say(
    `  ${durability.padEnd(7)} ${String(cut).padStart(3)}  cut when ${moment.after}, ${writeback} written${withLog ? ', and the log' : ''}: ${reports.length} reports; ` +
      `left ${survivors.committed} committed, ${survivors.partial} partial, ${survivors.bytes} bytes, ` +
      `${survivors.orphans} orphans, ${survivors.damaged} damaged${found.length > 0 ? `  ${found.length} VIOLATIONS` : ''}`,
  )
  for (const what of found) say(`       ${what}`)
  if (survivors.violations.length > 0)
    say(
      `  the store as cut ${cut} left it: ${kept.forGood(reports.map((report) => JSON.stringify(report)).join('\n'))}`,
    )
  return found
}

function noteOf(tally: Tally): string {
  return [
    `${tally.count('commits, puts and moves')} commits, puts and moves`,
    `${tally.count('evicted')} evictions`,
    `${tally.count('resumed') + tally.count('sealed resumed')} resumed`,
    `${tally.count('damaged')} damaged blocks or files found and dropped in relaxed, in ${tally.count('stores with damage')} stores`,
  ].join('; ')
}
