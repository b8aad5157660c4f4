import type { EventEmitter } from 'node:events'
import type { ByteRange, ReadonlyRangeSet, ResourceReader, ResourceWriter } from '@cistern/storage'
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
  /** Ends the call, which rejects with its reason. What was handed out before, and a fill that has begun, go on. */
  readonly signal?: AbortSignal | undefined
}

/**
 * What an acquire is for.
 * - `fill`: share what is there or being written; whoever gets the writer fills.
 * - `rewrite`: a new generation beside the committed one; only its acquirers see it before commit.
 * - `replace`: a generation of one's own that nobody else sees before commit; the last commit wins.
 * - `extend`: like `rewrite`, starting from a copy of the committed bytes; from nothing where there are none.
 */
export type AcquireMode = 'fill' | 'rewrite' | 'replace' | 'extend'

/** Options of `acquire` and `openOrFill`. */
export interface AcquireOptions extends PutOptions {
  /** Default `'fill'`. */
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
  /** Ends the call, the wait for the commit and the check included; it rejects with its reason. */
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
  /** Sees what is written here, or by whoever holds the writer. */
  readonly reader: ResourceReader
  /** `undefined` where the resource is committed, or somebody else is filling it. */
  readonly writer: ResourceWriter | undefined
  /** Only with `staged: true` and a writer. */
  readonly stage?: Stage | undefined
}

/** Keeps an asset from being evicted while held. */
export interface Lease extends Disposable {
  /** Gives the lease back. Calling it again does nothing. */
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
  /** The asset and the path within it. */
  readonly key: ResourceKey
  /** Which life of its bytes: a rewrite, a discard, or a fetch after a removal begins another. */
  readonly generation: string
  /** `'active'`: unfinished, whether somebody is writing or not. */
  readonly state: 'active' | 'committed'
  /** Somebody holds its writer. */
  readonly writing: boolean
  /** Open readers, without those that a cache keeps idle. */
  readonly readers: number
  /** Readable bytes in all, once declared or committed; `undefined` before. */
  readonly length: number | undefined
  /** Readable bytes that are there. */
  readonly coverage: ReadonlyRangeSet
  /** Source bytes that are there: before any processor. Equals `coverage` without one, and once committed. */
  readonly received: ReadonlyRangeSet
  /** Bytes it occupies, raw and output together. */
  readonly storedBytes: number
  /** `undefined` while it is unfinished. */
  readonly committedAt: Date | undefined
  /** A copy of what was given for it; `undefined` where nothing was. */
  readonly metadata: unknown
  /** Sealed identity of the processor that its bytes went or go through; `undefined` for plain bytes. */
  readonly processor: string | undefined
}

/** One asset as it stands. */
export interface AssetStat {
  /** Its name: the first component of its keys. */
  readonly asset: string
  /** What all of its resources occupy, unfinished and raw ones included. */
  readonly bytes: number
  /** Finished and unfinished ones; 0 for an asset that is only pinned or leased. */
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
  /** Finished and unfinished ones, of all assets. */
  readonly resourceCount: number
  /** Bytes occupied by all, what is hidden but not yet unlinked included. */
  readonly totalBytes: number
  /** Of assets that are pinned or leased. */
  readonly pinnedBytes: number
}

/** What a layer may use beside the layer it wraps. */
export interface StoreContext {
  /** The one truth that all layers share. After an await, ask it again. */
  readonly index: ContextIndex
  /** The store itself, as an emitter. What is emitted here is told after the state has settled. */
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
  /** Acquires (`fill`) and opens that a committed resource met. */
  hits: number
  /** Those that found nothing, or bytes still to come. */
  misses: number
  /** Assets evicted. */
  evictions: number
  /** Handed out and not closed; a reader and its clones count once. */
  readers: number
  /** Handed out and not settled. */
  writers: number
}

