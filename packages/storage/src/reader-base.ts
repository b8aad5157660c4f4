import type { Readable } from 'node:stream'
import { Cursor, readWhole } from './cursor.js'
import { chunksOf, readableOf, webOf } from './streams.js'
import type {
  Bytes,
  ReadOptions,
  ReadonlyRangeSet,
  ResourceReader,
  ResourceStatus,
  WaitOptions,
  WaitOutcome,
} from './types.js'

/** The comforts of a reader, made of its primitives. Extend it to write a reader of your own. */
export abstract class ReaderBase implements ResourceReader {
  abstract readonly generation: string
  abstract readonly status: ResourceStatus
  abstract readonly length: number | undefined
  abstract readonly coverage: ReadonlyRangeSet
  abstract readonly path: string | undefined
  abstract waitRange(start: number, end: number, options?: WaitOptions): Promise<WaitOutcome>
  abstract waitCommit(options?: WaitOptions): Promise<number>
  abstract readAt(position: number, target: Uint8Array): Promise<number>
  abstract readAtSync(position: number, target: Uint8Array): number
  abstract clone(): ResourceReader
  abstract close(): void

  async waitLength(options?: WaitOptions): Promise<number> {
    // The last byte that can be asked for is behind every end: the wait is over when the length is known.
    while (this.length === undefined) {
      await this.waitRange(Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER, options)
    }
    return this.length
  }

  bytes(options: ReadOptions = {}): Promise<Bytes> {
    return readWhole(this, options)
  }

  chunks(options: ReadOptions = {}): AsyncIterableIterator<Bytes> {
    return chunksOf(this.#cursor(options))
  }

  toReadable(options: ReadOptions = {}): Readable {
    return readableOf(this.#cursor(options), options.signal)
  }

  toWeb(options: ReadOptions = {}): ReadableStream<Bytes> {
    return webOf(this.#cursor(options), options.signal)
  }

  /** Closes this handle, as `close` does. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** The handle that a stream made of this reader holds. */
  protected streamClone(): ResourceReader {
    return this.clone()
  }

  #cursor(options: ReadOptions): Cursor {
    return new Cursor(() => this.streamClone(), options)
  }
}
