import { BlockMap } from './blocks.js'
import type { Entry } from './entry.js'
import { skip } from './msgpack-skip.js'
import { activeFields, committedFields, type Fields, pack, packed, toActive, toCommitted, unpack } from './record.js'

/**
 * [[earliest commit, …sessions], path, committed, active, path, …]. Generations are split into session and counter,
 * sessions kept once a leaf, commits timed from the earliest, and a name that equals the path left out: most of an
 * index is these.
 */
interface Shared {
  readonly earliest: number
  readonly sessions: string[]
}

/** Most entries whose count stands in the header that is written here. */
const COUNTED = 0xfffe / 3
/** Sessions that no entry has any more, at most, before all is packed anew. */
const IDLE_SESSIONS = 16

/** An entry and where it stands; where it would be added when there is none. */
export interface PackedEntry {
  readonly entry: Entry | undefined
  readonly start: number
  readonly end: number
}

/** Entries as they stand in a snapshot. What is looked for is found without decoding the others. */
export class PackedEntries {
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #end: number
  readonly #firstEntry: number
  readonly #shared: Shared

  constructor(bytes: Uint8Array, start: number, end: number) {
    // msgpackr leaves a view with each array that it decodes from: one that lives for this leaf alone should not have it.
    this.#bytes = bytes.byteLength === end - start ? bytes.subarray() : bytes
    this.#start = start
    this.#end = end
    const type = bytes[start] as number
    const shared = start + (type < 0xa0 ? 1 : type === 0xdc ? 3 : 5)
    this.#firstEntry = skip(bytes, shared)
    this.#shared = toShared(unpack(this.#bytes, shared, this.#firstEntry))
  }

  find(path: string): PackedEntry {
    for (let start = this.#firstEntry; start < this.#end; ) {
      const afterPath = skip(this.#bytes, start)
      const active = skip(this.#bytes, afterPath)
      const end = skip(this.#bytes, active)
      if (this.#isPath(start, afterPath, path)) {
        const slots = [unpack(this.#bytes, afterPath, active), unpack(this.#bytes, active, end)] as const
        return { entry: toEntry(path, ...slots, this.#shared), start, end }
      }
      start = end
    }
    return { entry: undefined, start: this.#end, end: this.#end }
  }

  all(): Map<string, Entry> {
    const entries = new Map<string, Entry>()
    const flat = unpack(this.#bytes, this.#start, this.#end) as unknown[]
    for (let i = 1; i + 2 < flat.length; i += 3) {
      const path = flat[i] as string
      entries.set(path, toEntry(path, flat[i + 1], flat[i + 2], this.#shared))
    }
    return entries
  }

  /**
   * With these entries in the place of what stands there, or without any; the bytes of the others are copied. `undefined`
   * where that would not do, and all has to be packed anew.
   */
  with(changed: readonly PackedEntry[]): Uint8Array | undefined {
    const { earliest, sessions } = this.#shared
    if (changed.some(({ entry }) => (entry?.committed?.committedAt ?? earliest) < earliest)) return undefined
    const shared = { earliest, sessions: [...sessions] }
    const pieces: Uint8Array[] = []
    let count = this.#count
    let copied = this.#firstEntry
    for (const { entry, start, end } of [...changed].sort((a, b) => a.start - b.start)) {
      if (start > copied) pieces.push(this.#bytes.subarray(copied, start))
      if (entry) pieces.push(packed(packable(entry, shared)).subarray(1)) // an array of three, without its first byte
      copied = end
      count += Number(entry !== undefined) - Number(start < end)
    }
    if (copied < this.#end) pieces.push(this.#bytes.subarray(copied, this.#end))
    if (count === 0 || count > COUNTED || shared.sessions.length > count + IDLE_SESSIONS) return undefined
    return joined([headOf(count), packed([earliest, shared.sessions]), ...pieces])
  }

  get #count(): number {
    const [type = 0, high = 0, low = 0] = this.#bytes.subarray(this.#start, this.#start + 3)
    const length = type < 0xa0 ? type & 0x0f : type === 0xdc ? high * 256 + low : Number.POSITIVE_INFINITY
    return (length - 1) / 3
  }

  /** From behind: paths of one asset begin alike. */
  #isPath(start: number, end: number, path: string): boolean {
    const from = end - path.length
    if (from - start !== headLength(path.length)) return false
    for (let i = path.length - 1; i >= 0; i--) if (this.#bytes[from + i] !== path.charCodeAt(i)) return false
    return true
  }
}

export function packEntries(entries: readonly Entry[]): Uint8Array {
  const earliest = entries.reduce(
    (at, { committed }) => Math.min(at, committed?.committedAt ?? at),
    Number.MAX_SAFE_INTEGER,
  )
  const shared: Shared = { earliest, sessions: [] }
  const flat: unknown[] = [[earliest, shared.sessions]]
  for (const entry of entries) flat.push(...packable(entry, shared))
  return pack(flat)
}

/** Bytes that say how long the text behind them is. */
const headLength = (letters: number): number => (letters < 32 ? 1 : letters < 256 ? 2 : 3)

function packable({ path, committed, active }: Entry, shared: Shared): [string, unknown, unknown] {
  const timed = committed && { ...committed, committedAt: committed.committedAt - shared.earliest }
  return [
    path,
    timed ? [timed.checksums, ...short(path, committedFields(timed), shared)] : 0,
    active ? [...active.source.encode(), ...short(path, activeFields(active), shared)] : 0,
  ]
}

/** Of an array that holds what the entries share, and three for each of them. */
function headOf(count: number): Uint8Array {
  const length = 1 + count * 3
  return Uint8Array.from(length < 16 ? [0x90 | length] : [0xdc, length >> 8, length & 0xff])
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

function short(path: string, fields: unknown[], { sessions }: Shared): unknown[] {
  const [session, counter] = splitGeneration(String(fields[0]))
  let at = sessions.indexOf(session)
  if (at < 0) at = sessions.push(session) - 1
  return [at, counter, fields[1] === path ? 0 : fields[1], ...fields.slice(2)]
}

/** The fields behind the first `from`, as `short` had them. */
function long(path: string, fields: Fields, from: number, sessions: readonly string[]): Fields {
  const whole = fields.slice(from + 1)
  whole[0] = `${sessions[fields[from] as number]}-${(fields[from + 1] as number).toString(36)}`
  if (whole[1] === 0) whole[1] = path
  return whole
}

function toShared(value: unknown): Shared {
  const [earliest, sessions] = value as [number, string[]]
  return { earliest, sessions }
}

function toEntry(path: string, committed: unknown, active: unknown, shared: Shared): Entry {
  return {
    path,
    committed: Array.isArray(committed) ? unpackCommitted(path, committed, shared) : undefined,
    active: Array.isArray(active) ? unpackActive(path, active, shared) : undefined,
  }
}

function unpackCommitted(path: string, fields: Fields, { earliest, sessions }: Shared): Entry['committed'] {
  const committed = toCommitted(long(path, fields, 1, sessions))
  return {
    ...committed,
    committedAt: committed.committedAt + earliest,
    checksums: Uint8Array.prototype.slice.call(fields[0]),
  }
}

function unpackActive(path: string, fields: Fields, { sessions }: Shared): Entry['active'] {
  const source = new BlockMap()
  source.apply(fields[0] as Fields, fields[1] as Fields)
  return { ...toActive(long(path, fields, 2, sessions)), source }
}

function splitGeneration(generation: string): [session: string, counter: number] {
  const dash = generation.lastIndexOf('-')
  return [generation.slice(0, dash), Number.parseInt(generation.slice(dash + 1), 36)]
}
