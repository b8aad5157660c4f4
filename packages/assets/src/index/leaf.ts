import { type Entry, storedBytes } from './entry.js'
import { PackedEntries, packEntries } from './packed-entries.js'

/** Most resources that one leaf holds before it is split. */
export const LEAF_MAX = 64

/**
 * Order of an asset's resources: lower-cased path first, so that names which meet on a case-insensitive file system,
 * and everything under one folder, stand side by side.
 */
export const sortKey = (path: string): string => {
  const lower = path.toLowerCase()
  return lower === path ? path : `${lower}\0${path}`
}

const pathOf = (key: string): string => key.slice(key.indexOf('\0') + 1)

const NOTHING = new Uint8Array()
/** Entries that are decoded one by one before all of a leaf are. */
const SINGLES = 8

/** An entry that was decoded alone, and where it stands packed. */
interface Single {
  /** `undefined`: it is gone, or never was there. */
  entry: Entry | undefined
  isChanged: boolean
  readonly start: number
  readonly end: number
  /** Bytes it occupied as it was packed. */
  readonly packedBytes: number
}

/**
 * Up to 64 resources of one asset. Packed, as they stand in `cov.bin`, until one of them is looked at; those are decoded,
 * or all of them, and what changed is packed anew when the leaf falls out of the index's LRU of decoded ones.
 */
export class Leaf {
  /** Sort key from which on this leaf holds the asset's paths; '' for an asset's first. */
  first: string
  count: number
  /** Last record that changed it: a snapshot waits until that one was appended. */
  sequence = 0
  /** Loaded from a snapshot that was written while records came: it reflects them up to this one. */
  asOf = 0
  #chunk: Uint8Array
  #start: number
  #end: number
  #stored: number
  /** All of them, decoded. */
  #entries: Map<string, Entry> | undefined
  /** Those that were looked at or changed, while the others stay packed. */
  #singles: Map<string, Single> | undefined
  /** Sort keys of the decoded entries, in order; made when it is first asked for. */
  #order: string[] | undefined
  #stale = false

  constructor(first: string, count = 0, stored = 0, chunk: Uint8Array = NOTHING, start = 0, end = 0) {
    this.first = first
    this.count = count
    this.#stored = stored
    this.#chunk = chunk
    this.#start = start
    this.#end = end
  }

  /** Some of it is. */
  get isDecoded(): boolean {
    return this.#entries !== undefined || this.#singles !== undefined
  }

