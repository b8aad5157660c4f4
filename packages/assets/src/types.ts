import type { EventEmitter } from 'node:events'
import type { ReadonlyRangeSet, ResourceReader, ResourceWriter } from '@cistern/storage'
import type { ResourceKey } from './key.js'
import type { ProcessorChoice } from './processors/processor.js'

/** Options of `put`, and of every verb that may have to fill. */
export interface PutOptions {
  /** Runs over what is written; readers see its output. A function is called only when this caller gets the writer. */
  readonly processor?: ProcessorChoice | undefined
  /** Source length in bytes, declared before the first write. */
  readonly length?: number | undefined
  /** A small plain object kept in the index beside the resource: etag, content type, source URL, expiry. */
  readonly metadata?: object | undefined
  /** Subresource Integrity string over the readable bytes, checked at commit (W3C SRI). */
  readonly integrity?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * What an acquire is for.
 * - `fill`: share what is there or being written; whoever gets the writer fills.
 * - `rewrite`: a new generation beside the committed one; only its acquirers see it before commit.
 * - `replace`: a generation of one's own that nobody else sees before commit; the last commit wins.
 * - `extend`: like `rewrite`, starting from a copy of the committed bytes.
 */
export type AcquireMode = 'fill' | 'rewrite' | 'replace' | 'extend'

export interface AcquireOptions extends PutOptions {
  readonly mode?: AcquireMode | undefined
  /** For processing layers: hand out a raw and an output resource together, see {@link Stage}. */
  readonly staged?: boolean | undefined
}

/** How to open what is there. */
export interface OpenOptions {
  /** Check every block against its checksum before the first read. */
  readonly verify?: boolean | undefined
  /** Wait for the commit, and reject with the failure if there is none: for bytes whose verdict comes last. */
  readonly committed?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** The second half of a staged acquisition: `writer` takes source bytes, `output` what readers see. */
export interface Stage {
  /** Writes what readers see. Its `commit` moves the key from raw to committed in one record. */
  readonly output: ResourceWriter
  /** Reads back the source bytes that are there. Close it with the acquisition. */
  readonly source: ResourceReader
  /**
   * Says which processor is at work, by its sealed identity ({@link StoreContext.seal}). Source bytes that are there
   * under another one, or under none, are discarded: a new generation begins.
   */
  identify(processor: string): Promise<void>
}

/** Disposing releases an unsettled writer and closes the reader. With a `writer`, you are the one to fill it. */
export interface Acquisition extends AsyncDisposable {
  readonly reader: ResourceReader
  readonly writer: ResourceWriter | undefined
  /** Only with `staged: true` and a writer. */
  readonly stage?: Stage | undefined
}

/** Pins an asset while held: eviction passes it by. */
export interface Lease extends Disposable {
  /** Gives the pin back. Calling it again does nothing. */
  release(): void
}

/** Options of `removeAsset`. */
export interface RemoveAssetOptions {
  /** Asked in the same synchronous step that hides the asset: `true` leaves it as it is. */
  readonly unless?: (() => boolean) | undefined
}

/** What every layer implements and wraps. */
export interface Assets {
  /** Reader and, for the one who is to fill it, writer of a resource that is there or begins now. */
  acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition>
  /** A reader over what is there. Rejects with `NotFoundError` where nothing is. */
  open(key: ResourceKey, options?: OpenOptions): Promise<ResourceReader>
  /** Renames a committed resource. Rejects with `NotFoundError`, or `NotSupportedError` while it is being written. What was at `to` is replaced. */
  move(from: ResourceKey, to: ResourceKey): Promise<void>
  /** Removes one resource whether it is in use or not; `false` when there was none. */
  remove(key: ResourceKey): Promise<boolean>
  /** Removes all of an asset; `false` when there was nothing, or `unless` said so. */
  removeAsset(asset: string, options?: RemoveAssetOptions): Promise<boolean>
  /** Checks what is on record against its checksums. Rejects with the signal's reason, or `StorageIoError`. */
  verify(options?: VerifyOptions): Promise<VerifyReport>
  /** Lets go of all that is held here, then closes the layer below. */
  close(): Promise<void>
}

/** Wraps one chain into another. */
export type Layer = (inner: Assets, context: StoreContext) => Assets
/** The end of a chain: where bytes live. */
export type Base = (context: import('./index/records.js').BaseContext) => Assets

/** One resource as it stands: a snapshot, but for its live range sets. Sizes are bytes. */
export interface ResourceStat {
  readonly key: ResourceKey
  readonly generation: string
  readonly state: 'active' | 'committed'
  /** Somebody holds its writer. */
  readonly writing: boolean
  readonly readers: number
  /** Readable bytes in all, once declared or committed. */
  readonly length: number | undefined
  /** Readable bytes that are there. */
  readonly coverage: ReadonlyRangeSet
  /** Source bytes that are there: before any processor. Equals `coverage` without one, and once committed. */
  readonly received: ReadonlyRangeSet
  /** Bytes it occupies, raw and output together. */
  readonly storedBytes: number
  readonly committedAt: Date | undefined
  readonly metadata: unknown
  /** Sealed identity of the processor that its bytes went or go through. */
  readonly processor: string | undefined
}

/** One asset as it stands. `bytes`: what all of its resources occupy, unfinished and raw ones included. */
export interface AssetStat {
  readonly asset: string
  readonly bytes: number
  readonly resources: number
  /** Durably, by `pin`. */
  readonly pinned: boolean
  /** Leases held now. */
  readonly leases: number
}

/** The local index: synchronous, no I/O. */
export interface IndexView {
  /** One resource; `undefined` where nothing is. */
  stat(key: ResourceKey): ResourceStat | undefined
  /** One asset; `undefined` where nothing is known of it. */
  assetStat(asset: string): AssetStat | undefined
  /** Least recently used first. */
  assets(): Iterable<AssetStat>
  /** The resources of one asset. */
  resources(asset: string): Iterable<ResourceStat>
}

/** What a layer's context can look up besides: cheap totals, for hot paths. */
export interface ContextIndex extends IndexView {
  /** Generation that an `open` would give now. */
  generation(key: ResourceKey): string | undefined
  /** Assets that hold at least one resource. */
  readonly assetCount: number
  readonly resourceCount: number
  /** Bytes occupied by all, what is hidden but not yet unlinked included. */
  readonly totalBytes: number
  /** Of assets that are pinned or leased. */
  readonly pinnedBytes: number
}

/** What a layer may use beside the layer it wraps. */
export interface StoreContext {
  readonly index: ContextIndex
  readonly events: EventEmitter<StoreEvents>
  /** Aborts when the store closes. */
  readonly signal: AbortSignal
  /** Keeps the asset from being evicted while held. Counted: each lease is one more. No use is recorded. */
  lease(asset: string): Lease
  /** Marks the asset as used now. */
  touch(asset: string): void
  /** HMAC of a processor's identity with the store's salt: what the index keeps of it. */
  seal(identity: string): string
  /** Called when a generation stops being what `open` gives, before its file is unlinked. Returns the unsubscriber. */
  onGone(listener: (key: ResourceKey, generation: string) => void): () => void
  /** The limits in force; `setLimits` replaces the object. */
  readonly limits: Limits
  /** Called after `setLimits`. */
  onLimits(listener: () => void): () => void
  /** Free bytes where the store lives; `Infinity` where that has no meaning. */
  freeBytes(): Promise<number>
  /** Resolves when the next of the removals under way has freed its bytes; `undefined` when none is. */
  freed(): Promise<void> | undefined
  /** Asks every layer to let go of what it holds without need (idle descriptors), as before a retry. */
  relieve(): void
  /** Called by `relieve`. Returns the unsubscriber. */
  onRelieve(listener: () => void): () => void
  /** Counters behind `stats()`. */
  readonly counters: StoreCounters
}
/** Counts since the store was opened; `readers` and `writers` are those open now. Layers may add to them. */
export interface StoreCounters {
  /** Acquires and opens met by bytes that were there; those that were not. */
  hits: number
  misses: number
  evictions: number
  readers: number
  writers: number
}

/** Which limit made an asset go: `maxAssets`, `maxBytes`, `minFreeBytes`, or (`'no-space'`) a medium that was full. */
export type EvictReason = 'assets' | 'bytes' | 'free-space' | 'no-space'
/** Emitted in order, after the state settled. None carries key material. */
export type StoreEvents = {
  commit: [{ readonly key: ResourceKey; readonly generation: string; readonly length: number }]
  fail: [{ readonly key: ResourceKey; readonly error: Error }]
  abandon: [{ readonly key: ResourceKey; readonly error: Error | undefined }]
  remove: [{ readonly asset: string; readonly key: ResourceKey | undefined }]
  evict: [{ readonly asset: string; readonly bytes: number; readonly reason: EvictReason }]
  leak: [{ readonly key: ResourceKey; readonly what: 'reader' | 'writer' }]
  degraded: [{ readonly error: Error }]
  restored: []
  readonly: [{ readonly error: Error }]
}

/** `undefined` means no limit. */
export interface Limits {
  readonly maxAssets?: number | undefined
  readonly maxBytes?: number | undefined
  readonly minFreeBytes?: number | undefined
}
/**
 * What survives a crash and a power cut.
 * - `ordered`: never names bytes that are not on the medium; a crash costs the blocks under way and the last flush.
 * - `strict`: what `commit`, `put`, `pin`, `remove` and `checkpoint` reported is there after a power cut.
 * - `relaxed`: no fsync at all; what a power cut left is checked before its first use.
 */
export type Durability = 'ordered' | 'strict' | 'relaxed'

/** The layers of the default chain, to be put together by {@link StoreOptions.layers}. */
export interface DefaultLayers {
  readonly lease: Layer
  readonly cached: Layer
  readonly processing: Layer
  readonly evict: Layer
}
/** Options of every store. Unknown names are refused with `InvalidOptionError`. */
export interface StoreOptions extends Limits {
  /** Idle readers kept open. Default 5. */
  readonly cacheEntries?: number | undefined
  /** Default `'ordered'`. */
  readonly durability?: Durability | undefined
  /** Milliseconds between flushes while there is something to flush. Default 100. */
  readonly flushMs?: number | undefined
  /** Closes the store when it aborts. */
  readonly signal?: AbortSignal | undefined
  /** The end of the chain. Default: files under `root`. */
  readonly base?: Base | undefined
  /** The chain, outermost first. Default: lease, cached, processing, evict. */
  readonly layers?: ((defaults: DefaultLayers) => readonly Layer[]) | undefined
}

/** Options of `verify`. */
export interface VerifyOptions {
  /** Also reopen damaged resources with their good blocks, and sweep files that no record names. */
  readonly repair?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Bytes checked of bytes to check. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}
/** What `verify` found. */
export interface VerifyReport {
  readonly resources: number
  readonly bytes: number
  readonly badBlocks: number
  /** Files that no record names. */
  readonly orphans: number
  /** Records whose file is gone or of another length. */
  readonly missing: number
}
/** Totals of a store. Sizes are bytes; `hits`, `misses` and `evictions` count since it was opened. */
export interface StoreStats {
  readonly assets: number
  readonly resources: number
  readonly bytes: number
  /** Of assets that are pinned or leased. */
  readonly pinnedBytes: number
  readonly readers: number
  readonly writers: number
  readonly hits: number
  readonly misses: number
  readonly evictions: number
  /** Resources with bytes that no flush has made durable yet. */
  readonly unflushed: number
  readonly limits: Limits
  readonly state: 'ok' | 'degraded' | 'readonly' | 'closed'
}
/** What opening a store found. */
export interface Recovery {
  readonly resources: number
  /** Damaged or missing records found; 0 after a plain crash. */
  readonly droppedRecords: number
  /** Damage was found: blocks are checked before they are first read, and nothing is swept. */
  readonly suspect: boolean
  readonly ms: number
}
