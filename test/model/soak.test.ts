import { test } from 'node:test'
import { seed } from '../helpers/fast-check.js'
import { assertAll } from './checking.js'
import { sequences } from './operations.js'
import { memory, onDisk } from './places.js'
import { runSequence } from './run.js'

// CISTERN_MODEL_SOAK: minutes to spend on long sequences, in memory and on disk by turns.
const minutes = Number(process.env.CISTERN_MODEL_SOAK ?? 0)
const LENGTH = 400
const RUNS = 50

test('[core 56] long random sequences, for as long as one likes', { skip: minutes === 0 }, async (t) => {
  const end = Date.now() + minutes * 60_000
  let rounds = 0
  for (let from = seed; Date.now() < end; from++, rounds++) {
    await assertAll(sequences(LENGTH), RUNS, (sequence) => runSequence(memory, sequence), from)
    await assertAll(sequences(LENGTH), RUNS, (sequence) => onDisk((place) => runSequence(place, sequence)), from)
  }
  t.diagnostic(`${2 * RUNS * rounds} sequences, seeds ${seed} to ${seed + rounds - 1}`)
})
