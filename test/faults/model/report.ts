import type { Tally } from '../../model/run.js'

/** What one process that ran sequences has to say. */
export interface ModelReport {
  readonly tally: Tally
  /** The sequence as small as it became, what went wrong, and the seed and path that replay it. */
  readonly violation: string | undefined
}
