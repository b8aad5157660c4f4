import type { ResourceKey } from '../key.js'
import type { Durability, IndexView, Recovery, ResourceStat, StoreContext } from '../types.js'
import type { Entry } from './entry.js'
import type { IndexRecord, Stray } from './record.js'

/** What the base tells about a generation that is open: overlays what the index has on record. */
export type LiveView = Pick<
  ResourceStat,
  'generation' | 'state' | 'writing' | 'readers' | 'length' | 'coverage' | 'received' | 'committedAt' | 'processor'
> & {
  /** Encoded; `undefined` where none was given. */
  readonly metadata: Uint8Array | undefined
  /** Replaces the encoded metadata. */
  setMetadata(metadata: Uint8Array): void
}

/** A generation with bytes that are not durable yet. The index flushes it every `flushMs`, at checkpoint and at close. */
export interface Flushable {
  /**
   * Syncs what is there, then records it. `thorough`: covered runs inside incomplete blocks too. Returns whether
   * something is left that only a thorough flush takes. `isLate`: it came in the place of one that was superseded while
   * this flush was under way, and nothing may come in its own. Never rejects: failures go to whom they concern.
   */
  prepare(thorough: boolean, isLate: boolean): Promise<boolean>
  /** The records are durable: renames, unlinks and whoever waits for them may go on. Never rejects. */
  settle(): Promise<void>
}

/** What is on record of an asset that nobody sees any more. */
export interface HiddenAsset {
  /** Up to 64 entries at a time. */
  leaves(): Iterable<readonly Entry[]>
  /** All of it is removed. */
  done(): void
}

/** What a base may do besides looking: record. `openIndex(dir)` keeps records on disk, `volatileIndex()` in memory. */
export interface IndexRecords {
  /** Id of this ownership; every generation begun under it starts with it. */
  readonly session: string
  /** What `durable` promises. */
  readonly durability: Durability
  /** Damage was found at opening: check blocks before they are first read, sweep nothing. */
  readonly suspect: boolean
  /** What opening the index found. */
  readonly recovery: Recovery
  /** A generation name never used before, in this or any other life of the store. */
  nextGeneration(): string
  /** What is on record of a resource. */
  entry(key: ResourceKey): Entry | undefined
  /**
   * Hides what is on record of an asset from all who look, in this very step. Gives it, to be removed bit by bit;
   * `undefined` where nothing is, or somebody is at it already.
   */
  hideAsset(asset: string): HiddenAsset | undefined
  /** Entries of one asset, hidden ones too, in order; `after`: only those behind this path. */
  entries(asset: string, after?: string): Iterable<Entry>
  /** Entries, hidden ones too, that have a file of this name or by their path may have; asks for no others. */
  entriesNaming(asset: string, name: string): Iterable<Entry>
  /** Whether no other resource has this file name, is a folder above it, or lies below it, in any case of letters. */
  isNameFree(key: ResourceKey, name: string): boolean
  /** Applies a record in memory at once and queues it for the journal. Returns its sequence number. */
  record(record: IndexRecord): number
  /** Resolves once all records up to `sequence` (default: all so far) are as durable as the mode promises. Rejects with the failure of the journal. */
  durable(sequence?: number): Promise<void>
  /**
   * Resolves once no record that is durable names bytes of this generation which were taken off it since; `undefined` when
   * that is so now. Rejects as `durable` does. Until then, nothing may be written over them.
   */
  uncovered(generation: string): Promise<void> | undefined
  /** Resolves once all records up to `sequence` (default: all so far) were appended; they may not be on the medium yet. */
  appended(sequence?: number): Promise<void>
  /** Throws `StoreReadonlyError` when another process owns the root by now. Asked before every rename and unlink. */
  check(): void
  /** The session that wrote last may still be running somewhere: copy its unfinished parts instead of resuming them. */
  unproven(session: string): boolean
  /** Files on record that nothing needs any more, of one asset or of all: to be unlinked. */
  strays(asset?: string): Iterable<Stray>
  /** Durably, by `pin`. */
  pinned(asset: string): boolean
  /** A generation is open: its own view takes the place of what is on record in what the index shows. */
  attach(key: ResourceKey, live: LiveView): void
  /** It is not open any more: what is on record shows again. */
  detach(key: ResourceKey, live: LiveView): void
  /** Counts bytes that came to lie on the medium (or, negative, left it); `undefined`: of what is hidden, not yet unlinked. */
  occupy(asset: string | undefined, bytes: number): void
  /** Has `flushable` flushed within `flushMs`; `instead`: in the flush under way, where that was to flush this one. */
  dirty(flushable: Flushable, instead?: Flushable): void
  /** Nothing of `flushable` is to be flushed any more. */
  clean(flushable: Flushable): void
  /** Flushes everything dirty now; resolves after the sync, rejects with the failure of the journal. */
  flush(thorough: boolean): Promise<void>
  /** `checkpoint()` and `close()` resolve after `work`, which must not reject. */
  during(work: Promise<void>): void
  /** Tells the context's `onGone` listeners. */
  gone(key: ResourceKey, generation: string): void
}
/** What a base may use: what layers see, and the records. */
export interface BaseContext extends StoreContext {
  /** The index, as one that can be written. */
  readonly records: IndexRecords
}

/** The one truth that all layers of a store share: what is there, what is pinned, what was used when. */
export interface StoreIndex extends IndexView, IndexRecords {
  /** Assets that hold at least one resource. */
  readonly assetCount: number
  /** Finished and unfinished ones, of all assets. */
  readonly resourceCount: number
  /** Bytes occupied by all, what is hidden but not yet unlinked included. */
  readonly totalBytes: number
  /** Of assets that are pinned or leased. */
  readonly pinnedBytes: number
  /** Resources with bytes that no flush has made durable yet. */
  readonly unflushed: number
  /** `'degraded'`: the journal cannot be written now. `'readonly'`: another process owns the place. */
  readonly state: 'ok' | 'degraded' | 'readonly'
  /** Generation that an `open` would give now. */
  generation(key: ResourceKey): string | undefined
  /** HMAC of an identity with the salt of this store. */
  seal(identity: string): string
  /** Counts a lease of the asset; the returned function gives it back once. */
  holdLease(asset: string): () => void
  /** Marks the asset as used now. */
  touch(asset: string): void
  /** Resolves once the pin is durable. */
  pin(asset: string): Promise<void>
  /** Resolves once the pin is durably gone. */
  unpin(asset: string): Promise<void>
  /** Rejects with `NotFoundError` where nothing is. */
  setMetadata(key: ResourceKey, metadata: object): Promise<void>
  /** Told of a generation that `open` does not give any more. Returns the unsubscriber. */
  onGone(listener: (key: ResourceKey, generation: string) => void): () => void
  /** Told about `degraded`, `restored`, `readonly`. One listener: the store. */
  onState(listener: (state: 'degraded' | 'restored' | 'readonly', error: Error | undefined) => void): void
  /** Flushes all that is dirty, runs inside incomplete blocks too. */
  checkpoint(): Promise<void>
  /** Flushes and lets go of the place. */
  close(): Promise<void>
}
