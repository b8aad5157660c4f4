import { type RangeSet, Resource, type ResourceHooks } from '@cistern/storage'
import type { BlockMap } from '../index/blocks.js'
import type { StoredDriver } from './backend.js'
import { BlockTracker } from './block-tracker.js'

/** What a part begins with. */
export interface PartBytes {
  readonly driver: StoredDriver
  /** What is on record of it; its coverage, when it is opened again. */
  readonly recorded?: BlockMap | undefined
  /** More than is on record: bytes copied in. */
  readonly coverage?: RangeSet | undefined
  readonly length?: number | undefined
  readonly validator?: string | undefined
  readonly committed?: boolean | undefined
}

/** Whose part it is. */
export interface PartOwner {
  readonly generation: string
  readonly path?: (() => string | undefined) | undefined
  readonly hooks: ResourceHooks
}

/** One file of one generation while it is open: its bytes, and which of them are on record. */
export class Part {
  readonly driver: StoredDriver
  readonly resource: Resource
  #tracker: BlockTracker | undefined

  constructor(bytes: PartBytes, owner: PartOwner) {
    const { recorded, driver, length, validator, committed } = bytes
    this.driver = driver
    if (recorded) this.#tracker = new BlockTracker(recorded)
    const coverage = bytes.coverage ?? recorded?.coverage()
    if (bytes.coverage && !committed) this.tracker.adopt(bytes.coverage)
    const { generation, hooks, path } = owner
    this.resource = new Resource({ generation, driver, coverage, length, validator, committed, hooks, path })
  }

  /** Made when it is asked for: what is only read has none. */
  get tracker(): BlockTracker {
    this.#tracker ??= new BlockTracker()
    return this.#tracker
  }

  /** Lets go of the descriptor after what is in flight. `isGone`: its bytes are removed. */
  async close(isGone: () => boolean): Promise<void> {
    await this.resource.drained()
    if (isGone()) this.driver.unlinked?.()
    await this.driver.close()
  }
}
