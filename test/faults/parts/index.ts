import type { Part } from '../part.js'
import { corruptBodies } from './corrupt-bodies.js'
import { corruptIndex } from './corrupt-index.js'
import { failingCalls } from './failing-calls.js'
import { fullDisk } from './full-disk.js'
import { fuzzedJournals } from './fuzzed-journals.js'
import { killLoop } from './kill-loop.js'
import { killSteps } from './kill-steps.js'
import { leaks } from './leaks.js'
import { load } from './load.js'
import { model } from './model.js'
import { powerCut } from './power-cut.js'
import { twoOwners } from './two-owners.js'

/** In the order in which they run. */
export const parts: readonly Part[] = [
  load, // measures times: before whoever started this goes on with other work
  model,
  killSteps,
  killLoop('ordered'),
  killLoop('strict'),
  killLoop('relaxed'),
  powerCut('ext4'),
  powerCut('xfs'),
  failingCalls,
  fullDisk,
  corruptIndex,
  fuzzedJournals,
  corruptBodies,
  twoOwners,
  leaks,
]