  /** Bytes that its resources occupy, by what is on record. */
  get stored(): number {
    if (!this.#stale) return this.#stored
    // Of singles, what is packed and what it was then stay as they are.
    if (this.#singles)
      return [...this.#singles.values()].reduce(
        (sum, { entry, packedBytes }) => sum + (entry ? storedBytes(entry) : 0) - packedBytes,
        this.#stored,
      )
    this.#stored = [...this.entries.values()].reduce((sum, entry) => sum + storedBytes(entry), 0)
    return this.#stored
  }

  /** Decodes all of it. */
  get entries(): ReadonlyMap<string, Entry> {
    if (this.#entries === undefined) {
      this.#entries = this.#end > this.#start ? this.#packedEntries().all() : new Map<string, Entry>()
      for (const [path, { entry }] of this.#singles ?? []) {
        // The very ones that were given out: their blocks may change.
        if (entry) this.#entries.set(path, entry)
        else this.#entries.delete(path)
      }
      this.#singles = undefined
    }
    return this.#entries
  }

  /** Decodes this entry, and no other while few are asked for. */
  get(path: string): Entry | undefined {
    const single = this.#single(path)
    return single ? single.entry : this.entries.get(path)
  }

  set(entry: Entry): void {
    const single = this.#single(entry.path)
    if (single) {
      single.entry = entry
      single.isChanged = true
      return
    }
    const entries = this.#own()
    if (this.#order && !entries.has(entry.path)) {
      const key = sortKey(entry.path)
      this.#order.splice(firstFrom(this.#order, key), 0, key)
    }
    entries.set(entry.path, entry)
  }

  delete(path: string): boolean {
    const single = this.#single(path)
    if (single) {
      const wasThere = single.entry !== undefined
      single.entry = undefined
      single.isChanged = true
      return wasThere
    }
    const isGone = this.#own().delete(path)
    if (isGone && this.#order) this.#order.splice(firstFrom(this.#order, sortKey(path)), 1)
    return isGone
  }

  /** Marks a decoded leaf as changed; `path`: when something inside this entry was (its blocks). */
  touch(sequence: number, path?: string): void {
    this.sequence = sequence
    this.#stale = true
    const single = path === undefined ? undefined : this.#singles?.get(path)
    if (single) single.isChanged = true
  }

  /** `undefined` where all are decoded, or are about to be. */
  #single(path: string): Single | undefined {
    if (this.#entries !== undefined || this.#end === this.#start) return undefined
    const known = this.#singles?.get(path)
    if (known !== undefined) return known
    if (this.#singles && this.#singles.size >= SINGLES) return undefined
    const found = this.#packedEntries().find(path)
    const single = { ...found, packedBytes: found.entry ? storedBytes(found.entry) : 0, isChanged: false }
    this.#singles ??= new Map()
    this.#singles.set(path, single)
    return single
  }

  #packedEntries(): PackedEntries {
    return new PackedEntries(this.#chunk, this.#start, this.#end)
  }

  #own(): Map<string, Entry> {
    const entries = this.entries as Map<string, Entry>
    this.#entries = entries
    return entries
  }

  /** In order of sort key, from `key` on. */
  sorted(key = ''): Entry[] {
    const { entries } = this
    this.#order ??= [...entries.keys()].map(sortKey).sort(compare)
    const from = firstFrom(this.#order, key)
    return this.#order.slice(from).map((one) => entries.get(pathOf(one)) as Entry) // the order is that of the entries
  }

  /** Names of files that are not simply their key's path, each followed by that path. */
  names(): string[] {
    return [...this.entries.values()].flatMap((entry) => customNames(entry).flatMap((name) => [name, entry.path]))
  }

  /** As it stands in a snapshot; copies bytes when nothing changed since. */
  packed(): Uint8Array {
    if (this.#stale || (this.#entries !== undefined && this.#end === this.#start)) this.#pack()
    return this.#chunk.subarray(this.#start, this.#end)
  }

  /** Lets go of the decoded form. */
  shrink(): void {
    if (this.count === 0) return
    this.packed()
    this.#entries = undefined
    this.#singles = undefined
    this.#order = undefined
  }

  #pack(): void {
    const changed = [...(this.#singles?.values() ?? [])].filter(({ isChanged }) => isChanged)
    const packed = this.#singles && this.#packedEntries().with(changed)
    this.#stored = this.stored
    this.#chunk = packed ?? packEntries(this.sorted())
    this.#start = 0
    this.#end = this.#chunk.byteLength
    this.#singles = undefined
    this.#stale = false
  }

  /** Moves the upper half into a new leaf. */
  split(): Leaf {
    const sorted = this.sorted()
    const upper = sorted.slice(sorted.length >> 1)
    const right = new Leaf(sortKey(upper[0]?.path ?? ''))
    for (const entry of upper) {
      right.set(entry)
      this.delete(entry.path)
    }
    right.count = upper.length
    right.asOf = this.asOf
    this.count -= upper.length
    right.touch(this.sequence)
    this.touch(this.sequence)
    return right
  }
}

/** Index of the first key that is not before `key`. */
function firstFrom(order: readonly string[], key: string): number {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((order[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export function customNames(entry: Entry): string[] {
  const names = [entry.committed?.name, entry.active?.name].filter((name) => name !== undefined && name !== entry.path)
  return [...new Set(names as string[])]
}
