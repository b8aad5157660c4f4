import { existsSync, readdirSync } from 'node:fs'
import type { Durability } from '@cistern/assets'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { History } from '../history.js'
import { Kept } from '../kept.js'
import { ASSETS, KEYS } from '../keys.js'
import { inLanes, roundsOf } from '../lanes.js'
import { live, momentOfDeath } from '../life.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'
import { examine } from '../survivors.js'
import { Tally } from '../tally.js'

const ROUNDS: Readonly<Record<Durability, number>> = { ordered: 200, strict: 150, relaxed: 150 }
const QUICK_ROUNDS = 10
const LANES = 2
const ENOUGH = 10 // violations, after which more of them tell nothing new
const MOST_REPORTS = 400 // of one life
const MOST_QUICK_REPORTS = 200

/** SIGKILL at a random moment, again and again over the same store: what is left must be true. */
export function killLoop(durability: Durability): Part {
  return {
    name: `kill-${durability}`,
    about: `kill -9 at random moments, ${durability} durability`,
    run: (options) => run(durability, options),
  }
}

async function run(durability: Durability, options: PartOptions): Promise<PartOutcome> {
  const rounds = options.rounds ?? (options.quick ? QUICK_ROUNDS : ROUNDS[durability])
  const violations: string[] = []
  const tally = new Tally()
  await inLanes(LANES, (lane) =>
    inTempFolder(async (folder) => {
      const round = oneStore(folder, durability, options, tally)
      for (const number of roundsOf(lane, LANES, rounds)) {
        if (violations.length >= ENOUGH) return
        violations.push(...(await round(number)).map((what) => `round ${number}: ${what}`))
      }
    }),
  )
  return { rounds: tally.count('rounds'), violations, note: noteOf(tally) }
}

/** One child after another over one store. */
function oneStore(
  folder: string,
  durability: Durability,
  { seed, quick, say }: PartOptions,
  tally: Tally,
): (round: number) => Promise<readonly string[]> {
  const store = `${folder}/store`
  const kept = new Kept(folder)
  const ids = KEYS.map(({ id }) => id)
  const history = new History(ids, ASSETS, durability)
  let orphansBefore = 0
  return async (round) => {
    const lifeSeed = seed * 1_000 + round
    const moment = momentOfDeath(lifeSeed, quick ? MOST_QUICK_REPORTS : MOST_REPORTS)
    const { reports, violations } = await live(store, lifeSeed, durability, moment)
    for (const report of reports) history.add(report)
    kept.aside(store)
    if (rawPartsIn(store) > 0) tally.add('left raw parts')
    const survivors = await examine(store, history)
    tally.add('rounds')
    tally.addAll(reports)
    // A name is on record before its file is made, and until that is gone.
    const strays = survivors.orphans - orphansBefore
    orphansBefore = survivors.orphans
    const found = [
      ...violations,
      ...survivors.violations,
      ...(strays > 0 ? [`${strays} files that no record names`] : []),
    ]
    say(
      `  ${String(round).padStart(3)}  killed when ${moment.after}, after ${reports.length} reports; ` +
        `left ${survivors.committed} committed, ${survivors.partial} partial, ${survivors.bytes} bytes, ` +
        `${survivors.orphans} orphans${found.length > 0 ? `  ${found.length} VIOLATIONS` : ''}`,
    )
    for (const what of found) say(`       ${what}`)
    if (found.length > 0)
      say(
        `  the store as round ${round} left it: ${kept.forGood(reports.map((report) => JSON.stringify(report)).join('\n'))}`,
      )
    return found
  }
}

/** Source bytes of what is encrypted, on the disk. */
function rawPartsIn(store: string): number {
  if (!existsSync(store)) return 0
  return readdirSync(store, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.raw.part')).length
}

function noteOf(tally: Tally): string {
  return [
    `${tally.count('commits, puts and moves')} commits, puts and moves`,
    `${tally.average('writers seen', 'looks')} writers and ${tally.average('readers seen', 'looks')} readers at a time`,
    `${tally.count('evicted')} evictions`,
    `${tally.count('overwritten')} overwritten`,
    `${tally.count('resumed')} resumed`,
    `raw parts left by ${tally.count('left raw parts')} lives, ${tally.count('sealed resumed')} resumed`,
  ].join('; ')
}
