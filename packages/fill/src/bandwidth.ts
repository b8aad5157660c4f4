import { setTimeout as elapsed } from 'node:timers/promises'

/** Lets so many bytes a second through, for all fetches together: a bucket that holds a quarter of a second's worth. */
export class Bandwidth {
  readonly #perMs: number
  readonly #most: number
  #left: number
  #at = performance.now()

  constructor(bytesPerSecond: number) {
    this.#perMs = bytesPerSecond / 1_000
    this.#most = bytesPerSecond / 4
    this.#left = this.#most
  }

  /** Resolves when `bytes` may go on; those behind them wait for what these took in advance. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now()
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs)
    this.#at = now
    this.#left -= bytes
    if (this.#left < 0) await elapsed(-this.#left / this.#perMs, undefined, { signal })
  }
}
