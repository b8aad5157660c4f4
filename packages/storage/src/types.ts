import type { Readable } from 'node:stream'

/** Bytes over a plain `ArrayBuffer`: accepted by `Response`, `Blob` and `subtle.digest`. */
export type Bytes = Uint8Array<ArrayBuffer>

/** Half-open range of bytes [start, end), counted from 0. Unlike HTTP's and fs streams', `end` is exclusive. */
export interface ByteRange {
  /** First byte. */
  readonly start: number
  /** The byte behind the last one. */
  readonly end: number
}

/** Sorted, disjoint, coalesced ranges. Positions are bytes; ranges are half-open. */
export interface ReadonlyRangeSet extends Iterable<ByteRange> {
  /** Covered bytes in all. */
  readonly size: number
  /** Whether all of [start, end) is covered. An empty range is. */
  has(start: number, end: number): boolean
  /** End of the covered run at `position`, or `position` itself. */
  coveredEnd(position: number): number
  /** What is missing in [start, end), in order. Looks at the set anew for each gap, so it may change meanwhile. */
  gaps(start: number, end: number): Iterable<ByteRange>
  /** The first missing range in [from, limit). */
  nextGap(from: number, limit: number): ByteRange | undefined
  /** `[start, end, start, end, …]`: the form that is stored. */
  toFlat(): number[]
}

/**
 * Where a resource stands. `active`: unfinished; `writing`: somebody holds its writer. `committed`: finished, with
 * `length` readable bytes. `failed`: all calls reject with `error`.
 */
export type ResourceStatus =
  | { readonly state: 'active'; readonly writing: boolean }
  | { readonly state: 'committed'; readonly length: number }
  | { readonly state: 'failed'; readonly error: Error }

/** `'ready'`: it can be read. `'eof'`: it begins at or past the end of the resource. */
export type WaitOutcome = 'ready' | 'eof'

/** How long to wait for bytes, and for whom. */
export interface WaitOptions {
  /** Ends this wait alone; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** What to do while nobody is writing: `'reject'` with ResourceAbandonedError (default), or `'wait'` for the next writer. */
  readonly whenAbandoned?: 'reject' | 'wait' | undefined
}

/** What to read, and in which pieces. Positions are bytes; the range is half-open. */
export interface ReadOptions extends WaitOptions {
  /** First byte; 0 by default. */
  readonly start?: number | undefined
  /** Exclusive end; the length by default. */
  readonly end?: number | undefined
  /** Bytes per chunk at most; 256 KiB by default. */
  readonly chunkSize?: number | undefined
  /**
   * Many who read the same bytes at about the same time may be handed the same memory, where it was read into once: neither
   * write to such a chunk nor transfer it. `bytes` always gives memory of its own. Default `false`.
   */
  readonly shared?: boolean | undefined
}

/** Reads one resource, from any offset, while it is still being written. */
export interface ResourceReader extends Disposable {
  /** Which life of the bytes this reader sees. Changes only when the writer discards before anything was read here. */
  readonly generation: string
  /** Where the resource stands now. */
  readonly status: ResourceStatus
  /** Bytes in all: once declared or committed. */
  readonly length: number | undefined
  /** Readable bytes, those included whose write is still under way; live. */
  readonly coverage: ReadonlyRangeSet
  /** The finished file, once published; `undefined` in memory. */
  readonly path: string | undefined
  /**
   * Waits until [start, end) can be read: `ready` once all of it, or all of it before the known length, is covered;
   * `eof` when the length is known and `start` is at or past it. An empty range is ready. Bytes whose write is under way
   * can be read already; should that write fail, they are not there any more.
   * Rejects with InvalidRangeError, with the failure, with the signal's reason, with ResourceRemovedError,
   * or with ResourceAbandonedError when nobody is writing.
   */
  waitRange(start: number, end: number, options?: WaitOptions): Promise<WaitOutcome>
  /** Waits until the length is declared or committed. Rejects as `waitRange` does. */
  waitLength(options?: WaitOptions): Promise<number>
  /** Waits for the commit and gives the length. Rejects as `waitRange` does. */
  waitCommit(options?: WaitOptions): Promise<number>
  /**
   * Reads into `target` from `position`: the covered prefix, at most `target.length` bytes; 0 only at end of file.
   * Rejects with RangeNotAvailableError where nothing was written, StorageIoError, ReaderClosedError.
   */
  readAt(position: number, target: Uint8Array): Promise<number>
  /** As `readAt`, at once. Throws NotSupportedError where the backend has no synchronous read. */
  readAtSync(position: number, target: Uint8Array): number
  /**
   * As `readAt`, at most `size` bytes, in memory that other readers may have been given, too: neither write to it nor transfer
   * it. Absent where a reader has nothing to share.
   */
  readShared?(position: number, size: number): Promise<Bytes>
  /** Waits for [start, end) and gives it as one fresh array; clamped at the end of the file. */
  bytes(options?: ReadOptions): Promise<Bytes>
  /** The bytes in order as they arrive. Holds a clone of its own, closed at end, error and early return. */
  chunks(options?: ReadOptions): AsyncIterable<Bytes>
  /** The same as a Node stream. Holds a clone of its own; destroying it closes that. */
  toReadable(options?: ReadOptions): Readable
  /** The same as a web stream: pulled, not pushed. Holds a clone of its own; cancelling closes that. */
  toWeb(options?: ReadOptions): ReadableStream<Bytes>
  /** Another handle on the same bytes, to be closed by itself. */
  clone(): ResourceReader
  /** Pending and later calls reject with ReaderClosedError. Closing twice is fine. */
  close(): void
}

