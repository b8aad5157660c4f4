import type { ByteRange } from '@cistern/storage'
import { type Priority, rankOf } from './priority.js'
import type { Want, WantIndex } from './want-index.js'

/** Somebody who wants bytes of one resource. */
export type Demand = ReaderDemand | RangeDemand

let arrivals = 0
const nextArrival = (): number => ++arrivals

/** No wait ends behind this: it asks for the length. */
const LENGTH_ONLY = Number.MAX_SAFE_INTEGER - 1

/**
 * What a reader wants: first the bytes that it waits for, then what lies ahead of it. Before it has waited or read, it
 * wants nothing: who opens at 0 may be about to begin somewhere else.
 */
export class ReaderDemand {
  /** Position in the order of arrival, over all resources: of its last wait. */
  arrival: number = nextArrival()
  readonly #rank: number
  readonly #lookahead: number
  readonly #changed: () => void
  readonly #waits = new Set<Want>()
  #wants: WantIndex | undefined
  /** Where it reads; `undefined` before its first wait or read. */
  #position: number | undefined
  #ahead: Want | undefined

  /** `lookahead`: bytes. `changed` is told when what it wants may have become something else. */
  constructor(priority: Priority, lookahead: number, changed: () => void) {
    this.#rank = rankOf(priority)
    this.#lookahead = lookahead
    this.#changed = changed
  }

  /** From here on it is known there what it wants. */
  join(wants: WantIndex): void {
    this.#wants = wants
  }

  /** It wants nothing any more. */
  leave(): void {
    for (const wait of this.#waits) this.#wants?.delete(wait)
    if (this.#ahead) this.#wants?.delete(this.#ahead)
    this.#waits.clear()
    this.#wants = this.#ahead = undefined
  }

  /** Returns what ends the wait. */
  wait(start: number, end: number): () => void {
    this.arrival = nextArrival()
    if (start < LENGTH_ONLY) this.#stand(start)
    const want = this.#wantFor(start, end)
    this.#waits.add(want)
    this.#wants?.add(want, this)
    this.#changed()
    return () => {
      if (this.#waits.delete(want)) this.#wants?.delete(want)
    }
  }

  read(position: number): void {
    const before = this.#position
    this.#stand(position)
    if (before === undefined || position < before || position - before > this.#lookahead / 4) this.#changed()
    else if (Math.floor(position / LOOK_BYTES) !== Math.floor(before / LOOK_BYTES)) this.#changed()
  }

  #wantFor(start: number, end: number): Want {
    const rank = this.#rank
    if (start < LENGTH_ONLY) return { start, end, rank }
    // Any byte tells the length, and the next one that is read is the best of them.
    const from = this.#position ?? 0
    return { start: from, end: from + 1, rank, isForLength: true }
  }

  /** Nobody waits for what lies ahead. */
  #stand(position: number): void {
    this.#position = position
    if (this.#ahead) this.#wants?.delete(this.#ahead)
    const rank = Math.max(this.#rank, rankOf('high'))
    this.#ahead = { start: position, end: position + this.#lookahead, rank, isAhead: true }
    this.#wants?.add(this.#ahead, this)
  }
}

/** A reader tells of its progress this often: what is wanted changes by whole chunks only. */
const LOOK_BYTES = 256 * 1024

/** Ranges that are to be there, whether somebody reads them or not. */
export class RangeDemand {
  /** Position in the order of arrival, over all resources. */
  readonly arrival: number = nextArrival()
  readonly done: Promise<void>
  readonly #wanted: readonly Want[]
  readonly #isMet: () => boolean
  #wants: WantIndex | undefined
  #resolve: () => void = () => undefined
  #reject: (error: Error) => void = () => undefined

  constructor(priority: Priority, ranges: readonly ByteRange[], isMet: () => boolean) {
    const rank = rankOf(priority)
    this.#wanted = ranges.map(({ start, end }) => ({ start, end, rank, limit: end }))
    this.#isMet = isMet
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.done.catch(() => undefined) // nobody may be listening yet
  }

  /** From here on it is known there what it wants. */
  join(wants: WantIndex): void {
    this.#wants = wants
    for (const want of this.#wanted) wants.add(want, this)
  }

  /** It wants nothing any more. */
  leave(): void {
    for (const want of this.#wanted) this.#wants?.delete(want)
    this.#wants = undefined
  }

  /** The resource cannot be filled, or not for good. */
  fail(error: Error): void {
    this.#reject(error)
  }

  /** Bytes came, or the resource was finished. */
  changed(): void {
    if (this.#isMet()) this.#resolve()
  }
}
