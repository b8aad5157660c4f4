import { meld, nodesOf, pop, single } from './leftist-heap.js'
import { type Resumable, wakeTurns } from './turns.js'
import type { Wait } from './wait.js'

/** What becomes of a wait, as things stand. */
export type Verdict = { readonly outcome: unknown } | { readonly error: Error }

/** Judges waits that are looked at anew. */
export interface WaitJudge {
  /** `undefined`: it goes on waiting. */
  judge(wait: Wait): Verdict | undefined
  /** Has it stand where the next write finds it. */
  stand(wait: Wait): void
}

/**
 * Who waits for which bytes. Waits stand in cells by the first uncovered position in their way, and within a cell in a
 * heap by the end they wait for. A write that covers [a, b) takes the cells in it, pops what is satisfied, and melds the
 * rest into the cell where coverage ends now: O(log n + woken), whatever the number that waits.
 *
 * No more are settled in one turn of the event loop than that has room for. Those left over stand where they stood, so
 * that whatever happens before their turn finds them: bytes that are dropped again, a failure, a close, an abort.
 */
export class Waiters implements Resumable {
  readonly #judge: WaitJudge
  /** Positions of the cells, sorted, and of some that are gone: removing each at once would move all those behind it. */
  #positions: number[] = []
  readonly #cells = new Map<number, Wait>()
  /** Waits for the length or the commit: few, and woken all at once. */
  readonly #milestones = new Set<Wait>()
  /** Waits in the cells; those cancelled are left in their heap until most are like them. */
  #standing = 0
  #dead = 0
  #serial = 0
  /** Cells with waits that are satisfied already, and have their turn to come. */
  readonly #due = new Set<number>()
  /** Waits that are to be looked at anew, in order, and how many of them have been. */
  #anew: readonly Wait[] = []
  #seen = 0

  constructor(judge: WaitJudge) {
    this.#judge = judge
  }

  /** Pending waits. */
  get size(): number {
    return this.#standing - this.#dead + this.#milestones.size + this.#anew.length - this.#seen
  }

  addMilestone(wait: Wait): void {
    this.#milestones.add(wait)
  }

  /** `position`: the first uncovered one in the way of `wait`. */
  add(wait: Wait, position: number): void {
    wait.serial = this.#serial++
    wait.inCell = true
    this.#standing++
    this.#put(single(wait), position)
  }

  /** [start, coveredEnd) is covered now, all of it. Wakes those it satisfies, in the order of their ends. */
  wake(start: number, coveredEnd: number): void {
    const positions = this.#positions
    if (positions.length === 0 || (positions.at(-1) as number) < start) return
    const first = this.#lowerBound(start)
    let after = first
    let heap: Wait | undefined
    for (; after < positions.length && (positions[after] as number) < coveredEnd; after++) {
      heap = meld(heap, this.#take(positions[after] as number))
    }
    // Many at once are worth moving the rest; one is left to be swept with others.
    if (after - first > 1) positions.splice(first, after - first)
    this.#settle(heap, coveredEnd)
    this.#sweep()
  }

  /** Looks at all anew: the length became known, coverage shrank, or nobody writes any more. */
  lookAnew(): void {
    this.#anew = this.takeAll()
    this.#lookOn()
  }

  /** Settles what has its turn now. */
  resume(): void {
    // Before those that are satisfied: a failure, or a length, is not to wait until all of these are served.
    if (!this.#lookOn()) return
    for (const position of this.#due) {
      this.#settle(this.#take(position), position)
      if (this.#due.has(position)) return
    }
    this.#sweep()
  }

  /** Takes out all, in the order of their ends, to be placed anew: the length became known, or coverage shrank. */
  takeAll(): Wait[] {
    const waits = [...this.#anew.slice(this.#seen), ...this.#milestones]
    for (const heap of this.#cells.values()) for (const wait of nodesOf(heap)) waits.push(wait)
    for (const wait of waits) wait.inCell = false
    this.#milestones.clear()
    this.#cells.clear()
    this.#due.clear()
    this.#anew = []
    this.#seen = 0
    this.#positions = []
    this.#standing = this.#dead = 0
    return waits.filter((wait) => !wait.settled).sort((a, b) => a.limit - b.limit || a.serial - b.serial)
  }

  /** `wait`, which stands here, was settled from outside. */
  cancelled(wait: Wait): void {
    if (this.#milestones.delete(wait) || !wait.inCell) return
    this.#dead++
    if (this.#dead > 32 && this.#dead * 2 > this.#standing) this.#bury()
  }

  /** Everything up to `position` is covered for those in `heap`: wakes the satisfied, has the rest stand there. */
  #settle(heap: Wait | undefined, position: number): void {
    let rest = heap
    while (rest !== undefined && (rest.settled || rest.limit <= position)) {
      const next: Wait = rest
      if (!next.settled && !wakeTurns.take()) {
        this.#due.add(position)
        wakeTurns.resumeLater(this)
        break
      }
      rest = pop(rest)
      next.inCell = false
      this.#standing--
      if (next.settled) this.#dead--
      else next.resolve('ready')
    }
    if (rest !== undefined) this.#put(rest, position)
  }

  /** `false`: there are more, and no room in this turn. */
  #lookOn(): boolean {
    for (; this.#seen < this.#anew.length; this.#seen++) {
      const wait = this.#anew[this.#seen] as Wait
      if (wait.settled) continue
      const verdict = this.#judge.judge(wait)
      if (verdict === undefined) this.#judge.stand(wait)
      else if (!wakeTurns.take()) {
        wakeTurns.resumeLater(this)
        return false
      } else if ('error' in verdict) wait.reject(verdict.error)
      else wait.resolve(verdict.outcome)
    }
    this.#anew = []
    this.#seen = 0
    return true
  }

  /** Drops the cancelled. */
  #bury(): void {
    for (const [position, heap] of [...this.#cells]) {
      this.#cells.delete(position)
      for (const wait of nodesOf(heap)) if (!wait.settled) this.#put(single(wait), position)
    }
    this.#standing -= this.#dead
    this.#dead = 0
    this.#sweep()
  }

  #put(heap: Wait, position: number): void {
    const there = this.#cells.get(position)
    this.#cells.set(position, meld(there, heap) as Wait)
    if (there !== undefined) return
    const at = this.#lowerBound(position)
    if (this.#positions[at] !== position) this.#positions.splice(at, 0, position)
  }

  #take(position: number): Wait | undefined {
    const heap = this.#cells.get(position)
    if (heap !== undefined) this.#cells.delete(position)
    this.#due.delete(position)
    return heap
  }

  /** Forgets the positions of cells that are gone, once they are the most. */
  #sweep(): void {
    if (this.#positions.length < 32 + 2 * this.#cells.size) return
    this.#positions = this.#positions.filter((position) => this.#cells.has(position))
  }

  #lowerBound(position: number): number {
    const positions = this.#positions
    let low = 0
    let high = positions.length
    if (high > 0 && (positions[high - 1] as number) < position) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((positions[middle] as number) < position) low = middle + 1
      else high = middle
    }
    return low
  }
}
