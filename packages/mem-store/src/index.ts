export { MemAssetStore, type MemAssetsOptions, memAssets } from './mem-assets.js'
export { type Fault, type FaultPoint, MemStore, type MemStoreOptions } from './mem-store.js'
