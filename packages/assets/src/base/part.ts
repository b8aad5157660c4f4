import { type RangeSet, Resource, type ResourceHooks } from '@cistern/storage'
import type { BlockMap } from '../index/blocks.js'
import type { StoredDriver } from './backend.js'
import { BlockTracker } from './block-tracker.js'

export interface PartOptions {
  readonly generation: string
  readonly driver: StoredDriver
  /** What is on record of it; its coverage, when it is opened again. */
  readonly recorded?: BlockMap | undefined
  /** More than is on record: bytes copied in. */
  readonly coverage?: RangeSet | undefined
  readonly length?: number | undefined
  readonly validator?: string | undefined
  readonly committed?: boolean | undefined
  readonly path?: (() => string | undefined) | undefined
  readonly hooks: ResourceHooks
}

/** One file of one generation while it is open: its bytes, and which of them are on record. */
export class Part {
  readonly driver: StoredDriver
  readonly tracker: BlockTracker
  readonly resource: Resource

  constructor(options: PartOptions) {
    const { recorded, driver } = options
    this.driver = driver
    this.tracker = new BlockTracker(recorded)
    const coverage = options.coverage ?? recorded?.coverage()
    if (options.coverage && !options.committed) this.tracker.adopt(options.coverage)
    this.resource = new Resource({ ...options, coverage })
  }

  /** Lets go of the descriptor after what is in flight. */
  async close(): Promise<void> {
    await this.resource.drained()
    await this.driver.close()
  }
}
