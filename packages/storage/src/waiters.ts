import { meld, nodesOf, pop, single } from './leftist-heap.js'
import type { Wait } from './wait.js'

/**
 * Who waits for which bytes. Waits stand in cells by the first uncovered position in their way, and within a cell in a
 * heap by the end they wait for. A write that covers [a, b) takes the cells in it, pops what is satisfied, and melds the
 * rest into the cell where coverage ends now: O(log n + woken), whatever the number that waits.
 */
export class Waiters {
  /** Positions of the cells, sorted, and of some that are gone: removing each at once would move all those behind it. */
  #positions: number[] = []
  readonly #cells = new Map<number, Wait>()
  /** Waits for the length or the commit: few, and woken all at once. */
  readonly #milestones = new Set<Wait>()
  /** Waits in the cells; those cancelled are left in their heap until most are like them. */
  #standing = 0
  #dead = 0
  #serial = 0

  /** Pending waits. */
  get size(): number {
    return this.#standing - this.#dead + this.#milestones.size
  }

  addMilestone(wait: Wait): void {
    this.#milestones.add(wait)
  }

  /** `position`: the first uncovered one in the way of `wait`. */
  add(wait: Wait, position: number): void {
    wait.serial = this.#serial++
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
    while (heap !== undefined && (heap.settled || heap.limit <= coveredEnd)) {
      const next: Wait = heap
      heap = pop(heap)
      this.#standing--
      if (next.settled) this.#dead--
      else next.resolve('ready')
    }
    // Many at once are worth moving the rest; one is left to be swept with others.
    if (after - first > 1) positions.splice(first, after - first)
    if (heap !== undefined) this.#put(heap, coveredEnd)
    this.#sweep()
  }

  /** Takes out all, in the order of their ends, to be placed anew: the length became known, or coverage shrank. */
  takeAll(): Wait[] {
    const waits = [...this.#milestones]
    for (const heap of this.#cells.values()) for (const wait of nodesOf(heap)) waits.push(wait)
    this.#milestones.clear()
    this.#cells.clear()
    this.#positions = []
    this.#standing = this.#dead = 0
    return waits.filter((wait) => !wait.settled).sort((a, b) => a.limit - b.limit || a.serial - b.serial)
  }

  /** `wait`, which stands here, was settled from outside. */
  cancelled(wait: Wait): void {
    if (this.#milestones.delete(wait)) return
    this.#dead++
    if (this.#dead > 32 && this.#dead * 2 > this.#standing) this.#bury()
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
