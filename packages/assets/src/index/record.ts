import { Packr } from 'msgpackr'
import { checkAsset, checkFileName, checkPath } from '../component.js'
import { decodeMetadata } from '../metadata.js'
import { BLOCK_BYTES, blockOf } from './blocks.js'
import type { ActiveSlot, CommittedSlot } from './entry.js'
import { MAX_SEQUENCE } from './frame.js'

/** A file that may exist and that no entry names: swept as soon as that is safe. */
export interface Stray {
  /** Of the key that it was written for. */
  readonly asset: string
  /** Of the key that it was written for. */
  readonly path: string
  /** The final name that it has, or was to get, inside the asset's folder. */
  readonly name: string
  /** Which life of the bytes; ends in `.raw` for a raw part. */
  readonly generation: string
  /** It may stand under its final name. */
  readonly published: boolean
  /** This process gave it that name: no unfinished file is left of it. Never on record, since a power cut may undo it. */
  readonly isRenamed?: boolean | undefined
}

export type CommittedFields = Omit<CommittedSlot, 'checksums'>
export type ActiveFields = Omit<ActiveSlot, 'source'>

/**
 * What the journal holds. Each is absolute for what it names, and applying it twice changes nothing, so that a
 * snapshot may be taken while records arrive.
 */
export type IndexRecord =
  /** Both slots of a key; blocks stay with their generation. `strays`: files that this orphans. */
  | {
      readonly type: 'entry'
      readonly asset: string
      readonly path: string
      readonly committed: CommittedFields | undefined
      readonly active: ActiveFields | undefined
      readonly strays?: readonly Stray[] | undefined
    }
  /** Blocks of one generation that are on the medium; `output` for a processed one that is about to be committed. */
  | {
      readonly type: 'blocks'
      readonly asset: string
      readonly path: string
      readonly generation: string
      readonly part: 'source' | 'output'
      readonly runs: readonly unknown[]
      readonly fragments: readonly unknown[]
    }
  /** [start, end) of one generation's source bytes is not on the medium any more, or about to be overwritten. */
  | {
      readonly type: 'uncover'
      readonly asset: string
      readonly path: string
      readonly generation: string
      readonly start: number
      readonly end: number
    }
  /** These resources of one asset are gone. `strays`: files that this orphans. */
  | {
      readonly type: 'remove'
      readonly asset: string
      readonly paths: readonly string[]
      readonly strays: readonly Stray[]
    }
  /** A file is about to be made that no entry names. */
  | { readonly type: 'stray'; readonly stray: Stray }
  /** The strays of these generations are unlinked. */
  | { readonly type: 'swept'; readonly generations: readonly string[] }
  /** Assets with the number of their last use: the higher, the later. */
  | { readonly type: 'use'; readonly uses: readonly (readonly [asset: string, use: number])[] }
  /** An asset is pinned, or not any more. */
  | { readonly type: 'pin'; readonly asset: string; readonly pinned: boolean }
  /** Leases held on each of these assets. */
  | { readonly type: 'leases'; readonly counts: readonly (readonly [asset: string, count: number])[] }
  /** The process of this session may still run: what it left unfinished is copied, not resumed in place. */
  | { readonly type: 'unproven'; readonly session: string }
  /** The index was damaged: what it names is checked before use until a whole verification passed. */
  | { readonly type: 'suspect'; readonly suspect: boolean }
  /** Snapshots only: resources, packed by up to 64 of one asset. */
  | { readonly type: 'leaves'; readonly leaves: readonly PackedLeaf[] }

export interface PackedLeaf {
  readonly asset: string
  /** Sort key from which on this leaf holds the asset's paths. */
  readonly first: string
  readonly count: number
  /** Bytes that these resources occupy. */
  readonly stored: number
  /** Records up to this one are in it and must not be replayed over it; 0 when none came since the snapshot began. */
  readonly asOf: number
  /** File names that differ from their key's path, each with that path. */
  readonly names: readonly string[]
  readonly packed: Uint8Array
}

/** Which snapshot a record belongs to. */
export type RecordFile = 'pins' | 'lru' | 'cov'
const PIN_TYPES: ReadonlySet<IndexRecord['type']> = new Set(['pin', 'leases', 'unproven', 'suspect'])
export const fileOf = (record: IndexRecord): RecordFile =>
  record.type === 'use' ? 'lru' : PIN_TYPES.has(record.type) ? 'pins' : 'cov'

const CODES = {
  entry: 1,
  blocks: 2,
  uncover: 3,
  remove: 4,
  stray: 5,
  swept: 6,
  use: 7,
  pin: 8,
  leases: 9,
  unproven: 10,
  leaves: 11,
  suspect: 12,
} as const

/** Self-contained: no record structures shared between payloads. */
const packr = new Packr({ useRecords: false })

export function encodeRecord(record: IndexRecord, session: string): Uint8Array {
  // msgpackr packs into a shared buffer; what it returns must not be kept.
  return Uint8Array.prototype.slice.call(packr.pack([CODES[record.type], session, ...fieldsOf(record)]))
}

