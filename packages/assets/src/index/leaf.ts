import { BlockMap } from './blocks.js'
import { type Entry, storedBytes } from './entry.js'
import { activeFields, committedFields, type Fields, pack, toActive, toCommitted, unpack } from './record.js'

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

/**
 * Up to 64 resources of one asset. Packed, as they stand in `cov.bin`, until one of them is looked at; decoded, and
 * packed anew when it falls out of the index's LRU of decoded leaves.
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
  #entries: Map<string, Entry> | undefined
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

  get isDecoded(): boolean {
    return this.#entries !== undefined
  }

  /** Bytes that its resources occupy, by what is on record. */
  get stored(): number {
    if (this.#stale) this.#stored = [...this.entries.values()].reduce((sum, entry) => sum + storedBytes(entry), 0)
    return this.#stored
  }

  get entries(): ReadonlyMap<string, Entry> {
    if (this.#entries === undefined) {
      const packed = this.#chunk.subarray(this.#start, this.#end)
      this.#entries = packed.byteLength === 0 ? new Map<string, Entry>() : unpackEntries(packed)
    }
    return this.#entries
  }

  set(entry: Entry): void {
    const entries = this.#own()
    if (this.#order && !entries.has(entry.path)) {
      const key = sortKey(entry.path)
      this.#order.splice(firstFrom(this.#order, key), 0, key)
    }
    entries.set(entry.path, entry)
  }

  delete(path: string): boolean {
    const isGone = this.#own().delete(path)
    if (isGone && this.#order) this.#order.splice(firstFrom(this.#order, sortKey(path)), 1)
    return isGone
  }

  /** Marks a decoded leaf as changed when something inside an entry was (its blocks). */
  touch(sequence: number): void {
    this.sequence = sequence
    this.#stale = true
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
    if (this.#entries !== undefined && (this.#stale || this.#end === 0)) this.#pack()
    return this.#chunk.subarray(this.#start, this.#end)
  }

  /** Lets go of the decoded form. */
  shrink(): void {
    if (this.count === 0) return
    this.packed()
    this.#entries = undefined
    this.#order = undefined
  }

  #pack(): void {
    this.#stored = this.stored
    this.#chunk = packEntries(this.sorted())
    this.#start = 0
    this.#end = this.#chunk.byteLength
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

/**
 * [[earliest commit, …sessions], path, committed, active, path, …]. Generations are split into session and counter,
 * sessions kept once a leaf, commits timed from the earliest, and a name that equals the path left out: most of an
 * index is these.
 */
function packEntries(entries: readonly Entry[]): Uint8Array {
  const earliest = entries.reduce(
    (at, { committed }) => Math.min(at, committed?.committedAt ?? at),
    Number.MAX_SAFE_INTEGER,
  )
  const sessions: string[] = []
  const short = (path: string, fields: unknown[]): unknown[] => {
    const [session, counter] = splitGeneration(String(fields[0]))
    let at = sessions.indexOf(session)
    if (at < 0) at = sessions.push(session) - 1
    return [at, counter, fields[1] === path ? 0 : fields[1], ...fields.slice(2)]
  }
  const flat: unknown[] = [[earliest, sessions]]
  for (const { path, committed, active } of entries) {
    const timed = committed && { ...committed, committedAt: committed.committedAt - earliest }
    flat.push(path)
    flat.push(timed ? [timed.checksums, ...short(path, committedFields(timed))] : 0)
    flat.push(active ? [...active.source.encode(), ...short(path, activeFields(active))] : 0)
  }
  return pack(flat)
}

function unpackEntries(packed: Uint8Array): Map<string, Entry> {
  const entries = new Map<string, Entry>()
  const flat = unpack(packed) as unknown[]
  const [earliest, sessions] = flat[0] as [number, string[]]
  const long = (path: string, fields: Fields): Fields => [
    `${sessions[fields[0] as number]}-${(fields[1] as number).toString(36)}`,
    fields[2] === 0 ? path : fields[2],
    ...fields.slice(3),
  ]
  for (let i = 1; i + 2 < flat.length; i += 3) {
    const path = flat[i] as string
    const [c, a] = [flat[i + 1], flat[i + 2]]
    entries.set(path, {
      path,
      committed: Array.isArray(c) ? unpackCommitted(long(path, c.slice(1)), c[0], earliest) : undefined,
      active: Array.isArray(a) ? unpackActive(path, a, long) : undefined,
    })
  }
  return entries
}

function unpackCommitted(fields: Fields, checksums: Uint8Array, earliest: number): Entry['committed'] {
  const committed = toCommitted(fields)
  return {
    ...committed,
    committedAt: committed.committedAt + earliest,
    checksums: Uint8Array.prototype.slice.call(checksums),
  }
}

function unpackActive(path: string, fields: Fields, long: (path: string, fields: Fields) => Fields): Entry['active'] {
  const source = new BlockMap()
  source.apply(fields[0] as Fields, fields[1] as Fields)
  return { ...toActive(long(path, fields.slice(2))), source }
}

function splitGeneration(generation: string): [session: string, counter: number] {
  const dash = generation.lastIndexOf('-')
  return [generation.slice(0, dash), Number.parseInt(generation.slice(dash + 1), 36)]
}
