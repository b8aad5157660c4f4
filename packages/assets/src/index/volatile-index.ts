import { randomBytes } from 'node:crypto'
import { checkOptions, VOLATILE_INDEX_OPTIONS } from '../options.js'
import { IndexState } from './index-state.js'
import { VolatileLog } from './log.js'
import type { StoreIndex } from './records.js'
import { MainIndex } from './store-index.js'

/** Options of {@link volatileIndex}. */
export interface VolatileIndexOptions {
  /** Asked where a durable index would write its journal: rejecting makes the store `degraded` until it resolves again. */
  readonly onWrite?: (() => void | Promise<void>) | undefined
}

/** An index without files: what it knows ends with the process. For stores in memory and backends that forget. */
export function volatileIndex(options: VolatileIndexOptions = {}): StoreIndex {
  const { onWrite } = checkOptions('volatileIndex', options, VOLATILE_INDEX_OPTIONS)
  const index: MainIndex = new MainIndex({
    state: new IndexState(),
    log: new VolatileLog({
      onWrite,
      onFailure: (error) => index.enter('degraded', error),
      onRestored: () => index.enter('ok'),
    }),
    session: randomBytes(8).toString('hex'),
    storeId: new Uint8Array(randomBytes(16)),
    durability: 'ordered',
    flushMs: 0,
    recovery: { resources: 0, droppedRecords: 0, suspect: false, ms: 0 },
    check: () => undefined,
    close: () => Promise.resolve(),
  })
  return index
}