/** A view of a buffer that others share: to be copied soon. */
export const packed = (value: unknown): Uint8Array => packr.pack(value)
export const pack = (value: unknown): Uint8Array => Uint8Array.prototype.slice.call(packed(value))
/** What stands in [start, end) of `bytes`. */
export const unpack = (bytes: Uint8Array, start = 0, end: number = bytes.byteLength): unknown =>
  packr.unpack(bytes, { start, end })

export interface DecodedRecord {
  readonly record: IndexRecord
  readonly session: string
}

/**
 * `undefined` for what is not a record of this version: its CRC held, yet it is skipped, not trusted. What is a record names
 * only keys and files that can be of this store, and counts in whole numbers. What `leaves` hold is not looked at here.
 */
export function decodeRecord(payload: Uint8Array): DecodedRecord | undefined {
  try {
    const value: unknown = packr.unpack(payload)
    if (!Array.isArray(value) || typeof value[1] !== 'string') return undefined
    const record = fromFields(value[0], value.slice(2))
    return record && { record, session: value[1] }
  } catch {
    return undefined
  }
}

function fieldsOf(record: IndexRecord): readonly unknown[] {
  switch (record.type) {
    case 'entry':
      return [
        record.asset,
        record.path,
        record.committed && committedFields(record.committed),
        record.active && activeFields(record.active),
        (record.strays ?? []).map(strayFields),
      ]
    case 'blocks':
      return [
        record.asset,
        record.path,
        record.generation,
        record.part === 'output' ? 1 : 0,
        record.runs,
        record.fragments,
      ]
    case 'uncover':
      return [record.asset, record.path, record.generation, record.start, record.end]
    case 'remove':
      return [record.asset, record.paths, record.strays.map(strayFields)]
    case 'stray':
      return strayFields(record.stray)
    case 'swept':
      return [record.generations]
    case 'use':
      return [flatPairs(record.uses)]
    case 'pin':
      return [record.asset, record.pinned]
    case 'leases':
      return [flatPairs(record.counts)]
    case 'unproven':
      return [record.session]
    case 'suspect':
      return [record.suspect]
    case 'leaves':
      return [
        record.leaves.flatMap((l) => [
          l.asset,
          l.first,
          l.count,
          l.stored,
          l.asOf,
          l.names.length > 0 ? l.names : 0,
          l.packed,
        ]),
      ]
  }
}

/** As `flat()` would, which takes many times as long. */
function flatPairs(pairs: readonly (readonly [string, number])[]): unknown[] {
  const flat: unknown[] = []
  for (const [name, number] of pairs) flat.push(name, number)
  return flat
}

export type Fields = readonly unknown[]

function fromFields(code: unknown, f: Fields): IndexRecord | undefined {
  switch (code) {
    case CODES.entry:
      return {
        type: 'entry',
        ...key(f),
        committed: Array.isArray(f[2]) ? checkedSlot(toCommitted(f[2]), f[1]) : undefined,
        active: Array.isArray(f[3]) ? checkedSlot(toActive(f[3]), f[1]) : undefined,
        strays: list(f[4]).map((s) => toStray(list(s))),
      }
    case CODES.blocks:
      return {
        type: 'blocks',
        ...home(f),
        part: f[3] === 1 ? 'output' : 'source',
        runs: toRuns(list(f[4])),
        fragments: toFragments(list(f[5])),
      }
    case CODES.uncover:
      return { type: 'uncover', ...home(f), start: count(f[3]), end: count(f[4]) }
    case CODES.remove:
      return {
        type: 'remove',
        asset: asset(f[0]),
        paths: list(f[1]).map(path),
        strays: list(f[2]).map((s) => toStray(list(s))),
      }
    case CODES.stray:
      return { type: 'stray', stray: toStray(f) }
    case CODES.swept:
      return { type: 'swept', generations: list(f[0]).map(text) }
    case CODES.use:
      return { type: 'use', uses: pairs(f[0]) }
    case CODES.pin:
      return { type: 'pin', asset: asset(f[0]), pinned: f[1] === true }
    case CODES.leases:
      return { type: 'leases', counts: pairs(f[0]) }
    case CODES.unproven:
      return { type: 'unproven', session: text(f[0]) }
    case CODES.suspect:
      return { type: 'suspect', suspect: f[0] === true }
    case CODES.leaves:
      return { type: 'leaves', leaves: toLeaves(list(f[0])) }
    default:
      return undefined
  }
}

function toLeaves(f: Fields): PackedLeaf[] {
  const leaves: PackedLeaf[] = []
  for (let i = 0; i + 6 < f.length; i += 7) {
    const [names, packed] = [f[i + 5], f[i + 6]]
    if (!(packed instanceof Uint8Array)) throw new ShapeError('not packed')
    // `packed` stays a view: a start must not copy what it may never touch.
    leaves.push({
      asset: text(f[i]),
      first: text(f[i + 1]),
      count: count(f[i + 2]),
      stored: count(f[i + 3]),
      asOf: count(f[i + 4]),
      names: Array.isArray(names) ? names.map(text) : [],
      packed,
    })
  }
  return leaves
}

