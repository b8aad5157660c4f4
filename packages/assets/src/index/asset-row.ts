import { compare, LEAF_MAX, Leaf, sortKey } from './leaf.js'

/** What the index keeps of one asset, packed or not. */
export class AssetRow {
  readonly name: string
  /** Clock of its last use; 0 when none is on record. */
  use = 0
  /** Bytes it occupies now, unrecorded ones included. */
  bytes = 0
  /** Resources on record. */
  resources = 0
  /** Resources that are there but not on record yet. */
  unrecorded = 0
  pinned = false
  leases = 0
  older: AssetRow | undefined
  newer: AssetRow | undefined
  /** Lower-cased file names that differ from their key's path, with that path; most assets have none. */
  names: Map<string, string> | undefined
  readonly leaves: Leaf[] = [new Leaf('')]

  constructor(name: string) {
    this.name = name
  }

  /** Bytes alone keep a row, too: those of a generation that nobody sees before its commit. */
  get isEmpty(): boolean {
    return this.resources + this.unrecorded === 0 && !this.pinned && this.leases === 0 && this.bytes === 0
  }

  /** Eviction passes it by. */
  get isHeld(): boolean {
    return this.pinned || this.leases > 0
  }

  /** The leaf that holds `path`, or would. */
  leafOf(path: string): Leaf {
    return this.leaves[this.#indexOf(sortKey(path))] as Leaf // there is always a first leaf, and its key is ''
  }

  /** Leaves from the one that holds sort key `from` on. */
  *leavesFrom(from: string): Generator<Leaf> {
    for (let i = this.#indexOf(from); i < this.leaves.length; i++) yield this.leaves[i] as Leaf
  }

  /** Splits a leaf that grew past its measure, drops one that emptied. */
  rebalance(leaf: Leaf): void {
    const at = this.leaves.indexOf(leaf, Math.max(0, this.#indexOf(leaf.first) - 1))
    if (leaf.count > LEAF_MAX) {
      const upper = leaf.split()
      this.leaves.splice(at + 1, 0, upper)
      if (upper.count > LEAF_MAX) this.rebalance(upper)
      if (leaf.count > LEAF_MAX) this.rebalance(leaf)
    } else if (leaf.count === 0 && at > 0) {
      // Never the first: keys of a dropped leaf fall to the one before it, which a snapshot took before it, too.
      this.leaves.splice(at, 1)
    }
  }

  #indexOf(key: string): number {
    let low = 0
    let high = this.leaves.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (compare((this.leaves[middle] as Leaf).first, key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** Assets in order of use: a linked list, because insertion order in a Map collapses past 10,000 entries. */
export class RecencyList {
  #oldest: AssetRow | undefined
  #newest: AssetRow | undefined
  /** Where each iteration under way goes on. */
  readonly #cursors = new Set<{ next: AssetRow | undefined }>()

  /** Puts a row, new or known, at the newest end. */
  moveToNewest(row: AssetRow): void {
    if (row === this.#newest) return
    this.remove(row)
    row.older = this.#newest
    if (this.#newest) this.#newest.newer = row
    else this.#oldest = row
    this.#newest = row
  }

  has(row: AssetRow): boolean {
    return row.older !== undefined || row === this.#oldest
  }

  remove(row: AssetRow): void {
    for (const cursor of this.#cursors) if (cursor.next === row) cursor.next = row.newer
    if (row.older) row.older.newer = row.newer
    else if (this.#oldest === row) this.#oldest = row.newer
    if (row.newer) row.newer.older = row.older
    else if (this.#newest === row) this.#newest = row.older
    row.older = undefined
    row.newer = undefined
  }

  /** Oldest first. Rows may move or vanish while this runs: each that stays is met once. */
  *[Symbol.iterator](): Generator<AssetRow> {
    const met = new Set<AssetRow>()
    const cursor = { next: this.#oldest }
    this.#cursors.add(cursor)
    try {
      for (let row = cursor.next; row !== undefined; row = cursor.next) {
        cursor.next = row.newer
        if (met.has(row)) continue
        met.add(row)
        yield row
      }
    } finally {
      this.#cursors.delete(cursor)
    }
  }
}
