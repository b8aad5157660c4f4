import { crc32 } from 'node:zlib'

/** Where a frame stands in a file, and what it holds. */
export interface PlacedFrame {
  readonly start: number
  readonly end: number
  readonly sequence: number
  readonly payload: Uint8Array
}

const MAGIC = 0xc19e4672
const OVERHEAD = 20
const MAX_PAYLOAD = 256 * 1024

/**
 * The good frames of a journal, found the slow and obvious way: at each byte, is one there? Written from the description of
 * the format, so that the library's scanner is held against something that is not itself.
 */
export function framesIn(file: Uint8Array, storeId: Uint8Array, journal: number): PlacedFrame[] {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const scope = Buffer.alloc(24)
  scope.set(storeId)
  scope.writeBigUInt64BE(BigInt(journal), 16)
  const seed = crc32(scope)
  const found: PlacedFrame[] = []
  let last = -1
  for (let start = 0; start + OVERHEAD <= bytes.length; start++) {
    if (bytes.readUInt32BE(start) !== MAGIC) continue
    const length = bytes.readUInt32BE(start + 12)
    const end = start + OVERHEAD + length
    if (length > MAX_PAYLOAD || end > bytes.length) continue
    const covered = Buffer.concat([bytes.subarray(start + 4, start + 16), bytes.subarray(start + OVERHEAD, end)])
    const sequence = Number(bytes.readBigUInt64BE(start + 4))
    if (crc32(covered, seed) !== bytes.readUInt32BE(start + 16) || sequence <= last) continue
    last = sequence
    found.push({ start, end, sequence, payload: bytes.subarray(start + OVERHEAD, end) })
    start = end - 1
  }
  return found
}
