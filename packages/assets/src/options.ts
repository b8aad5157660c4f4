import {
  abortSignal,
  anyBoolean,
  callable,
  integer,
  integerOrInfinity,
  MAX_TIMER_MS,
  type OptionSpec,
  oneOf,
  type Rule,
  required,
  rule,
} from './check-options.js'
import type { VolatileIndexOptions } from './index/volatile-index.js'
import { parseIntegrity } from './integrity.js'
import { encodeMetadata } from './metadata.js'
import { isProcessor, type ProcessorChoice } from './processors/processor.js'
import type {
  AcquireOptions,
  Base,
  Durability,
  Limits,
  OpenOptions,
  PutOptions,
  StoreOptions,
  VerifyOptions,
} from './types.js'

export { checkOptions, type OptionSpec } from './check-options.js'

const KIB = 1024
const MIB = 1024 * KIB
/** Each is a descriptor, and the cache makes room for all of them when it is made. */
const MAX_CACHE_ENTRIES = 2 ** 20

/** The shape of {@link DEFAULTS}. */
export interface Defaults {
  /** Idle readers kept open. */
  readonly cacheEntries: number
  /** What survives a crash. */
  readonly durability: Durability
  /** Milliseconds between flushes. */
  readonly flushMs: number
  /** Free bytes left to everyone else on the disk. */
  readonly minFreeBytes: number
  /** `maxBytes` of a store in memory. One on disk has none, and none has a `maxAssets`. */
  readonly memoryMaxBytes: number
  /** Bytes of one piece that a reader gives. */
  readonly chunkSize: number
  /** What an `acquire` is for. */
  readonly mode: 'fill'
}

/** What holds where an option is absent, in one place. */
export const DEFAULTS: Defaults = Object.freeze({
  cacheEntries: 5,
  durability: 'ordered',
  flushMs: 100,
  minFreeBytes: 256 * MIB,
  memoryMaxBytes: 256 * MIB,
  chunkSize: 256 * KIB,
  mode: 'fill',
})

/** `AssetStore.open`: a store on disk. */
export type DiskStoreOptions = StoreOptions & {
  /** The store's own folder, created where there is none. One with other files and no `_index/` is refused. */
  readonly root: string
}

const folder: Rule<string> = rule('the path of a folder', isFolderPath)
const processor: Rule<ProcessorChoice> = rule(
  'a Processor (identity, begin) or a function that makes one',
  (value) => typeof value === 'function' || isProcessor(value),
)
/** Says itself where in it the trouble is. */
const metadata: Rule<object> = rule('a plain object', (value, option) => {
  encodeMetadata(value, option)
  return true
})
const integrity: Rule<string> = rule('a Subresource Integrity string', (value, option) => {
  parseIntegrity(value, option)
  return true
})

export const LIMIT_OPTIONS: OptionSpec<Limits> = Object.freeze({
  maxAssets: integerOrInfinity('assets', 1),
  maxBytes: integerOrInfinity('bytes', 0),
  minFreeBytes: integer('bytes', 0),
})

/** For `openIndex`. */
export const INDEX_OPTIONS: OptionSpec<Pick<StoreOptions, 'durability' | 'flushMs'>> = Object.freeze({
  durability: oneOf('ordered', 'strict', 'relaxed'),
  flushMs: integer('milliseconds', 0, MAX_TIMER_MS),
})

/** For `openStore` and stores in memory. */
export const STORE_OPTIONS: OptionSpec<StoreOptions> = Object.freeze({
  ...LIMIT_OPTIONS,
  ...INDEX_OPTIONS,
  cacheEntries: integer('readers', 0, MAX_CACHE_ENTRIES),
  signal: abortSignal,
  base: callable<Base>(),
  layers: callable<NonNullable<StoreOptions['layers']>>(),
})

/** For the layer `cached`. */
export const CACHED_OPTIONS: OptionSpec<Pick<Defaults, 'cacheEntries'>> = Object.freeze({
  cacheEntries: required(STORE_OPTIONS.cacheEntries),
})

/** For `volatileIndex`. */
export const VOLATILE_INDEX_OPTIONS: OptionSpec<VolatileIndexOptions> = Object.freeze({
  onWrite: callable<NonNullable<VolatileIndexOptions['onWrite']>>(),
})

export const DISK_STORE_OPTIONS: OptionSpec<DiskStoreOptions> = Object.freeze({
  ...STORE_OPTIONS,
  root: required(folder),
})

export const PUT_OPTIONS: OptionSpec<PutOptions> = Object.freeze({
  processor,
  length: integer('bytes', 0),
  metadata,
  integrity,
  signal: abortSignal,
})

export const ACQUIRE_OPTIONS: OptionSpec<AcquireOptions> = Object.freeze({
  ...PUT_OPTIONS,
  mode: oneOf('fill', 'rewrite', 'replace', 'extend'),
  staged: anyBoolean,
})

export const OPEN_OPTIONS: OptionSpec<OpenOptions> = Object.freeze({
  verify: anyBoolean,
  committed: anyBoolean,
  signal: abortSignal,
})

export const VERIFY_OPTIONS: OptionSpec<VerifyOptions> = Object.freeze({
  repair: anyBoolean,
  signal: abortSignal,
  onProgress: callable<NonNullable<VerifyOptions['onProgress']>>(),
  onFinding: callable<NonNullable<VerifyOptions['onFinding']>>(),
})

function isFolderPath(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}
