const STALE_MS = 1000
const STALE_BYTES = 64 * 1024 * 1024

/** How much room the medium has left, without asking it before each write. */
export class FreeSpace {
  readonly #freeBytes: () => Promise<number>
  readonly #outstanding: () => number
  #measured: number | undefined
  #measuredAt = Number.NEGATIVE_INFINITY
  /** Bytes granted since the measurement that counts began. */
  #granted = 0
  #measuring: Promise<void> | undefined

  /** `outstanding`: bytes granted and not written yet, which the medium does not know of. */
  constructor(freeBytes: () => Promise<number>, outstanding: () => number) {
    this.#freeBytes = freeBytes
    this.#outstanding = outstanding
  }

  /** Rather too low than too high; `undefined` before the first measurement. */
  get estimate(): number | undefined {
    return this.#measured === undefined ? undefined : this.#measured - this.#granted
  }

  /** Counts bytes that will be written, and measures anew beside it when the last time is long ago. */
  grant(bytes: number): void {
    this.#granted += bytes
    if (this.#measuring) return
    if (this.#granted > STALE_BYTES || performance.now() - this.#measuredAt > STALE_MS) this.#begin()
  }

  /** Asks the medium how it stands now: one that was asked before this call may not know what was evicted since. */
  async measure(): Promise<void> {
    await this.#measuring
    await (this.#measuring ?? this.#begin())
  }

  #begin(): Promise<void> {
    this.#measuring = this.#ask()
    return this.#measuring
  }

  async #ask(): Promise<void> {
    const granted = this.#granted
    const outstanding = this.#outstanding()
    try {
      await undefined // so that what #begin keeps is not over yet, even if asking throws at once
      this.#measured = (await this.#freeBytes()) - outstanding
      this.#granted -= granted
    } catch {
      // A medium that cannot tell is no reason to refuse writes: what was known before goes on counting.
      this.#measured ??= Number.POSITIVE_INFINITY
    } finally {
      this.#measuredAt = performance.now()
      this.#measuring = undefined
    }
  }
}
