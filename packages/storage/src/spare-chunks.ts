import { allocate } from './allocate.js'

/** What is kept for the next who asks. */
const mostBytes = 4 * 1024 * 1024

/**
 * Memory of one size, handed from one to the next: what is given to the collector comes back as fresh memory, which costs
 * more than the copies into it.
 */
export class SpareChunks {
  readonly #size: number
  readonly #spare: Uint8Array[] = []

  constructor(size: number) {
    this.#size = size
  }

  /** Not cleared: every byte has to be overwritten. */
  take(): Uint8Array {
    return this.#spare.pop() ?? allocate(this.#size)
  }

  /** Nobody may look at it any more. */
  giveBack(chunk: Uint8Array): void {
    if (this.#spare.length * this.#size < mostBytes) this.#spare.push(chunk)
  }
}
