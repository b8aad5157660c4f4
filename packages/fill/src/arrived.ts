import { type ByteRange, RangeSet, type ReadonlyRangeSet } from '@cistern/storage'
import type { PassingWindow } from './passing-window.js'

/** Which bytes of a source nobody has to fetch: those in the store, on their way into it, or passing through memory. */
export class Arrived {
  /** Written, and not settled. */
  readonly landing: RangeSet = new RangeSet()
  readonly #window: PassingWindow
  readonly #received: () => ReadonlyRangeSet

  constructor(window: PassingWindow, received: () => ReadonlyRangeSet) {
    this.#window = window
    this.#received = received
  }

  /** The position behind the last byte that the store has, or is given. */
  get end(): number {
    return Math.max(this.#received().toFlat().at(-1) ?? 0, this.landing.end)
  }

  /** The first position from `at` on that is missing. */
  until(at: number): number {
    const [received, passing] = [this.#received().coveredEnd(at), this.#window.coverage.coveredEnd(at)]
    return Math.max(received, passing, this.landing.coveredEnd(at))
  }

  /** Where the gap ends that begins at `start`; `limit` where nothing before it has come. */
  gapEnd(start: number, limit: number): number {
    let end = this.#received().nextGap(start, limit)?.end ?? limit
    for (const each of [this.landing, this.#window.coverage]) end = each.nextGap(start, end)?.end ?? end
    return end
  }

  /** What of [start, end) neither is in the store nor on its way there. */
  missing(start: number, end: number): ByteRange[] {
    const first = this.#received().nextGap(start, end)
    // As it mostly is: none of it has come.
    if (first?.start === start && first.end === end && this.landing.count(start, end) === 0) return [first]
    return [...this.#received().gaps(start, end)].flatMap((gap) => [...this.landing.gaps(gap.start, gap.end)])
  }
}
