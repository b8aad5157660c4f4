import { type Bytes, SpareChunks } from '@cistern/storage'

const BATCH_BYTES = 512 * 1024
const spareBuffers = new SpareChunks(BATCH_BYTES, 4)

/** What came out and is not written yet. Several pieces are written as one: a write for each would take longer than they did. */
export class OutputBatch {
  #buffer: Bytes | undefined
  #filled = 0
  /** The last piece, as the transform gave it. */
  #last: Uint8Array | undefined

  get isFull(): boolean {
    return this.#filled + (this.#last?.length ?? 0) > BATCH_BYTES / 2
  }

  add(piece: Uint8Array): void {
    if (piece.length > 0) this.#last = piece
  }

  /** Copies the last piece. What does not fit must have been written before. */
  keep(): void {
    if (!this.#last) return
    if (this.#filled + this.#last.length > BATCH_BYTES) throw new RangeError('a full batch was not written out')
    this.#buffer ??= spareBuffers.take()
    this.#buffer.set(this.#last, this.#filled)
    this.#filled += this.#last.length
    this.#last = undefined
  }

  /** What is to be written next. */
  next(): Uint8Array | undefined {
    if (this.#filled > 0 && this.#last && this.#filled + this.#last.length <= BATCH_BYTES) this.keep()
    return this.#filled > 0 ? this.#buffer?.subarray(0, this.#filled) : this.#last
  }

  drop(written: Uint8Array): void {
    if (written === this.#last) this.#last = undefined
    else this.#filled = 0
  }

  /** It is of no use any more, and nobody is writing what `next` gave. */
  release(): void {
    if (this.#buffer) spareBuffers.giveBack(this.#buffer)
    this.#buffer = undefined
    this.#filled = 0
    this.#last = undefined
  }
}
