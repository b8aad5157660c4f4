import { spawnChild } from '../../helpers/child.js'
import type { ModelReport } from '../model/report.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'

/** Sequences of one place, in a process of its own. */
interface Share {
  readonly place: 'memory' | 'shm' | 'disk'
  readonly runs: number
}

/**
 * Two processes, about as long at work as each other: in memory, on files where there is a fast place for them, and some
 * on the real disk. Sums of 10,000 in memory and 10,000 on files.
 */
const FULL: readonly (readonly Share[])[] = [
  [
    { place: 'memory', runs: 10_000 },
    { place: 'shm', runs: 4_700 },
  ],
  [
    { place: 'disk', runs: 300 },
    { place: 'shm', runs: 5_000 },
  ],
]
const QUICK: readonly (readonly Share[])[] = [
  [{ place: 'memory', runs: 500 }],
  [
    { place: 'shm', runs: 180 },
    { place: 'disk', runs: 20 },
  ],
]

/** Random sequences of all that a store can be asked, against a plain model of what it must then hold. */
export const model: Part = {
  name: 'model',
  about: 'random sequences, evictions and kills between their steps included, against a model in memory',
  run,
}

async function run({ seed, quick, rounds, say }: PartOptions): Promise<PartOutcome> {
  const lanes = scaled(quick ? QUICK : FULL, rounds)
  const done = (await Promise.all(lanes.map((lane, index) => runLane(lane, seed + 1_000_000 * index, say)))).flat()
  const sum = (of: (report: ModelReport) => number): number => done.reduce((all, { report }) => all + of(report), 0)
  return {
    rounds: done.reduce((all, { share }) => all + share.runs, 0),
    violations: done.flatMap(({ share, report }) => (report.violation ? [`${share.place}: ${report.violation}`] : [])),
    note:
      `${sum(({ tally }) => tally.operations)} operations, ${sum(({ tally }) => tally.evictions)} evictions, ` +
      `${sum(({ tally }) => tally.refusals)} writes over quota, ${sum(({ tally }) => tally.kills)} looks at what a kill leaves`,
  }
}

/** One share after the other, each with a seed of its own. */
async function runLane(
  lane: readonly Share[],
  seed: number,
  say: PartOptions['say'],
): Promise<{ readonly share: Share; readonly report: ModelReport }[]> {
  const done: { readonly share: Share; readonly report: ModelReport }[] = []
  for (const [index, share] of lane.entries()) {
    const started = performance.now()
    const report = await runShare(share, seed + index)
    const seconds = ((performance.now() - started) / 1_000).toFixed(1)
    say(`  ${share.place}: ${share.runs} sequences of seed ${seed + index} in ${seconds} s`)
    done.push({ share, report })
  }
  return done
}

async function runShare({ place, runs }: Share, seed: number): Promise<ModelReport> {
  await using child = spawnChild(new URL('../model/child.js', import.meta.url), {
    args: [place, String(seed), String(runs)],
  })
  const report = (await child.nextMessage()) as ModelReport
  const { code } = await child.exited
  const words = child.stderr.trim()
  if (report.violation !== undefined || (code === 0 && words === '')) return report
  return { ...report, violation: `ended with ${code}: ${words}` }
}

/** `rounds` in all, in the same proportions. */
function scaled(lanes: readonly (readonly Share[])[], rounds: number | undefined): readonly (readonly Share[])[] {
  if (rounds === undefined) return lanes
  const whole = lanes.flat().reduce((sum, { runs }) => sum + runs, 0)
  let [before, given] = [0, 0]
  return lanes.map((lane) =>
    lane
      .map((share) => {
        before += share.runs
        const runs = Math.round((rounds * before) / whole) - given
        given += runs
        return { ...share, runs }
      })
      .filter(({ runs }) => runs > 0),
  )
}