/** Which limit made an asset go: `maxAssets`, `maxBytes`, `minFreeBytes`, or (`'no-space'`) a medium that was full. */
export type EvictReason = 'assets' | 'bytes' | 'free-space' | 'no-space'
/** Emitted in order, after the state settled. None carries key material. */
export type StoreEvents = {
  /** A resource was finished. `length`: its readable bytes. */
  commit: [{ readonly key: ResourceKey; readonly generation: string; readonly length: number }]
  /** A resource was given up: its writer failed it with `error`, or bytes of it turned out to be lost or damaged. */
  fail: [{ readonly key: ResourceKey; readonly error: Error }]
  /** A writer was released unfinished. `error`: the cause that `release` was given; `undefined` without one. */
  abandon: [{ readonly key: ResourceKey; readonly error: Error | undefined }]
  /** `key` was removed, or the whole asset where it is `undefined`. Told of an eviction too, right before `evict`. */
  remove: [{ readonly asset: string; readonly key: ResourceKey | undefined }]
  /** An asset made room. `bytes`: what that freed. `reason`: which limit asked for it. */
  evict: [{ readonly asset: string; readonly bytes: number; readonly reason: EvictReason }]
  /** Garbage collection found a handle that nobody closed, and closed it. */
  leak: [{ readonly key: ResourceKey; readonly what: 'reader' | 'writer' }]
  /** The index cannot be written, for `error`. The store works from memory and tries again. */
  degraded: [{ readonly error: Error }]
  /** The index is written again, all that was not on record included. */
  restored: []
  /** Somebody else owns the root by now. Reads go on; writes reject with `StoreReadonlyError`. */
  readonly: [{ readonly error: Error }]
}

/** Limits of a store. One that `open` is not given has its default; one that `setLimits` is not given stays as it is. */
export interface Limits {
  /** Assets that hold at least one resource. No limit by default; `Infinity` lifts it. */
  readonly maxAssets?: number | undefined
  /**
   * Bytes of all resources, unfinished and raw ones included. No limit by default, 256 MiB in `MemStore`; `Infinity`
   * lifts it.
   */
  readonly maxBytes?: number | undefined
  /** Bytes left free on the disk for everyone else. Default 256 MiB; 0 lifts it. No meaning in memory. */
  readonly minFreeBytes?: number | undefined
}
/**
 * What survives a crash and a power cut.
 * - `ordered`: never names bytes that are not on the medium. A crash costs what came since the last flush, a commit
 *   reported meanwhile included, and the 256 KiB blocks under way.
 * - `strict`: what `commit`, `put`, `pin`, `unpin`, `remove`, `removeAsset`, `move`, `setMetadata` and `checkpoint`
 *   reported is there after a power cut.
 * - `relaxed`: no fsync at all; what a power cut left is checked before its first use.
 */
export type Durability = 'ordered' | 'strict' | 'relaxed'

/** The layers of the default chain, to be put together by {@link StoreOptions.layers}. */
export interface DefaultLayers {
  /** `LeaseAssets`: keeps assets with open handles from being evicted, and records uses. */
  readonly lease: Layer
  /** `CachedAssets`: keeps the last `cacheEntries` idle readers open. */
  readonly cached: Layer
  /** `ProcessingAssets`: runs a processor over what is written. Without it the `processor` option is refused. */
  readonly processing: Layer
  /** `EvictAssets`: keeps the limits. Without it none is kept. */
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
  /** Ends the verification, which rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /** Bytes checked of bytes to check. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Told of each finding, once it is certain and, with `repair`, dealt with: all of them, however many. */
  readonly onFinding?: ((finding: VerifyFinding) => void) | undefined
}

/**
 * What `verify({ repair: true })` did about a finding. `'none'`: it was not asked to, or what was found has changed since.
 * - `reopened`: the good blocks are kept, in an unfinished generation; only the bad ones are fetched again
 * - `dropped`: the record is gone, and the resource, or what there was of its next version, is fetched anew
 * - `deleted`: the file is
 */
export type VerifyRepair = 'none' | 'reopened' | 'dropped' | 'deleted'

