import type { Arrived } from './arrived.js'
import { type Demand, RangeDemand, ReaderDemand, type Want } from './demand.js'
import type { KnownSource } from './known-source.js'

/** What a want is measured by. */
export interface DemandsOptions {
  readonly chunkSize: number
  /** What goes in is not what comes out: a position in the one says little about the other. */
  readonly isProcessed: boolean
  readonly source: KnownSource
  readonly arrived: Arrived
}

/** A want and whose it is. */
export interface Wanted {
  readonly want: Want
  readonly arrival: number
}

/** Who wants what of one resource. */
export class Demands {
  readonly #options: DemandsOptions
  readonly #demands = new Set<Demand>()

  constructor(options: DemandsOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#demands.size === 0
  }

  get isReadBy(): boolean {
    for (const demand of this.#demands) if (demand instanceof ReaderDemand) return true
    return false
  }

  add(demand: Demand): void {
    this.#demands.add(demand)
    demand.changed()
  }

  delete(demand: Demand): void {
    this.#demands.delete(demand)
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
    for (const demand of this.#demands) {
      if (!(demand instanceof ReaderDemand)) continue
      for (const want of this.#wantsOf(demand)) if (want.start < end && want.end > start) return true
    }
    return false
  }

  *wanted(): Generator<Wanted> {
    for (const demand of this.#demands)
      for (const want of this.#wantsOf(demand)) yield { want, arrival: demand.arrival }
  }

  /** Bytes came, or the resource was finished. */
  tell(): void {
    for (const demand of this.#demands) demand.changed()
  }

  /** The resource cannot be filled. */
  fail(error: Error): void {
    for (const demand of this.#demands) demand.fail(error)
  }

  /** The store does not take what is to be there for good. */
  failRanges(error: Error): void {
    for (const demand of this.#demands) {
      if (!(demand instanceof RangeDemand)) continue
      this.#demands.delete(demand)
      demand.fail(error)
    }
  }

  /** In source bytes, by whole chunks where nobody waits, and not past the end. */
  *#wantsOf(demand: Demand): Generator<Want> {
    const { chunkSize, isProcessed, source, arrived } = this.#options
    const total = source.total ?? Number.MAX_SAFE_INTEGER
    for (const want of demand.wants()) {
      // Everything before a byte has to go through the processor first.
      const start = isProcessed ? 0 : want.isForLength ? arrived.until(want.start) : want.start
      // A processor says by its end how long it is.
      const isToEnd = want.isForLength && isProcessed && source.isDeclared
      const wanted = isToEnd ? Number.MAX_SAFE_INTEGER - chunkSize : Math.max(want.end, start + 1)
      const ahead = isProcessed ? wanted + chunkSize : wanted
      // Or each small step of a reader would ask for as many bytes at the far end.
      const end = want.isAhead ? Math.floor(ahead / chunkSize) * chunkSize : ahead
      if (start < total) yield { ...want, start, end: Math.min(Math.max(end, start + 1), total) }
    }
  }
}
