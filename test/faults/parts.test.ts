// A sample of each part of `npm run faults`, which runs them whole.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Part } from './part.js'
import { killLoop } from './parts/kill-loop.js'

sampled('[core 46] killed at random moments, a store serves what was written: a sample', killLoop('strict'), 3)

function sampled(title: string, part: Part, rounds: number): void {
  const seed = Math.floor(Math.random() * 1_000_000)
  test(title, { skip: part.unavailable?.() ?? false }, async (t) => {
    t.diagnostic(`again with: npm run faults -- ${part.name} --quick --rounds ${rounds} --seed ${seed}`)
    const outcome = await part.run({ seed, quick: true, rounds, say: () => undefined })
    assert.deepEqual(outcome.violations, [])
    assert.equal(outcome.rounds, rounds)
  })
}
