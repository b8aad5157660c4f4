import { MAX_TIMER_MS } from '@cistern/assets'
import type { Bandwidth } from './bandwidth.js'
import { isBefore } from './choice.js'
import { Fetch, type FetchHost } from './fetch.js'
import type { Filling, Work } from './filling.js'

export interface ScheduleOptions {
  readonly concurrency: number
  readonly perOrigin: number
  readonly chunkSize: number
  readonly bandwidth: Bandwidth | undefined
  received(fetch: Fetch, bytes: number): void
  requested(fetch: Fetch): void
}

/**
 * Which bytes are fetched next: asked of coverage and demand whenever either changes or a slot is free. What runs goes on
 * only while somebody wants its next bytes.
 */
export class Schedule implements FetchHost {
  readonly chunkSize: number
  readonly running: Set<Fetch> = new Set()
  readonly #options: ScheduleOptions
  readonly #fillings: ReadonlySet<Filling>
  #due: NodeJS.Immediate | undefined
  #isClosed = false
  #timer: NodeJS.Timeout | undefined
  /** When it goes off, by `performance.now()`. */
  #timerAt = Number.POSITIVE_INFINITY

  constructor(fillings: ReadonlySet<Filling>, options: ScheduleOptions) {
    this.#fillings = fillings
    this.#options = options
    this.chunkSize = options.chunkSize
  }

  /** Once for all that changes in one turn of the event loop: a thousand readers may go on in it. */
  review(): void {
    if (this.#isClosed) return
    this.#due ??= setImmediate(() => {
      this.#due = undefined
      this.#review()
    })
  }

  reviewWithin(ms: number): void {
    const at = performance.now() + ms
    if (!this.#isClosed && at < this.#timerAt) this.#wakeAt(at, ms)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearImmediate(this.#due)
    for (const fetch of this.running) fetch.stop()
  }

  goesOn(fetch: Fetch): boolean {
    const rank = fetch.filling.rankAt(fetch.position)
    if (rank === undefined) return false
    const other = this.#best(performance.now())
    return other === undefined || this.#isFree(other) || other.rank >= rank
  }

  admit(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    return this.#options.bandwidth?.take(bytes, signal)
  }

  received(fetch: Fetch, bytes: number): void {
    this.#options.received(fetch, bytes)
  }

  ended(fetch: Fetch): void {
    this.running.delete(fetch)
    fetch.filling.fetches.delete(fetch)
    this.review()
  }

  #review(): void {
    for (const filling of this.#fillings) filling.settleMoves()
    for (const fetch of this.running) if (!this.#isWanted(fetch)) fetch.stop()
    // One look at the clock: what is blocked by it is what has to be woken for.
    const now = performance.now()
    for (let work = this.#best(now); work && this.#makeRoom(work); work = this.#best(now)) this.#start(work)
    this.#wakeLater(now)
  }

  #isWanted(fetch: Fetch): boolean {
    const { filling, position } = fetch
    if (fetch.isSequential) return filling.isWanted(0, Number.MAX_SAFE_INTEGER)
    return filling.isWanted(position, fetch.nextEnd)
  }

  #best(now: number): Work | undefined {
    let best: Work | undefined
    for (const filling of this.#fillings) {
      const work = filling.best(now)
      if (work === undefined || (best !== undefined && !isBefore(work.rank, work.arrival, best))) continue
      // One that has to wait for others of its origin is in nobody's way.
      if (work.rank === 0 || this.#isFree(work)) best = work
    }
    return best
  }

  #isFree({ filling }: Work): boolean {
    return this.running.size < this.#options.concurrency && this.#atOrigin(filling).length < this.#options.perOrigin
  }

  #atOrigin({ source: { origin } }: Filling): Fetch[] {
    if (origin === undefined) return []
    return [...this.running].filter(({ filling }) => filling.source.origin === origin)
  }

  /** A free slot, or, for bytes that somebody waits for, one of those that nobody waits for. */
  #makeRoom(work: Work): boolean {
    if (this.#isFree(work)) return true
    if (work.rank > 0) return false
    const atOrigin = this.#atOrigin(work.filling)
    const among = atOrigin.length >= this.#options.perOrigin ? atOrigin : [...this.running]
    let victim: Fetch | undefined
    let worst = 0
    for (const fetch of among) {
      const rank = fetch.filling.rankAt(fetch.position) ?? Number.MAX_SAFE_INTEGER
      if (rank > worst) [victim, worst] = [fetch, rank]
    }
    victim?.stop()
    return victim !== undefined && this.#isFree(work)
  }

  #start({ filling, start, end, rank }: Work): void {
    for (const other of filling.fetches)
      if (other.position < start && start < (other.end ?? Infinity)) other.end = start
    // Where others are free to go on behind it, one chunk; the last slot goes on for as long as that is the best there is.
    const border = (Math.floor(start / this.chunkSize) + 1) * this.chunkSize
    const isLast = this.running.size + 1 >= this.#options.concurrency
    const fetch = new Fetch(filling, this, { start, end: isLast ? end : Math.min(end ?? border, border), rank })
    this.running.add(fetch)
    filling.fetches.add(fetch)
    this.#options.requested(fetch)
    void fetch.run()
  }

  /** When the first of those that failed may be tried again. */
  #wakeLater(now: number): void {
    clearTimeout(this.#timer)
    this.#timerAt = Number.POSITIVE_INFINITY
    const times = [...this.#fillings].map((filling) => filling.nextAt(now)).filter((at) => at !== undefined)
    if (times.length === 0) return
    const at = Math.min(...times)
    this.#wakeAt(at, Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(at - now))))
  }

  #wakeAt(at: number, ms: number): void {
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(() => this.review(), ms)
  }
}
