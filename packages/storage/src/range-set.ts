import { InvalidRangeError } from './errors.js'
import { checkPosition, checkRange } from './positions.js'
import type { ByteRange, ReadonlyRangeSet } from './types.js'

/**
 * Which bytes there are: sorted, disjoint, coalesced half-open ranges. Look-ups are O(log n) in the number of runs,
 * inserting at the end O(1) amortised.
 */
export class RangeSet implements ReadonlyRangeSet {
  // Two parallel arrays of numbers: no object per run, and bisection touches one of them.
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  #size = 0

  /** Reads what `toFlat` gave. Throws InvalidRangeError for anything unsorted, overlapping, empty, negative or unsafe. */
  static fromFlat(flat: readonly number[]): RangeSet {
    if (flat.length % 2 !== 0) throw new InvalidRangeError(`a flat range set has pairs, not ${flat.length} numbers`)
    const set = new RangeSet()
    let last = 0
    for (let i = 0; i < flat.length; i += 2) {
      const start = flat[i] as number
      const end = flat[i + 1] as number
      checkRange(start, end)
      if (start === end) throw new InvalidRangeError(`empty range at ${start}`)
      if (start < last)
        throw new InvalidRangeError(`range at ${start} begins before ${last}, the end of the one before`)
      set.insert(start, end)
      last = end
    }
    return set
  }

  get size(): number {
    return this.#size
  }

  /** The end of the last run, 0 when nothing is covered. */
  get end(): number {
    return this.#ends.at(-1) ?? 0
  }

  has(start: number, end: number): boolean {
    return start >= end || this.coveredEnd(start) >= end
  }

  coveredEnd(position: number): number {
    const i = this.#endingAfter(position)
    // `<=` with undefined is false: past the last run nothing is covered.
    return (this.#starts[i] as number) <= position ? (this.#ends[i] as number) : position
  }

  /** Covered bytes within [start, end). */
  count(start: number, end: number): number {
    let covered = 0
    for (let i = this.#endingAfter(start); i < this.#starts.length; i++) {
      const from = this.#starts[i] as number
      if (from >= end) break
      covered += Math.min(this.#ends[i] as number, end) - Math.max(from, start)
    }
    return covered
  }

  *gaps(start: number, end: number): Generator<ByteRange, void, undefined> {
    let gap = this.nextGap(start, end)
    while (gap !== undefined) {
      yield gap
      gap = this.nextGap(gap.end, end)
    }
  }

  nextGap(from: number, limit: number): ByteRange | undefined {
    const start = this.coveredEnd(from)
    if (start >= limit) return undefined
    const next = this.nextCovered(start)
    return { start, end: next === undefined || next.start > limit ? limit : next.start }
  }

  /** The first run that begins after `position`. */
  nextCovered(position: number): ByteRange | undefined {
    let i = this.#endingAfter(position)
    if ((this.#starts[i] as number) <= position) i++
    return i < this.#starts.length ? { start: this.#starts[i] as number, end: this.#ends[i] as number } : undefined
  }

  toFlat(): number[] {
    const flat = new Array<number>(this.#starts.length * 2)
    for (let i = 0; i < this.#starts.length; i++) {
      flat[2 * i] = this.#starts[i] as number
      flat[2 * i + 1] = this.#ends[i] as number
    }
    return flat
  }

  /** Covers [start, end); true when anything new was covered. */
  insert(start: number, end: number): boolean {
    checkRange(start, end)
    if (start === end) return false
    const runs = this.#starts.length
    const last = this.end
    // Bytes mostly arrive in order: the last run grows, or one begins behind it.
    if (runs > 0 && start === last) this.#ends[runs - 1] = end
    else if (runs === 0 || start > last) {
      this.#starts.push(start)
      this.#ends.push(end)
    } else return this.#insertWithin(start, end)
    this.#size += end - start
    return true
  }

  /** Uncovers [start, end); true when any of it was covered. `end` may be Infinity. */
  delete(start: number, end: number): boolean {
    checkPosition(start, 'start')
    if (!(start < end)) return false
    const first = this.#endingAfter(start)
    let after = first
    const starts: number[] = []
    const ends: number[] = []
    while (after < this.#starts.length && (this.#starts[after] as number) < end) {
      const from = this.#starts[after] as number
      const to = this.#ends[after] as number
      this.#size -= Math.min(to, end) - Math.max(from, start)
      if (from < start) {
        starts.push(from)
        ends.push(start)
      }
      if (to > end) {
        starts.push(end)
        ends.push(to)
      }
      after++
    }
    if (after === first) return false
    this.#starts.splice(first, after - first, ...starts)
    this.#ends.splice(first, after - first, ...ends)
    return true
  }

  /** The runs, in order. */
  *[Symbol.iterator](): Generator<ByteRange, void, undefined> {
    for (let i = 0; i < this.#starts.length; i++) {
      yield { start: this.#starts[i] as number, end: this.#ends[i] as number }
    }
  }

  #insertWithin(start: number, end: number): boolean {
    // Runs that touch [start, end), also only at an edge, become one.
    const first = start === 0 ? 0 : this.#endingAfter(start - 1)
    let from = start
    let to = end
    let covered = 0
    let after = first
    while (after < this.#starts.length && (this.#starts[after] as number) <= end) {
      from = Math.min(from, this.#starts[after] as number)
      to = Math.max(to, this.#ends[after] as number)
      covered += (this.#ends[after] as number) - (this.#starts[after] as number)
      after++
    }
    if (covered === to - from) return false
    this.#size += to - from - covered
    this.#starts.splice(first, after - first, from)
    this.#ends.splice(first, after - first, to)
    return true
  }

  /** Index of the first run that ends after `position`. */
  #endingAfter(position: number): number {
    const ends = this.#ends
    let low = 0
    let high = ends.length
    // Readers follow the writer: most questions are about the last run or what comes behind it.
    if (high > 0 && (ends[high - 1] as number) <= position) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ends[middle] as number) <= position) low = middle + 1
      else high = middle
    }
    return low
  }
}
