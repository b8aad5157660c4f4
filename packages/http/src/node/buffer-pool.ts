import type { Pieces } from '../begin.js'

/** Below that, memory of its own costs less than a whole buffer. */
const SMALL = 64 * 1024
/** Buffers that wait to be used again. */
const MAX_IDLE = 8

/** Buffers of one size, used again and again: fresh ones would have to be given by the system and taken back each time. */
export class BufferPool implements Pieces<Buffer> {
  /** Bytes of each. */
  readonly max: number
  readonly #idle: Buffer[] = []

  constructor(bytes: number) {
    this.max = bytes
  }

  /** At least `bytes` long. */
  take(bytes: number): Buffer {
    if (bytes <= SMALL) return Buffer.allocUnsafe(bytes)
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.max)
  }

  /** Only what nobody reads any more. What is not given back is garbage, and no harm. */
  giveBack(buffer: Buffer): void {
    if (buffer.length === this.max && this.#idle.length < MAX_IDLE && buffer.buffer.byteLength === this.max) {
      this.#idle.push(buffer)
    }
  }
}
