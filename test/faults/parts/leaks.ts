import { spawnChild } from '../../helpers/child.js'
import { showsDescriptors } from '../../helpers/descriptors.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import type { LeakReport } from '../leaks/report.js'
import { KINDS, type Rounds } from '../leaks/rounds.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'

const FULL = 100_000
const QUICK = 4_000
/** Code that becomes hot grows the heap once, a leak goes on: what grew in a few rounds is judged by more of them. */
const MORE = 4
const AT_ONCE = 2 // processes
/** A few of them are opened and closed as a flush comes and goes. */
const PASSING = 6
/** Bytes a round; and what a heap varies by from one collection to the next, and as code becomes hot. */
const GROWTH = 8
const NOISE = 1024 * 1024

/** What is begun and ended leaves nothing: no descriptor, timer, listener, handle or byte. */
export const leaks: Part = {
  name: 'leaks',
  about: 'open/close, acquire/release, wait/abort, lease/release, and stores, over and over',
  unavailable: () => (showsDescriptors ? undefined : 'open descriptors are not shown here'),
  run,
}

async function run({ quick, rounds, say }: PartOptions): Promise<PartOutcome> {
  const each = rounds === undefined ? (quick ? QUICK : FULL) : Math.ceil(rounds / KINDS.length)
  const violations: string[] = []
  const slopes: string[] = []
  let done = 0
  const left = [...KINDS].reverse().values() // the longest first
  const worker = async (): Promise<void> => {
    for (const kind of left) {
      const count = rounds === undefined ? Math.round(each * kind.share) : each
      let report = await runKind(kind, count)
      say(`  ${kind.name}: ${JSON.stringify(report.looks)}`)
      done += count
      if (quick && complaints(report).length > 0) {
        report = await runKind(kind, count * MORE)
        say(`  ${kind.name}, again and longer, for it grew: ${JSON.stringify(report.looks)}`)
        done += count * MORE
      }
      violations.push(...complaints(report).map((what) => `${kind.name}: ${what}`))
      slopes.push(`${kind.name} ${report.looks.at(-1)?.round}: ${slope(report).toFixed(1)} B`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return { rounds: done, violations, note: `heap growth a round: ${slopes.join(', ')}` }
}

function runKind({ name }: Rounds, rounds: number): Promise<LeakReport> {
  return inTempFolder(async (root) => {
    await using child = spawnChild(new URL('../leaks/child.js', import.meta.url), {
      args: [name, String(rounds), root],
      nodeFlags: ['--expose-gc'],
    })
    const report = (await child.nextMessage()) as LeakReport
    await child.exited
    const words = child.stderr.trim()
    return words === '' ? report : { ...report, warnings: [...report.warnings, words] }
  })
}

/** After a fifth of the rounds all is compiled, cached and made that will be: from there on nothing grows. */
function complaints(report: LeakReport): string[] {
  const { looks, warnings } = report
  const [first, last] = [looks[0], looks.at(-1)]
  if (!first || !last) return ['it did not look at anything']
  const found = warnings.slice(0, 3).map((warning) => `it said: ${warning}`)
  const grew = (what: string, before: number, after: number, by: number): void => {
    if (after > before + by) found.push(`${what} went from ${before} to ${after} in ${last.round - first.round} rounds`)
  }
  grew('descriptors', first.descriptors, last.descriptors, PASSING)
  grew('timers', first.timers, last.timers, PASSING)
  for (const [where, count] of Object.entries(last.listeners)) grew(where, first.listeners[where] ?? 0, count, 0)
  grew('heap', first.heap, last.heap, NOISE + GROWTH * (last.round - first.round))
  grew('external memory', first.external, last.external, NOISE)
  return found
}

function slope({ looks }: LeakReport): number {
  const [first, last] = [looks[0], looks.at(-1)]
  return first && last ? (last.heap - first.heap) / Math.max(1, last.round - first.round) : 0
}