export const committedFields = (s: CommittedFields): unknown[] =>
  trimmed([
    s.generation,
    s.name,
    s.length,
    s.committedAt,
    s.fingerprint,
    s.processor,
    s.validator,
    s.metadata,
    s.unsynced || undefined,
  ])

export const toCommitted = (f: Fields): CommittedFields => ({
  generation: text(f[0]),
  name: text(f[1]),
  length: count(f[2]),
  committedAt: count(f[3]),
  fingerprint: maybe(f[4]),
  processor: maybe(f[5]),
  validator: maybe(f[6]),
  metadata: binary(f[7]),
  unsynced: f[8] === true,
})

export const activeFields = (s: ActiveFields): unknown[] =>
  trimmed([
    s.generation,
    s.name,
    s.writer,
    s.length,
    s.validator,
    s.processor,
    s.metadata,
    s.unsynced || undefined,
    s.fingerprint,
  ])

export const toActive = (f: Fields): ActiveFields => ({
  generation: text(f[0]),
  name: text(f[1]),
  writer: text(f[2]),
  length: typeof f[3] === 'number' ? count(f[3]) : undefined,
  validator: maybe(f[4]),
  processor: maybe(f[5]),
  metadata: binary(f[6]),
  unsynced: f[7] === true,
  fingerprint: maybe(f[8]),
})

const strayFields = (s: Stray): unknown[] => [
  s.asset,
  s.path,
  s.name === s.path ? 0 : s.name,
  s.generation,
  s.published,
]
const toStray = (f: Fields): Stray => ({
  ...key(f),
  name: f[2] === 0 ? text(f[1]) : fileName(f[2]),
  generation: generation(f[3]),
  published: f[4] === true,
})

/** Without the absent ones at the end; those between take a byte each. */
function trimmed(fields: unknown[]): unknown[] {
  while (fields.length > 0 && fields[fields.length - 1] === undefined) fields.pop()
  return fields.map((field) => field ?? null)
}

/** A payload whose CRC held but whose shape is not ours ends up here: the record is refused as a whole. */
class ShapeError extends TypeError {}
const text = (value: unknown): string => {
  if (typeof value !== 'string') throw new ShapeError('not text')
  return value
}
// As far as a frame's sequence: a sum of some still is a whole number.
const count = (value: unknown): number => {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > MAX_SEQUENCE)
    throw new ShapeError('not a count')
  return value as number
}
const list = (value: unknown): readonly unknown[] => {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new ShapeError('not a list')
  return value
}
const maybe = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const binary = (value: unknown): Uint8Array | undefined =>
  value instanceof Uint8Array ? Uint8Array.prototype.slice.call(value) : undefined
function pairs(value: unknown): (readonly [string, number])[] {
  const flat = list(value)
  const out: (readonly [string, number])[] = []
  for (let i = 0; i + 1 < flat.length; i += 2) out.push([text(flat[i]), count(flat[i + 1])])
  return out
}

const asset = (value: unknown): string => {
  checkAsset(value)
  return value
}
const path = (value: unknown): string => {
  checkPath(value)
  return value
}
const key = (f: Fields) => ({ asset: asset(f[0]), path: path(f[1]) })
/** Blocks in a snapshot may be of a generation that no path has any more. */
const home = (f: Fields) => ({ asset: asset(f[0]), path: f[1] === '' ? '' : path(f[1]), generation: generation(f[2]) })

const fileName = (value: unknown): string => {
  checkFileName(text(value))
  return text(value)
}
/** It stands in a file's name. */
const GENERATION = /^[0-9a-z]{1,32}-[0-9a-z]{1,10}(?:\.raw)?$/
const generation = (value: unknown): string => {
  if (!GENERATION.test(text(value))) throw new ShapeError('not a generation')
  return text(value)
}

function checkedSlot<Slot extends CommittedFields | ActiveFields>(slot: Slot, ofPath: unknown): Slot {
  generation(slot.generation)
  if (slot.name !== ofPath) fileName(slot.name)
  if (slot.metadata) decodeMetadata(slot.metadata) // whoever asks for it later could not be told that it is none
  return slot
}

function toRuns(runs: Fields): Fields {
  for (let i = 0; i + 1 < runs.length; i += 2) {
    const crcs = runs[i + 1]
    if (!(crcs instanceof Uint8Array)) throw new ShapeError('not checksums')
    count((count(runs[i]) + crcs.byteLength / 4) * BLOCK_BYTES)
  }
  return runs
}

function toFragments(fragments: Fields): Fields {
  for (let i = 0; i + 2 < fragments.length; i += 3) {
    const [start, end] = [count(fragments[i]), count(fragments[i + 1])]
    if (start >= end || blockOf(start) !== blockOf(end - 1) || count(fragments[i + 2]) >= 2 ** 32)
      throw new ShapeError('not a piece of one block')
  }
  return fragments
}