/** What `writeFrom` takes. Its chunks are borrowed until `writeFrom` settles: a source must not reuse their memory. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ReadableStream<Uint8Array> | null

/** Headers as they are: `null`, `''` and `'*'` declare nothing. */
export interface SourceDeclaration {
  /** Bytes in all: a number, or a Content-Length header, or the total of a Content-Range. */
  readonly length?: number | string | null | undefined
  /** ETag, or what stands for it: says which version of the source the bytes are of. */
  readonly validator?: string | null | undefined
}

/** Where `writeFrom` puts its bytes. */
export interface WriteFromOptions {
  /** Position of the first byte; 0 by default. */
  readonly at?: number | undefined
  /** Stops taking in and ends the source: `writeFrom` rejects with its reason. What was written stays. */
  readonly signal?: AbortSignal | undefined
}

/** Fills one resource. There is one writer at a time; disposing releases it. */
export interface ResourceWriter extends AsyncDisposable {
  /** Which life of the bytes this writer fills; `discard` begins another. */
  readonly generation: string
  /** Source bytes that were written, before any processor; live. */
  readonly coverage: ReadonlyRangeSet
  /** What the bytes that are there were written under; `undefined` where nothing was declared. */
  readonly validator: string | undefined
  /** Source bytes in all, once declared; `undefined` before. */
  readonly length: number | undefined
  /**
   * Says what the source is. A known length makes waits past it `eof` and writes past it InvalidRangeError. Bytes that
   * are there under another validator, or under none, are discarded (see `discard`).
   * Rejects with InvalidRangeError for a length that is none, or that differs from one this writer declared before.
   */
  declare(source: SourceDeclaration): Promise<void>
  /** Replaces the metadata kept beside the bytes. Throws NotSupportedError where nothing keeps any, InvalidOptionError, WriterClosedError. */
  setMetadata(metadata: object): void
  /**
   * Writes at any position. Concurrent calls are fine and leave together; the later call wins where they overlap.
   * `data` is borrowed: it must not change until this settles. Rejects with InvalidRangeError before any I/O,
   * NoSpaceError, StorageIoError, WriterClosedError.
   */
  writeAt(position: number, data: Uint8Array): Promise<void>
  /** Writes all of `source` and gives its bytes. Keeps up to 1 MiB in flight, rejects with the first failure, and ends the source. */
  writeFrom(source: ByteSource, options?: WriteFromOptions): Promise<number>
  /**
   * Finishes the resource: source length in (the declared one, or the end of the one covered run, by default), readable
   * length out. With a gap: IncompleteResourceError naming the gaps, nothing changes, and the writer goes on.
   */
  commit(length?: number): Promise<number>
  /** Drops what is there and begins a new generation. Readers that read a byte of it get ResourceRemovedError, the others go on with the new one. */
  discard(): Promise<void>
  /** Gives up for good: waits and reads reject with `error`. */
  fail(error: Error): Promise<void>
  /** Gives up for now: the bytes stay for the next writer. Waits reject with ResourceAbandonedError, whose cause is `cause`. */
  release(cause?: Error): Promise<void>
}
