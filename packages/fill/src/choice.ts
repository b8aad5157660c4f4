import type { Arrived } from './arrived.js'
import type { Demands } from './demands.js'
import type { Failures } from './failures.js'
import type { Fetch } from './fetch.js'
import type { KnownSource } from './known-source.js'
import type { Want } from './want-index.js'

/** Bytes that nobody fetches: the first of them, where they have to end, and how urgent they are. */
export interface Chosen {
  readonly start: number
  /** Where bytes begin that are there, or on their way; `undefined`: nobody knows where it ends. */
  readonly end: number | undefined
  readonly rank: number
  readonly arrival: number
}

/** What is chosen from. */
export interface ChoiceOptions {
  readonly chunkSize: number
  readonly demands: Demands
  readonly arrived: Arrived
  readonly source: KnownSource
  readonly failures: Failures
  readonly fetches: ReadonlySet<Fetch>
}

/** What is to be fetched next of one resource. */
export class Choice {
  readonly #options: ChoiceOptions

  constructor(options: ChoiceOptions) {
    this.#options = options
  }

  /** The most urgent work that nobody does and that may be begun now. */
  best(now: number): Chosen | undefined {
    const { source, fetches, failures, demands, arrived } = this.#options
    if (source.isSequential && (fetches.size > 0 || failures.isBlocked(0, now))) return undefined
    if (failures.isAllBlocked(now)) return undefined // or each chunk would be asked for it, of what may have no end
    let best: Chosen | undefined
    for (const { want, arrival } of demands.wanted()) {
      if (best !== undefined && !isBefore(want.rank, arrival, best)) continue
      const start = this.#firstFree(want, now)
      if (start === undefined) continue
      // The first answer tells what there is to ask for. Only who waits for a byte does not wait for that.
      const isBlind = fetches.size > 0 && (!source.isDeclared || source.total === undefined)
      if (isBlind && (want.rank > 0 || start !== want.start)) continue
      // Behind a chunk that has to be tried again there may be nothing.
      if (source.total === undefined && start !== arrived.until(want.start)) continue
      best = this.#from(start, want, arrival)
    }
    return best
  }

  #from(start: number, { rank, limit }: Want, arrival: number): Chosen {
    const { source, fetches, arrived } = this.#options
    if (source.isSequential) return { start: 0, end: undefined, rank, arrival }
    let end = arrived.gapEnd(start, Math.min(limit ?? Number.MAX_SAFE_INTEGER, source.total ?? Number.MAX_SAFE_INTEGER))
    for (const { position } of fetches) if (position > start) end = Math.min(end, position)
    return { start, end: end === Number.MAX_SAFE_INTEGER ? undefined : end, rank, arrival }
  }

  #firstFree({ start, end, rank }: Want, now: number): number | undefined {
    const { chunkSize, arrived, failures, fetches } = this.#options
    for (let at = start; at < end; ) {
      const there = arrived.until(at)
      if (there > at) {
        at = there
        continue
      }
      const chunk = Math.floor(at / chunkSize)
      if (failures.isBlocked(chunk, now)) {
        at = (chunk + 1) * chunkSize
        continue
      }
      let claimed = at
      for (const fetch of fetches)
        if (at >= fetch.position && at < fetch.claimedEnd(rank === 0)) claimed = fetch.claimedEnd(rank === 0)
      if (claimed === at) return at
      at = claimed
    }
    return undefined
  }
}

/** More urgent, or as urgent and here before. */
export function isBefore(
  rank: number,
  arrival: number,
  other: { readonly rank: number; readonly arrival: number },
): boolean {
  return rank < other.rank || (rank === other.rank && arrival < other.arrival)
}
