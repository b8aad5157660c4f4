import type { Arrived } from './arrived.js'
import { type Demand, RangeDemand } from './demand.js'
import type { KnownSource } from './known-source.js'
import { type SharedWant, type Want, WantIndex } from './want-index.js'

/** What a want is measured by. */
export interface DemandsOptions {
  readonly chunkSize: number
  /** What goes in is not what comes out: a position in the one says little about the other. */
  readonly isProcessed: boolean
  readonly source: KnownSource
  readonly arrived: Arrived
}

/** Who wants what of one resource. */
export class Demands {
  readonly #options: DemandsOptions
  readonly #read = new WantIndex()
  readonly #asked = new WantIndex()
  readonly #ranges = new Set<RangeDemand>()
  #readers = 0

  constructor(options: DemandsOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#readers + this.#ranges.size === 0
  }

  get isReadBy(): boolean {
    return this.#readers > 0
  }

  add(demand: Demand): void {
    if (demand instanceof RangeDemand) {
      this.#ranges.add(demand)
      demand.join(this.#asked)
      demand.changed()
    } else {
      this.#readers++
      demand.join(this.#read)
    }
  }

  /** Once for each that was added. */
  delete(demand: Demand): void {
    demand.leave()
    if (demand instanceof RangeDemand) this.#ranges.delete(demand)
    else this.#readers--
  }

  /** How urgent the byte at `position` is; `undefined`: nobody wants it. */
  rankAt(position: number): number | undefined {
    let best: number | undefined
    for (const { want } of this.wanted()) {
      const { start, end, rank } = want
      if (position >= start && position < end && (best === undefined || rank < best)) best = rank
    }
    return best
  }

  isWanted(start: number, end: number): boolean {
    for (const { want } of this.wanted()) if (want.start < end && want.end > start) return true
    return false
  }

  /** Readers alone. */
  isReadIn(start: number, end: number): boolean {
    for (const { want } of this.#inSource(this.#read)) if (want.start < end && want.end > start) return true
    return false
  }

  /** All that is wanted, in bytes of the source. */
  *wanted(): Generator<SharedWant> {
    yield* this.#inSource(this.#read)
    yield* this.#inSource(this.#asked)
  }

  /** Bytes came, or the resource was finished. Readers hear of it where they wait: at the store's reader. */
  tell(): void {
    for (const demand of this.#ranges) demand.changed()
  }

  /** What was to be there for good will not be. Readers hear of it where they wait. */
  fail(error: Error): void {
    for (const demand of this.#ranges) {
      this.delete(demand)
      demand.fail(error)
    }
  }

  /** By whole chunks where nobody waits, and not past the end. */
  *#inSource(wants: WantIndex): Generator<SharedWant> {
    const { isProcessed, source, arrived } = this.#options
    const total = source.total ?? Number.MAX_SAFE_INTEGER
    for (const { want, arrival } of wants) {
      // Everything before a byte has to go through the processor first.
      const start = isProcessed ? 0 : want.isForLength ? arrived.until(want.start) : want.start
      if (start < total) yield { want: { ...want, start, end: Math.min(this.#endOf(want, start), total) }, arrival }
    }
  }

  #endOf(want: Want, start: number): number {
    const { chunkSize, isProcessed, source, arrived } = this.#options
    // A processor says by its end how long it is.
    if (want.isForLength && isProcessed && source.isDeclared) return Number.MAX_SAFE_INTEGER
    // Before that, what is there has to be gone behind: it does not tell.
    const first = want.isForLength ? arrived.until(start) : start
    const wanted = Math.max(want.end, first + 1) + (isProcessed ? chunkSize : 0)
    // Or each small step of a reader would ask for as many bytes at the far end.
    return want.isAhead ? Math.max(Math.floor(wanted / chunkSize) * chunkSize, start + 1) : wanted
  }
}
