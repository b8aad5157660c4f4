import type { RangeSet } from './range-set.js'

/**
 * A write that is under way: its bytes are still in the writer's memory, which is borrowed until the write settles.
 * Whoever waits for them need not wait for the storage, too.
 */
export class Flight {
  readonly start: number
  readonly end: number
  /** Some of what it writes over was there before, and can be read meanwhile as it was. */
  readonly overwrites: boolean
  /** Resolves when the write has settled, well or not. */
  readonly settled: Promise<void>
  readonly #parts: readonly { readonly bytes: Uint8Array; readonly length: number }[]
  #settle: () => void = () => {}

  constructor(start: number, parts: readonly Uint8Array[], before: RangeSet) {
    this.start = start
    this.end = parts.reduce((at, part) => at + part.length, start)
    this.overwrites = before.count(start, this.end) > 0
    this.#parts = parts.map((bytes) => ({ bytes, length: bytes.length }))
    this.settled = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  over(): void {
    this.#settle()
  }

  /** Fills all of `target` from `position`; `false`: not all of it is here. */
  copy(position: number, target: Uint8Array): boolean {
    if (position < this.start || position + target.length > this.end) return false
    let at = this.start
    let done = 0
    for (const { bytes, length } of this.#parts) {
      const from = position + done - at
      if (from < length) {
        if (bytes.length !== length) return false // transferred away, or resized, though it was lent
        const piece = bytes.subarray(from, from + target.length - done)
        target.set(piece, done)
        done += piece.length
        if (done === target.length) return true
      }
      at += length
    }
    return false
  }
}
