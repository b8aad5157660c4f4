import { RangeSet, type ReadonlyRangeSet, type Resumable, wakeTurns } from '@cistern/storage'

interface Segment {
  readonly start: number
  readonly bytes: Uint8Array
}

/** Memory that the windows of one filler share. */
export class WindowBudget {
  readonly limit: number
  used = 0

  constructor(limit: number) {
    this.limit = limit
  }
}

/** Somebody who waits for what may come to pass here. */
export interface WindowWait {
  /** There is something to look at. */
  readonly isMet: () => boolean
  /** Called once, in a turn of the event loop that has room for it: by then it may be gone again. */
  readonly look: () => void
}

/** Bytes that the store would not take, held in memory until the readers that want them have read them. */
export class PassingWindow implements Resumable {
  readonly #budget: WindowBudget
  #segments: Segment[] = []
  #coverage = new RangeSet()
  readonly #waits = new Set<WindowWait>()
  /** Waits that have their turn to come. */
  readonly #due = new Set<WindowWait>()
  readonly #passing = new Set<() => void>()

  constructor(budget: WindowBudget) {
    this.#budget = budget
  }

  get coverage(): ReadonlyRangeSet {
    return this.#coverage
  }

  /** No more than this can ever be there at once. */
  get limit(): number {
    return this.#budget.limit
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0
  }

  /** Asks whether it is met when bytes come; when all go, it is. Returns what takes it back. */
  wait(wait: WindowWait): () => void {
    this.#waits.add(wait)
    return () => {
      this.#waits.delete(wait)
      this.#due.delete(wait)
    }
  }

  resume(): void {
    for (const wait of this.#due) {
      if (!wakeTurns.take()) return wakeTurns.resumeLater(this)
      this.#due.delete(wait)
      wait.look()
    }
  }

  /** Resolves when a reader has gone on: there may be room. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#passing.add(resolve))
  }

  tellRoom(): void {
    for (const resolve of this.#passing) resolve()
    this.#passing.clear()
  }

  #wake(isDue: (wait: WindowWait) => boolean): void {
    for (const wait of this.#waits) {
      if (!isDue(wait)) continue
      this.#waits.delete(wait)
      this.#due.add(wait)
    }
    this.resume()
  }

  /** `false`: there is no room; one piece finds it in any window that is empty. `bytes` are kept as they are. */
  put(start: number, bytes: Uint8Array): boolean {
    if (this.#budget.used + bytes.length > this.#budget.limit && !this.isEmpty) return false
    this.#segments.push({ start, bytes })
    this.#coverage.insert(start, start + bytes.length)
    this.#budget.used += bytes.length
    this.#wake(({ isMet }) => isMet())
    return true
  }

  /** Drops what nobody wants any more; `false` where there was nothing of that. */
  keep(isWanted: (start: number, end: number) => boolean): boolean {
    const { length } = this.#segments
    this.#replace(this.#segments.filter(({ start, bytes }) => isWanted(start, start + bytes.length)))
    return this.#segments.length < length
  }

  /** Drops what has been there longest: somebody waits for other bytes. */
  dropOldest(): void {
    this.#replace(this.#segments.slice(1))
  }

  clear(): void {
    this.#replace([])
    this.tellRoom()
    this.#wake(() => true)
  }

  /** Bytes from `position` on, as many as one piece has; 0 where there are none. */
  read(position: number, target: Uint8Array): number {
    for (const { start, bytes } of this.#segments) {
      if (position < start || position >= start + bytes.length) continue
      const piece = bytes.subarray(position - start, position - start + target.length)
      target.set(piece)
      return piece.length
    }
    return 0
  }

  #replace(segments: Segment[]): void {
    if (segments.length === this.#segments.length) return
    // Of the pieces, not of what they cover: two fetches may have brought some bytes twice.
    this.#budget.used += bytesOf(segments) - bytesOf(this.#segments)
    this.#segments = segments
    this.#coverage = new RangeSet()
    for (const { start, bytes } of segments) this.#coverage.insert(start, start + bytes.length)
  }
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
