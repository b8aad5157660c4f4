import type { ByteRange } from '@cistern/storage'
import { type Priority, rankOf } from './priority.js'

/** Bytes that somebody wants, half-open, and how urgently. */
export interface Want extends ByteRange {
  /** 0 is the most urgent. */
  readonly rank: number
  /** Nobody waits for it: whole chunks will do. */
  readonly isAhead?: boolean
  /** Any byte will do, as long as the length comes of it. */
  readonly isForLength?: boolean
  /** Nothing behind this is to be asked for along with it. */
  readonly limit?: number
}

/** Somebody who wants bytes of one resource. Asked anew for each choice: nothing of it is kept anywhere else. */
export interface Demand {
  /** Position in the order of arrival, over all resources. */
  readonly arrival: number
  wants(): Iterable<Want>
  /** The resource cannot be filled. */
  fail(error: Error): void
  /** Bytes came, or the resource was finished. */
  changed(): void
}

let arrivals = 0
const nextArrival = (): number => ++arrivals

/** No wait ends behind this: it asks for the length. */
const LENGTH_ONLY = Number.MAX_SAFE_INTEGER - 1

/**
 * What a reader wants: first the bytes that it waits for, then what lies ahead of it. Before it has waited or read, it
 * wants nothing: who opens at 0 may be about to begin somewhere else.
 */
export class ReaderDemand implements Demand {
  arrival: number = nextArrival()
  /** Where it reads; `undefined` before its first wait or read. */
  position: number | undefined
  readonly #rank: number
  readonly #lookahead: number
  readonly #waits = new Set<ByteRange>()
  readonly #changed: () => void

  /** `lookahead`: bytes. `changed` is told when what it wants may have become something else. */
  constructor(priority: Priority, lookahead: number, changed: () => void) {
    this.#rank = rankOf(priority)
    this.#lookahead = lookahead
    this.#changed = changed
  }

  get isWaiting(): boolean {
    return this.#waits.size > 0
  }

  /** Returns what ends the wait. */
  wait(start: number, end: number): () => void {
    const range = { start, end }
    this.#waits.add(range)
    if (start < LENGTH_ONLY) this.position = start
    this.arrival = nextArrival()
    this.#changed()
    return () => {
      this.#waits.delete(range)
    }
  }

  read(position: number): void {
    const before = this.position
    this.position = position
    if (before === undefined || position < before || position - before > this.#lookahead / 4) this.#changed()
    else if (Math.floor(position / LOOK_BYTES) !== Math.floor(before / LOOK_BYTES)) this.#changed()
  }

  *wants(): Generator<Want> {
    for (const { start, end } of this.#waits) {
      // Any byte tells the length, and the next one that is read is the best of them.
      const from = start < LENGTH_ONLY ? start : (this.position ?? 0)
      if (start < LENGTH_ONLY) yield { start: from, end, rank: this.#rank }
      else yield { start: from, end: from + 1, rank: this.#rank, isForLength: true }
    }
    const { position } = this
    // Nobody waits for what lies ahead.
    if (position !== undefined)
      yield {
        start: position,
        end: position + this.#lookahead,
        rank: Math.max(this.#rank, rankOf('high')),
        isAhead: true,
      }
  }

  fail(): void {
    // It waits at the store's reader, and hears of it there.
  }

  changed(): void {
    // As above.
  }
}

/** A reader tells of its progress this often: what is wanted changes by whole chunks only. */
const LOOK_BYTES = 256 * 1024

/** Ranges that are to be there, whether somebody reads them or not. */
export class RangeDemand implements Demand {
  readonly arrival: number = nextArrival()
  readonly done: Promise<void>
  readonly #rank: number
  readonly #ranges: readonly ByteRange[]
  readonly #isMet: () => boolean
  #resolve: () => void = () => undefined
  #reject: (error: Error) => void = () => undefined

  constructor(priority: Priority, ranges: readonly ByteRange[], isMet: () => boolean) {
    this.#rank = rankOf(priority)
    this.#ranges = ranges
    this.#isMet = isMet
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.done.catch(() => undefined) // nobody may be listening yet
  }

  *wants(): Generator<Want> {
    for (const { start, end } of this.#ranges) yield { start, end, rank: this.#rank, limit: end }
  }

  fail(error: Error): void {
    this.#reject(error)
  }

  changed(): void {
    if (this.#isMet()) this.#resolve()
  }
}
