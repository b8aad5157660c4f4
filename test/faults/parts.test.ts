// A sample of each part of `npm run faults`, which runs them whole.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Part } from './part.js'
import { corruptBodies } from './parts/corrupt-bodies.js'
import { corruptIndex } from './parts/corrupt-index.js'
import { failingCalls } from './parts/failing-calls.js'
import { fullDisk } from './parts/full-disk.js'
import { fuzzedJournals } from './parts/fuzzed-journals.js'
import { killLoop } from './parts/kill-loop.js'
import { killSteps } from './parts/kill-steps.js'
import { leaks } from './parts/leaks.js'
import { load } from './parts/load.js'
import { model } from './parts/model.js'
import { powerCut } from './parts/power-cut.js'
import { twoOwners } from './parts/two-owners.js'

sampled('[core 45] killed at a call of its own, a store serves what was written: a sample', killSteps, 5)
sampled('[core 46] killed at random moments, a store serves what was written: a sample', killLoop('strict'), 4)
sampled('[core 47] what a power cut leaves on ext4 is true in each durability: a sample', powerCut('ext4'), 1)
sampled('[core 47] what a power cut leaves on xfs is true in each durability: a sample', powerCut('xfs'), 1)
sampled('[core 49] [core 54] index files damaged, swapped and of newer versions: a sample', corruptIndex, 6)
sampled('[core 49] journals with mutated bytes and senseless records: a sample', fuzzedJournals, 500)
sampled('[core 50] [core 52] files of resources damaged and replaced: a sample', corruptBodies, 12)
sampled('[core 51] a call that fails is told as what it is, and costs nothing else: a sample', failingCalls, 5)
sampled('[core 51] on disks that are full and free again, outcomes are those promised: a sample', fullDisk, 4)
sampled('[core 55] of two owners of a root, the one who lost it is never seen again: a sample', twoOwners, 3)
sampled('[core 56] random sequences, evictions and kills between steps, in processes of their own: a sample', model, 60)
sampled('2,000 resources filled at once stay within all bounds: a sample of five seconds', load, 5)
sampled('what is begun and ended leaves nothing: a sample', leaks, 1_200)

function sampled(title: string, part: Part, rounds: number): void {
  const seed = Math.floor(Math.random() * 1_000_000)
  test(title, { skip: part.unavailable?.() ?? false }, async (t) => {
    t.diagnostic(`again with: npm run faults -- ${part.name} --quick --rounds ${rounds} --seed ${seed}`)
    const outcome = await part.run({ seed, quick: true, rounds, say: () => undefined })
    assert.deepEqual(outcome.violations, [])
    assert.ok(outcome.rounds > 0)
  })
}
