import { types } from 'node:util'
import { InvalidOptionError } from '@cistern/storage'
import { Packr } from 'msgpackr'

/** Encoded bytes of one resource's metadata. It is kept in memory and in every snapshot of the index. */
export const MAX_METADATA_BYTES: number = 64 * 1024
/** Objects within objects, and so the depth at which one that holds itself is noticed. */
export const MAX_METADATA_DEPTH = 32

const MAX_INT64 = 2n ** 63n - 1n
const MIN_INT64 = -(2n ** 63n)
const ILL_FORMED = /\p{Surrogate}/u
/** Self-contained: no records, whose structure an index would have to keep beside the bytes. */
const packr = new Packr({ useRecords: false, moreTypes: true })

/**
 * Encodes metadata as msgpack. It may hold strings, numbers, booleans, null, undefined, bigints of 64 bits, dates, bytes, plain
 * objects, arrays, maps and sets. A property that is undefined is as if absent, and bytes come back as a `Uint8Array`.
 *
 * Throws `InvalidOptionError` that names `option` and the property, for what would not come back as it was: functions,
 * symbols, instances of classes, invalid dates, half surrogate pairs, more than 32 levels or 64 KiB.
 */
export function encodeMetadata(metadata: unknown, option: string = 'metadata'): Uint8Array<ArrayBuffer> {
  if (!isPlain(metadata)) throw new InvalidOptionError(`${option} must be a plain object`)
  const walk = new Walk(option)
  const packed = packr.pack(walk.object(metadata, option, 1))
  if (packed.length > MAX_METADATA_BYTES) throw walk.tooLarge()
  return new Uint8Array(packed) // a copy of its own: what msgpackr gives is a view of its work buffer
}

/** The metadata that was encoded: a new copy each time, which the caller may change. Throws where it is none. */
export function decodeMetadata(encoded: Uint8Array): object {
  const metadata: unknown = restored(packr.unpack(encoded))
  if (!isPlain(metadata)) throw new TypeError('what was encoded is no metadata')
  return metadata
}

/**
 * Msgpack keeps no difference between a map and an object, so both maps and sets travel as a set that begins with
 * their kind. A set of the caller's own never travels as it is, so the two cannot be mixed up.
 */
type Carried = Set<'map' | 'set' | readonly unknown[]>

/** Copies what can be carried, and refuses the rest by its place. */
class Walk {
  readonly #option: string
  /** Each value takes a byte or more, so a large one is given up before all of it was copied. */
  #bytes = 0

  constructor(option: string) {
    this.#option = option
  }

  object(from: object, place: string, depth: number): Record<string, unknown> {
    this.#enter(place, depth)
    if (Object.getOwnPropertySymbols(from).length > 0) throw refused(place, 'has a symbol for a name')
    const copy: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(from)) {
      const inside = property(place, name)
      if (name === '__proto__') throw refused(inside, 'is a name that objects do not keep')
      this.#text(name, inside)
      if (value !== undefined) copy[name] = this.#value(value, inside, depth)
    }
    return copy
  }

  tooLarge(): InvalidOptionError {
    return new InvalidOptionError(`${this.#option} must be of at most ${MAX_METADATA_BYTES} bytes once encoded`)
  }

  #value(value: unknown, place: string, depth: number): unknown {
    this.#count(1)
    switch (typeof value) {
      case 'string':
        return this.#text(value, place)
      case 'bigint':
        if (value < MIN_INT64 || value > MAX_INT64) throw refused(place, 'is a bigint of more than 64 bits')
        return value
      case 'number':
      case 'boolean':
      case 'undefined':
        return value
      case 'object':
        return value === null ? null : this.#compound(value, place, depth + 1)
      default:
        throw refused(place, `is a ${typeof value}`)
    }
  }

  #compound(value: object, place: string, depth: number): unknown {
    if (types.isDate(value)) return this.#date(value, place)
    if (types.isUint8Array(value)) return this.#binary(value)
    if (Array.isArray(value)) return this.#array(value, place, depth)
    if (types.isMap(value)) return carried('map', this.#array([...value].flat(1), `${place}<map>`, depth))
    if (types.isSet(value)) return carried('set', this.#array([...value], `${place}<set>`, depth))
    if (isPlain(value)) return this.object(value, place, depth)
    throw refused(place, `is an instance of ${(value.constructor as { name?: string } | undefined)?.name || 'a class'}`)
  }

  #array(values: readonly unknown[], place: string, depth: number): unknown[] {
    this.#enter(place, depth)
    if (values.length > MAX_METADATA_BYTES) throw this.tooLarge() // also holes, which nothing below would count
    return Array.from(values, (value, index) => this.#value(value, `${place}[${index}]`, depth))
  }

  #date(date: Date, place: string): Date {
    if (Number.isNaN(date.getTime())) throw refused(place, 'is an invalid date')
    return new Date(date.getTime())
  }

  #binary(bytes: Uint8Array): Uint8Array {
    this.#count(bytes.length)
    return Uint8Array.from(bytes) // of this realm, which is what msgpackr goes by
  }

  #text(text: string, place: string): string {
    this.#count(text.length)
    if (ILL_FORMED.test(text)) throw refused(place, 'holds half a surrogate pair')
    return text
  }

  #enter(place: string, depth: number): void {
    if (depth > MAX_METADATA_DEPTH) throw refused(place, `is more than ${MAX_METADATA_DEPTH} levels deep`)
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > MAX_METADATA_BYTES) throw this.tooLarge()
  }
}

function carried(kind: 'map' | 'set', items: readonly unknown[]): Carried {
  return new Set<'map' | 'set' | readonly unknown[]>([kind, items])
}

function restored(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (value instanceof Uint8Array) return value // a copy: with `moreTypes` it is no view of what was encoded
  if (Array.isArray(value)) return value.map(restored)
  if (value instanceof Set) return restoredCollection(value as Carried)
  for (const [name, inside] of Object.entries(value)) (value as Record<string, unknown>)[name] = restored(inside)
  return value
}

function restoredCollection(value: Carried): Map<unknown, unknown> | Set<unknown> {
  const [kind, items] = value
  const inside = (items as readonly unknown[]).map(restored)
  if (kind === 'set') return new Set(inside)
  const map = new Map<unknown, unknown>()
  for (let index = 0; index < inside.length; index += 2) map.set(inside[index], inside[index + 1])
  return map
}

/** Of this realm or another one (Electron, node:vm), whose `Object.prototype` is not ours. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Object.prototype.toString.call(value) !== '[object Object]')
    return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function property(place: string, name: string): string {
  if (/^[A-Za-z_$][\w$]{0,79}$/.test(name)) return `${place}.${name}`
  return `${place}[${JSON.stringify(name.slice(0, 80))}]`
}

function refused(place: string, why: string): InvalidOptionError {
  return new InvalidOptionError(`${place} ${why}, which metadata cannot hold`)
}
