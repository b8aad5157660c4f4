import type { Part } from '../part.js'
import { killLoop } from './kill-loop.js'

/** In the order in which they run. */
export const parts: readonly Part[] = [
  killLoop('ordered'), //
  killLoop('strict'),
  killLoop('relaxed'),
]
