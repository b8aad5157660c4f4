import { type Base, type BaseContext, callable, checkOptions, DriverAssets, type OptionSpec } from '@cistern/assets'
import type { Fault } from './fault.js'
import { MemBackend } from './mem-backend.js'

/** Options of {@link memAssets}. */
export interface MemAssetsOptions {
  /** Fails or slows what would be operations of a disk. */
  readonly fault?: Fault | undefined
}

/** For {@link memAssets} and `MemStore.open`. */
export const MEM_ASSETS_OPTIONS: OptionSpec<MemAssetsOptions> = { fault: callable<Fault>() }

/** The end of the chain of a store in memory: the same as on disk, over buffers. */
export class MemAssetStore extends DriverAssets {
  constructor(context: BaseContext, options: MemAssetsOptions = {}) {
    super(context, new MemBackend(options.fault, () => context.limits.maxBytes ?? Number.POSITIVE_INFINITY))
  }
}

/** Bytes in memory as the base of a chain, as `diskAssets` is files. `MemStore.open` uses it. */
export const memAssets = (options: MemAssetsOptions = {}): Base => {
  const checked = checkOptions('memAssets', options, MEM_ASSETS_OPTIONS)
  return (context) => new MemAssetStore(context, checked)
}
