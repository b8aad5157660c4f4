import { AssetStore } from './asset-store.js'
import type { StoreIndex } from './index/records.js'
import type { Base, StoreOptions } from './types.js'

/**
 * Builds a store over any base and index; `options.base`, if given, takes the place of `base`. The index is the store's
 * from now on: it is closed with it, or here where the options are refused.
 */
export async function openStore(base: Base, index: StoreIndex, options?: StoreOptions): Promise<AssetStore> {
  try {
    return AssetStore.over(base, index, options)
  } catch (error) {
    await index.close().catch(() => {}) // why the store could not be opened is what counts
    throw error
  }
}
