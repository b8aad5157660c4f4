import { randomNumbers, shuffled } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { Checks, told } from '../full-disk/checks.js'
import { Disk } from '../full-disk/disk.js'
import { randomRound } from '../full-disk/random-round.js'
import { SCENARIOS } from '../full-disk/scenarios.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'

/** Disks that are full, read-only, out of inodes or of descriptors, and become free again, under a store. */
export const fullDisk: Part = {
  name: 'full-disk',
  about: 'real file systems that are full, read-only, out of inodes or descriptors, and free again',
  unavailable: () => Disk.unavailable,
  run,
}

/** A full run has each scenario once, and after them rounds at random; a quick one a few of both. */
const ROUNDS = { quick: 14, full: 52 }
const QUICK_SCENARIOS = 7

async function run({
  seed,
  quick,
  rounds = quick ? ROUNDS.quick : ROUNDS.full,
  say,
}: PartOptions): Promise<PartOutcome> {
  const violations: string[] = []
  const unhandled = (error: unknown): number => violations.push(`unhandled: ${told(error)}`)
  process.on('unhandledRejection', unhandled)
  try {
    const all = shuffled(randomNumbers(seed), Object.entries(SCENARIOS))
    const scenarios = all.slice(0, quick ? Math.min(QUICK_SCENARIOS, Math.ceil(rounds / 2)) : rounds)
    for (const [about, scenario] of scenarios) {
      const checks = new Checks(about)
      await inTempFolder((folder) => scenario(folder, checks)).catch((error: unknown) =>
        checks.that(false, told(error)),
      )
      violations.push(...checks.violations)
      say(`  ${about}${checks.violations.length > 0 ? `  ${checks.violations.length} VIOLATIONS` : ''}`)
    }
    const met = { degraded: 0, restored: 0, evictions: 0 }
    for (let round = scenarios.length + 1; round <= rounds; round++) {
      const outcome = await inTempFolder((folder) => randomRound(folder, seed * 1_000 + round))
      violations.push(...outcome.violations.map((what) => `round ${round}: ${what}`))
      const found = outcome.violations.length > 0 ? `  ${outcome.violations.length} VIOLATIONS` : ''
      say(`  ${String(round).padStart(3)}  ${outcome.line}${found}`)
      for (const what of ['degraded', 'restored', 'evictions'] as const) met[what] += outcome[what]
    }
    const note = `${scenarios.length} scenarios; at random ${met.degraded}× degraded, ${met.restored}× restored, ${met.evictions} evictions`
    return { rounds, violations, note }
  } finally {
    process.off('unhandledRejection', unhandled)
  }
}
