import { type Base, type BaseContext, DriverAssets } from '@cistern/assets'
import type { Fault } from './fault.js'
import { MemBackend } from './mem-backend.js'

/** Options of {@link memAssets}. */
export interface MemAssetsOptions {
  /** Fails or slows what would be operations of a disk. */
  readonly fault?: Fault | undefined
}

/** The end of the chain of a store in memory: the same as on disk, over buffers. */
export class MemAssetStore extends DriverAssets {
  constructor(context: BaseContext, options: MemAssetsOptions = {}) {
    super(context, new MemBackend(options.fault, () => context.limits.maxBytes ?? Number.POSITIVE_INFINITY))
  }
}

/** Bytes in memory as the base of a chain, as `diskAssets` is files. `MemStore.open` uses it. */
export const memAssets =
  (options: MemAssetsOptions = {}): Base =>
  (context) =>
    new MemAssetStore(context, options)
