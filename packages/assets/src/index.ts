export {
  type ByteRange,
  type ByteSource,
  type Bytes,
  CisternError,
  type CisternErrorCode,
  type CisternErrorOptions,
  type Driver,
  IncompleteResourceError,
  IndexVersionError,
  IntegrityError,
  InvalidKeyError,
  InvalidOptionError,
  InvalidRangeError,
  NoSpaceError,
  NotFoundError,
  NotSupportedError,
  ProcessingError,
  ProcessorMismatchError,
  QuotaExceededError,
  RangeNotAvailableError,
  ReaderClosedError,
  type ReaderHooks,
  type ReadOptions,
  type ReadonlyRangeSet,
  ResourceAbandonedError,
  type ResourceReader,
  ResourceRemovedError,
  type ResourceStatus,
  type ResourceWriter,
  type SourceDeclaration,
  StorageIoError,
  StoreClosedError,
  type StoreHolder,
  StoreLockedError,
  StoreReadonlyError,
  type WaitOptions,
  type WaitOutcome,
  type WriteFromOptions,
  WriterClosedError,
  type WriterHooks,
  wrapReader,
} from '@cistern/storage'
export type { Asset } from './asset.js'
export { AssetStore } from './asset-store.js'
export type { Backend, BackendFile, StoredDriver, StoredLook } from './base/backend.js'
export { DriverAssets, driverAssets } from './base/driver-assets.js'
export {
  abortSignal,
  anyBoolean,
  anyString,
  type Checked,
  callable,
  checkOptions,
  integer,
  integerOrInfinity,
  MAX_TIMER_MS,
  type OptionSpec,
  oneOf,
  type Rule,
  rule,
} from './check-options.js'
export type { ActiveSlot, CommittedSlot, Entry } from './index/entry.js'
export { type IndexOptions, openIndex } from './index/open-index.js'
export type { IndexRecord, Stray } from './index/record.js'
export type { BaseContext, Flushable, HiddenAsset, IndexRecords, LiveView, StoreIndex } from './index/records.js'
export { type VolatileIndexOptions, volatileIndex } from './index/volatile-index.js'
export { inspectStore, type StoreInspection } from './inspect-store.js'
export { ResourceKey } from './key.js'
export type { KeyFromUrlOptions } from './key-from-url.js'
export { AssetsLayer } from './layers/assets-layer.js'
export { CachedAssets, type CachedOptions, cached } from './layers/cached.js'
export { compose } from './layers/compose.js'
export { DiskAssetStore, diskAssets } from './layers/disk.js'
export { EvictAssets, evict } from './layers/evict.js'
export { LeaseAssets, lease } from './layers/lease.js'
export { ProcessingAssets, processing } from './layers/processing.js'
export { type AcquisitionHooks, wrapAcquisition } from './layers/wrap-acquisition.js'
export { asError, type Fill } from './open-or-fill.js'
export { openStore } from './open-store.js'
export { DEFAULTS, type Defaults, type DiskStoreOptions, STORE_OPTIONS } from './options.js'
export { portable } from './portable.js'
export { type Aes128CbcOptions, aes128Cbc } from './processors/aes-128-cbc.js'
export { chain } from './processors/chain.js'
export { fingerprint } from './processors/fingerprint.js'
export { fromTransform } from './processors/from-transform.js'
export { hlsIv } from './processors/hls-iv.js'
export type { ChunkTransform, Processor, ProcessorChoice } from './processors/processor.js'
export type { PutBody } from './put.js'
export { tellListener } from './tell-listener.js'
export type * from './types.js'
export { untilAborted } from './until-aborted.js'
