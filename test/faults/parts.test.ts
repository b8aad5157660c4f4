// A sample of each part of `npm run faults`, which runs them whole.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Part } from './part.js'
import { failingCalls } from './parts/failing-calls.js'
import { corruptBodies } from './parts/corrupt-bodies.js'
import { corruptIndex } from './parts/corrupt-index.js'
import { fuzzedJournals } from './parts/fuzzed-journals.js'
import { killLoop } from './parts/kill-loop.js'
import { leaks } from './parts/leaks.js'
import { load } from './parts/load.js'
import { model } from './parts/model.js'

sampled('[core 46] killed at random moments, a store serves what was written: a sample', killLoop('strict'), 3)
sampled('[core 56] random sequences, evictions and kills between steps, in processes of their own: a sample', model, 60)
sampled('2,000 resources filled at once stay within all bounds: a sample of five seconds', load, 5, 'any')
sampled('what is begun and ended leaves nothing: a sample', leaks, 1_200)
import { killSteps } from './parts/kill-steps.js'
sampled('[core 49] [core 54] index files damaged, swapped and of newer versions: a sample', corruptIndex, 6)
sampled('[core 49] journals with mutated bytes and senseless records: a sample', fuzzedJournals, 500)
sampled('[core 50] [core 52] files of resources damaged and replaced: a sample', corruptBodies, 12)
import { fullDisk } from './parts/full-disk.js'
import { killLoop } from './parts/kill-loop.js'
import { twoOwners } from './parts/two-owners.js'

sampled('[core 46] killed at random moments, a store serves what was written: a sample', killLoop('strict'), 3)
sampled('[core 51] on disks that are full and free again, outcomes are those promised: a sample', fullDisk, 4)
sampled('[core 55] of two owners of a root, the one who lost it is never seen again: a sample', twoOwners, 3)

sampled('[core 46] killed at random moments, a store serves what was written: a sample', killLoop('strict'), 3)
sampled('[core 45] killed at a call of its own, a store serves what was written: a sample', killSteps, 5)
sampled('[core 51] a call that fails is told as what it is, and costs nothing else: a sample', failingCalls, 5)

function sampled(title: string, part: Part, rounds: number, counts: 'given' | 'any' = 'given'): void {
import { powerCut } from './parts/power-cut.js'

sampled('[core 46] killed at random moments, a store serves what was written: a sample', killLoop('strict'), 4)
sampled('[core 47] what a power cut leaves on ext4 is true in each durability: a sample', powerCut('ext4'), 1, 3)
sampled('[core 47] what a power cut leaves on xfs is true in each durability: a sample', powerCut('xfs'), 1, 3)

/** `total`: rounds that it then runs in all, where a part counts those of each mode. */
function sampled(title: string, part: Part, rounds: number, total = rounds): void {
  const seed = Math.floor(Math.random() * 1_000_000)
  test(title, { skip: part.unavailable?.() ?? false }, async (t) => {
    t.diagnostic(`again with: npm run faults -- ${part.name} --quick --rounds ${rounds} --seed ${seed}`)
    const outcome = await part.run({ seed, quick: true, rounds, say: () => undefined })
    assert.deepEqual(outcome.violations, [])
    if (counts === 'given') assert.equal(outcome.rounds, rounds)
    else assert.ok(outcome.rounds > 0)
    assert.equal(outcome.rounds, total)
  })
}
