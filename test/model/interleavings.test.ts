import { test } from 'node:test'
import fc from '../helpers/fast-check.js'
import { ACTIONS, type Action } from './actors.js'
import { assertAll } from './checking.js'
import { exploreAll, interleave } from './explore.js'

// CISTERN_MODEL_INTERLEAVINGS random ones, and at most a tenth of it of each pair of actions.
const runs = Number(process.env.CISTERN_MODEL_INTERLEAVINGS ?? 5000)
const eachPair = Math.ceil(runs / 10)

test(`[core 29] every interleaving of each two actions on one key, up to ${eachPair} of each`, async (t) => {
  let [ran, whole] = [0, 0]
  const pairs = ACTIONS.flatMap((first, at) => ACTIONS.slice(at).map((second) => [first, second] as const))
  for (const pair of pairs) {
    const count = await exploreAll(pair, eachPair)
    ran += count
    if (count < eachPair) whole++
  }
  t.diagnostic(`${ran} interleavings of ${pairs.length} pairs, ${whole} of them wholly`)
})

test(`[core 29] ${runs} random interleavings of two to five actions: no lost writer, no resurrected key`, async () => {
  const actions = fc.array(fc.constantFrom<Action>(...ACTIONS), { minLength: 2, maxLength: 5 })
  const choices = fc.array(fc.nat(9), { maxLength: 80, size: 'max' })
  await assertAll(fc.record({ actions, choices }), runs, (run) => interleave(run.actions, following(run.choices)))
})

/** Whoever has been pending longest, once the choices are used up. */
function following(choices: readonly number[]): (options: number) => number {
  let at = 0
  return (options) => (choices[at++] ?? 0) % options
}
