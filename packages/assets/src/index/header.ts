import { crc32 } from 'node:zlib'
import { IndexVersionError } from '@cistern/storage'
import { pack, unpack } from 'msgpackr'
import { MAX_SEQUENCE } from './frame.js'

const FILE_KINDS = ['journal', 'pins', 'lru', 'cov'] as const
export type FileKind = (typeof FILE_KINDS)[number]

/** What each file of the index begins with. Format, version and feature bits are written and checked here, and are no fields. */
export interface FileHeader {
  readonly kind: FileKind
  /** 16 bytes; the same in all files of a store. */
  readonly storeId: Uint8Array
  /** The file's own number, which its frames' CRCs cover. */
  readonly number: number
  /** The ownership that wrote the file. */
  readonly session: string
  /** A journal's records number on from it; a snapshot holds all records up to it. */
  readonly sequence: number
  /** For a journal: the one before it, and the last sequence that counts in that one. */
  readonly predecessor?: { readonly number: number; readonly sequence: number } | undefined
}

const FORMAT = 'cistern-index'
const VERSION = 1
/** Feature bits that this code knows. A file that has another is of a newer kind, and is refused. */
const KNOWN_FEATURES = 0

/** No header is longer, so that many bytes of a file are enough to decode it. */
export const MAX_HEADER: number = 4096

const MAGIC = Buffer.from([0xc1, 0x43, 0x49, 0x53, 0x54, 0x45, 0x52, 0x4e]) // \xC1CISTERN
const PREFIX = MAGIC.length + 8
const STORE_ID_BYTES = 16

/** magic (8) · length (4) · CRC32 of length and msgpack (4) · msgpack. */
export function encodeHeader(
  header: FileHeader,
  { version = VERSION, features = KNOWN_FEATURES }: { version?: number; features?: number } = {},
): Uint8Array {
  if (!isHeader(header)) throw new TypeError('not a header of an index file')
  const { kind, storeId, number, session, sequence, predecessor } = header
  const fields = { format: FORMAT, version, features, kind, storeId: Buffer.from(storeId), number, session, sequence }
  const body = pack(predecessor === undefined ? fields : { ...fields, predecessor })
  if (PREFIX + body.length > MAX_HEADER) throw new RangeError(`a header of ${body.length} bytes, over ${MAX_HEADER}`)
  const bytes = Buffer.concat([MAGIC, Buffer.alloc(8), body])
  bytes.writeUInt32BE(body.length, MAGIC.length)
  bytes.writeUInt32BE(headerCrc(bytes, bytes.length), MAGIC.length + 4)
  return bytes
}

/**
 * The header that `bytes` begin with and where it ends; undefined when it is damaged.
 * @throws IndexVersionError when it is whole but of another format, version or feature set; `file` is named in it.
 */
export function decodeHeader(bytes: Uint8Array, file = 'index file'): { header: FileHeader; end: number } | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < PREFIX || !buffer.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const end = PREFIX + buffer.readUInt32BE(MAGIC.length)
  if (end > buffer.length || end > MAX_HEADER) return undefined
  if (headerCrc(buffer, end) !== buffer.readUInt32BE(MAGIC.length + 4)) return undefined
  const fields = unpackFields(buffer.subarray(PREFIX, end))
  if (fields === undefined) return undefined
  refuseUnknown(fields, file)
  if (!isHeader(fields)) return undefined
  const { kind, number, session, sequence, predecessor } = fields
  // A copy: a view would keep the buffer of the whole file alive.
  const header = { kind, storeId: Uint8Array.from(fields.storeId), number, session, sequence }
  return { header: predecessor === undefined ? header : { ...header, predecessor }, end }
}

function headerCrc(bytes: Buffer, end: number): number {
  return crc32(bytes.subarray(PREFIX, end), crc32(bytes.subarray(MAGIC.length, MAGIC.length + 4)))
}

function unpackFields(body: Buffer): Record<string, unknown> | undefined {
  try {
    const fields: unknown = unpack(body)
    return isRecord(fields) ? fields : undefined
  } catch {
    return undefined // a good CRC over what is no msgpack: not written by this format, damage like any other
  }
}

function refuseUnknown({ format, version, features }: Record<string, unknown>, file: string): void {
  if (format !== FORMAT) throw new IndexVersionError(`${file} has the format ${String(format)}, not ${FORMAT}`)
  if (version !== VERSION)
    throw new IndexVersionError(`${file} has version ${String(version)}; this code reads ${VERSION}`)
  // Compared as a whole: bit operations would not see the bits past 32.
  if (features !== KNOWN_FEATURES) {
    throw new IndexVersionError(
      `${file}, version ${VERSION}, has features ${String(features)} that this code does not know`,
    )
  }
}

function isHeader(fields: object): fields is FileHeader {
  const { kind, storeId, number, session, sequence, predecessor } = fields as Record<string, unknown>
  return (
    FILE_KINDS.some((known) => known === kind) &&
    storeId instanceof Uint8Array &&
    storeId.length === STORE_ID_BYTES &&
    isCount(number) &&
    typeof session === 'string' &&
    isCount(sequence) &&
    (predecessor === undefined ||
      (isRecord(predecessor) && isCount(predecessor.number) && isCount(predecessor.sequence)))
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_SEQUENCE
}
