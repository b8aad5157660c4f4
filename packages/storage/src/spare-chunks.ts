import { allocate } from './allocate.js'
import type { Bytes } from './types.js'

/**
 * Memory of one size, handed from one user to the next: what is left to the garbage collector comes back as fresh memory,
 * and touching that costs more than the copies into it.
 */
export class SpareChunks {
  readonly #bytes: number
  readonly #most: number
  readonly #spare: Bytes[] = []

  /** Of `bytes` bytes each; at most `most` of them wait for the next user. */
  constructor(bytes: number, most: number) {
    this.#bytes = bytes
    this.#most = most
  }

  /** Not cleared: it holds whatever its last user left in it. */
  take(): Bytes {
    return this.#spare.pop() ?? allocate(this.#bytes)
  }

  /** Nobody may look at it any more. What is not given back is garbage, and no harm. */
  giveBack(chunk: Bytes): void {
    if (this.#spare.length < this.#most) this.#spare.push(chunk)
  }
}
