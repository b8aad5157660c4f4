import type { Demands } from './demands.js'
import type { PassingWindow } from './passing-window.js'

/** What has bytes that the store refuses. */
export interface PassingHost {
  /** Bytes of an answer of that version may still be given to those who read. */
  takes(version: number): boolean
  /** What is to be fetched next may be something else now. */
  review(): void
}

/** The way of refused bytes to those who read: through memory, as fast as they take it. */
export class Passing {
  readonly #window: PassingWindow
  readonly #demands: Demands
  readonly #host: PassingHost

  constructor(window: PassingWindow, demands: Demands, host: PassingHost) {
    this.#window = window
    this.#demands = demands
    this.#host = host
  }

  /** Resolves once they are in the window, or nobody is left to read them. */
  async pass(start: number, bytes: Uint8Array, version: number): Promise<void> {
    // Whoever waited for room may find that nobody reads any more, or another version.
    while (this.#host.takes(version) && this.#demands.isReadBy && !this.#window.put(start, bytes)) {
      this.trim()
      if (this.#window.put(start, bytes)) return
      if (this.#demands.rankAt(start) !== 0) await this.#window.room()
      else {
        this.#window.dropOldest()
        this.#host.review() // that is missing again
      }
    }
  }

  /** Drops what nobody reads any more. */
  trim(): void {
    // Readers alone: what is to be in the store for good is not met by what passes.
    const madeRoom = this.#window.keep((start, end) => this.#demands.isReadIn(start, end))
    if (madeRoom) this.#window.tellRoom() // not otherwise: those who wait would wake each other for ever
  }
}