/** What all findings tell. */
export interface VerifyFindingFile {
  /** `asset/name` of the file, without what marks an unfinished one. */
  readonly file: string
  /** Whose bytes these are, or were; `undefined` for a file that no record names and that has a final name. */
  readonly generation: string | undefined
  /** What was done about it. */
  readonly repair: VerifyRepair
}

/** Bytes are not what their checksums say. */
export interface DamagedFinding extends VerifyFindingFile {
  /** Says which finding this is. */
  readonly kind: 'damaged'
  /** Whose bytes they are. */
  readonly key: ResourceKey
  /** Finished, or still being filled. */
  readonly state: 'active' | 'committed'
  /** The bad bytes in order, neighbouring blocks as one range. */
  readonly ranges: readonly ByteRange[]
  /** Blocks in these. */
  readonly badBlocks: number
}

/** A file on record is gone, or of another length. */
export interface MissingFinding extends VerifyFindingFile {
  /** Says which finding this is. */
  readonly kind: 'missing'
  /** Whose bytes are meant. */
  readonly key: ResourceKey
  /** Finished, or still being filled. */
  readonly state: 'active' | 'committed'
  /** Bytes it should have; at least, while it is being filled. */
  readonly expected: number
  /** Bytes it has; `undefined` where there is no such file. */
  readonly found: number | undefined
}

/** A file that no record names. */
export interface OrphanFinding extends VerifyFindingFile {
  /** Says which finding this is. */
  readonly kind: 'orphan'
  /** Bytes it has; `undefined` where that cannot be seen. */
  readonly bytes: number | undefined
}

/** One thing that `verify` found wrong, to be told apart by its `kind`. */
export type VerifyFinding = DamagedFinding | MissingFinding | OrphanFinding

/** What `verify` found, and did. */
export interface VerifyReport {
  /** Looked at, unfinished ones included. */
  readonly resources: number
  /** Read and compared with their checksums. */
  readonly bytes: number
  /** Blocks, or the recorded parts of unfinished ones, whose bytes are not what their checksum says. */
  readonly badBlocks: number
  /** Files that no record names. */
  readonly orphans: number
  /** Records whose file is gone or of another length. */
  readonly missing: number
  /** Damaged resources that `repair` kept the good blocks of. */
  readonly reopened: number
  /** Damaged or missing ones that `repair` took off the record. */
  readonly dropped: number
  /** Orphans that `repair` deleted. */
  readonly deleted: number
  /** The first 1,000 findings one by one; `onFinding` is told of all. */
  readonly findings: readonly VerifyFinding[]
}
/** Totals of a store. Sizes are bytes; `hits`, `misses` and `evictions` count since it was opened. */
export interface StoreStats {
  /** Those that hold at least one resource. */
  readonly assets: number
  /** Finished and unfinished ones. */
  readonly resources: number
  /** Occupied by all, raw parts and what is removed but not unlinked yet included. */
  readonly bytes: number
  /** Of assets that are pinned or leased. */
  readonly pinnedBytes: number
  /** Handed out and not closed; a reader and its clones count once. */
  readonly readers: number
  /** Handed out and not settled. */
  readonly writers: number
  /** Acquires (`fill`) and opens that a committed resource met. */
  readonly hits: number
  /** Those that found nothing, or bytes still to come. */
  readonly misses: number
  /** Assets evicted. */
  readonly evictions: number
  /** Resources with bytes that no flush has made durable yet. */
  readonly unflushed: number
  /** Those in force; one that is lifted is absent. */
  readonly limits: Limits
  /** `'degraded'`: the index cannot be written now. `'readonly'`: somebody else owns the root. */
  readonly state: 'ok' | 'degraded' | 'readonly' | 'closed'
}
/** What opening a store found. */
export interface Recovery {
  /** On record, unfinished ones included. */
  readonly resources: number
  /** Damaged or missing records found; 0 after a plain crash. */
  readonly droppedRecords: number
  /** Damage was found: blocks are checked before they are first read, and nothing is swept. */
  readonly suspect: boolean
  /** Milliseconds that opening the index took. */
  readonly ms: number
}
