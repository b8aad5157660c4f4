import type { Delay } from './loop-watch.js'
import type { Slice } from './slices.js'
import type { Counts } from './traffic.js'

export interface LoadReport extends Counts {
  readonly violations: readonly string[]
  readonly evictions: number
  readonly most: { readonly bytes: number; readonly atOnce: number }
  readonly p99: Delay
  readonly max: Delay
  /** The machine was too busy to judge by the clock. */
  readonly isContended: boolean
  /** Times that the loop was held for longer than it should, by whatever. */
  readonly holds: number
  readonly longestSlice: Slice | undefined
  readonly memory: string
}
