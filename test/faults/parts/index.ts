import type { Part } from '../part.js'
import { failingCalls } from './failing-calls.js'
import { corruptBodies } from './corrupt-bodies.js'
import { corruptIndex } from './corrupt-index.js'
import { fuzzedJournals } from './fuzzed-journals.js'
import { fullDisk } from './full-disk.js'
import { killLoop } from './kill-loop.js'
import { leaks } from './leaks.js'
import { load } from './load.js'
import { model } from './model.js'
import { killSteps } from './kill-steps.js'
import { twoOwners } from './two-owners.js'
import { powerCut } from './power-cut.js'

/** In the order in which they run. */
export const parts: readonly Part[] = [
  killLoop('ordered'), //
  killLoop('strict'),
  killLoop('relaxed'),
  load,
  leaks,
  model,
  killSteps,
  failingCalls,
  corruptIndex,
  fuzzedJournals,
  corruptBodies,
  twoOwners,
  fullDisk,
  powerCut('ext4'),
  powerCut('xfs'),
]
