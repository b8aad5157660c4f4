// Runs random sequences against the model: `node child.js PLACE SEED RUNS`, PLACE being memory, shm or disk.
import { tmpdir } from 'node:os'
import { assertAll } from '../../model/checking.js'
import { type Sequence, sequences } from '../../model/operations.js'
import { memory, onDisk } from '../../model/places.js'
import { emptyTally, runSequence } from '../../model/run.js'
import type { ModelReport } from './report.js'

const MAX_LENGTH = 30

const [place = 'memory', seed = '1', runs = '1'] = process.argv.slice(2)
const tally = emptyTally()
let violation: string | undefined
try {
  await assertAll(sequences(MAX_LENGTH), Number(runs), run, Number(seed))
} catch (error) {
  violation = error instanceof Error ? error.message : String(error)
}
process.send?.({ tally, violation } satisfies ModelReport)
process.disconnect()

function run(sequence: Sequence): Promise<void> {
  if (place === 'memory') return runSequence(memory, sequence, tally)
  const within = place === 'disk' ? tmpdir() : undefined
  return onDisk((folder) => runSequence(folder, sequence, tally), within)
}
