import { test } from 'node:test'
import { assertAll } from './checking.js'
import { sequences } from './operations.js'
import { memory, onDisk } from './places.js'
import { runSequence } from './run.js'

// CISTERN_MODEL_RUNS sequences in all, one in twenty on disk, of at most CISTERN_MODEL_LENGTH operations.
const runs = Number(process.env.CISTERN_MODEL_RUNS ?? 10_000)
const maxLength = Number(process.env.CISTERN_MODEL_LENGTH ?? 30)
const onDiskRuns = Math.ceil(runs / 20)

test(`[core 56] ${runs - onDiskRuns} random sequences in memory hold what a map of byte arrays holds`, async () => {
  await assertAll(sequences(maxLength), runs - onDiskRuns, (sequence) => runSequence(memory, sequence))
})

test(`[core 56] ${onDiskRuns} random sequences on disk do, and come back after each restart`, async () => {
  await assertAll(sequences(maxLength), onDiskRuns, (sequence) => onDisk((place) => runSequence(place, sequence)))
})
