import { crc32 } from 'node:zlib'

/**
 * A frame: magic (4) · sequence (8) · payload length (4) · CRC32 (4) · payload, big-endian. The CRC covers store id, file
 * number (and kind), sequence, length and payload, so that a frame of another store, or one left over from another file, is no frame here.
 */
export interface FrameScope {
  /** 16 bytes. */
  readonly storeId: Uint8Array
  /** The number of the file that holds the frames. */
  readonly number: number
  /** The kind of a snapshot, which may share its number with other files; nothing for a journal. */
  readonly kind?: string | undefined
}

export interface Frame {
  readonly sequence: number
  /** A view on the scanned bytes, not a copy. */
  readonly payload: Uint8Array
}

export interface FrameScan {
  readonly frames: readonly Frame[]
  /** Offset just after the last good frame; where the scan began, when there is none. */
  readonly end: number
  /** `tail`: nothing after `end` is a frame. `middle`: there are good frames after bytes that are none. */
  readonly damage: Damage
}

export type Damage = 'none' | 'tail' | 'middle'

export const MAX_PAYLOAD: number = 256 * 1024
export const FRAME_OVERHEAD = 20
/** Sequences end long before they are no exact numbers any more: what is beyond was never written. */
export const MAX_SEQUENCE: number = 2 ** 52
/** The largest frame, in bytes. */
export const MAX_FRAME: number = FRAME_OVERHEAD + MAX_PAYLOAD

// 0xC1 is the one byte that msgpack never uses as a type.
const MAGIC = Buffer.from([0xc1, 0x9e, 0x46, 0x72])
const MAGIC_WORD = MAGIC.readUInt32BE(0)
const TWO_POW_32 = 2 ** 32
const STORE_ID_BYTES = 16
// Each magic word in garbage may cost a checksum of MAX_PAYLOAD: without a bound, a few MiB made for it would take minutes.
const MAX_WASTED = 64 * 1024 * 1024

export function encodeFrame(scope: FrameScope, sequence: number, payload: Uint8Array): Uint8Array {
  return encodeFrames(scope, [{ sequence, payload }])
}

/** All frames in one buffer. */
export function encodeFrames(scope: FrameScope, frames: readonly Frame[]): Uint8Array {
  const seed = scopeSeed(scope)
  let bytes = 0
  for (const { payload } of frames) bytes += FRAME_OVERHEAD + payload.length
  const target = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const { sequence, payload } of frames) at = writeFrame(target, at, seed, sequence, payload)
  return target
}

/** Writes one frame at `at` and returns where it ends. `seed` is the `scopeSeed` of the file it goes to. */
export function writeFrame(target: Buffer, at: number, seed: number, sequence: number, payload: Uint8Array): number {
  if (!Number.isSafeInteger(sequence) || sequence < 0 || sequence > MAX_SEQUENCE)
    throw new RangeError(`not a frame sequence: ${sequence}`)
  if (payload.length > MAX_PAYLOAD)
    throw new RangeError(`a frame payload of ${payload.length} bytes, over ${MAX_PAYLOAD}`)
  target.writeUInt32BE(MAGIC_WORD, at)
  target.writeUInt32BE(Math.floor(sequence / TWO_POW_32), at + 4)
  target.writeUInt32BE(sequence % TWO_POW_32, at + 8)
  target.writeUInt32BE(payload.length, at + 12)
  target.writeUInt32BE(crc32(payload, crc32(target.subarray(at + 4, at + 16), seed)), at + 16)
  target.set(payload, at + FRAME_OVERHEAD)
  return at + FRAME_OVERHEAD + payload.length
}

/** The CRC32 of what identifies a file: every frame's CRC goes on from it. */
export function scopeSeed({ storeId, number, kind = 'journal' }: FrameScope): number {
  if (storeId.length !== STORE_ID_BYTES) throw new RangeError(`a store id has 16 bytes, not ${storeId.length}`)
  const bytes = Buffer.alloc(STORE_ID_BYTES + 8)
  bytes.set(storeId)
  bytes.writeUInt32BE(Math.floor(number / TWO_POW_32), STORE_ID_BYTES)
  bytes.writeUInt32BE(number % TWO_POW_32, STORE_ID_BYTES + 4)
  return kind === 'journal' ? crc32(bytes) : crc32(kind, crc32(bytes))
}

/** The good frames of `bytes` from `offset` on. A bad one is skipped to the next good one; nothing throws. */
export function scanFrames(bytes: Uint8Array, offset: number, scope: FrameScope): FrameScan {
  const scanner = new FrameScanner(scope)
  const frames: Frame[] = []
  scanner.take(asBuffer(bytes), offset, true, frames)
  return { frames, end: scanner.end, damage: scanner.damage }
}

/** Scans one file's frames that come in pieces. */
export class FrameScanner {
  readonly #seed: number
  #previous = -1
  #wasted = 0
  #skipping = false
  #damagedMiddle = false

  /** Offset just after the last good frame, in the bytes of the latest `take`; its own offset when it found none. */
  end = 0

  constructor(scope: FrameScope) {
    this.#seed = scopeSeed(scope)
  }

  get damage(): Damage {
    if (this.#damagedMiddle) return 'middle'
    return this.#skipping ? 'tail' : 'none'
  }

  /**
   * Appends the good frames of `bytes` from `offset` on to `into`, and returns the offset of what it could not judge yet:
   * fewer than MAX_FRAME bytes, to be given again with more behind them. With `last`, nothing comes after `bytes`, and all is judged.
   */
  take(bytes: Buffer, offset: number, last: boolean, into: Frame[]): number {
    let at = offset
    this.end = offset
    while (at < bytes.length) {
      const size = this.#measure(bytes, at)
      if (size > bytes.length - at && !last) return at
      if (size > 0 && size <= bytes.length - at && this.#accept(bytes, at, size, into)) {
        at += size
        this.end = at
        continue
      }
      this.#skipping = true
      if (this.#wasted > MAX_WASTED) {
        this.#damagedMiddle = true // what follows is not looked at, and may well be good
        return bytes.length
      }
      at = nextCandidate(bytes, at + 1, last)
    }
    return at
  }

  /** Bytes that the frame at `at` takes, or needs to be measured; 0 when none begins there. */
  #measure(bytes: Buffer, at: number): number {
    if (bytes.length - at < FRAME_OVERHEAD) return FRAME_OVERHEAD
    if (bytes.readUInt32BE(at) !== MAGIC_WORD) return 0
    const length = bytes.readUInt32BE(at + 12)
    return length > MAX_PAYLOAD ? 0 : FRAME_OVERHEAD + length
  }

  #accept(bytes: Buffer, at: number, size: number, into: Frame[]): boolean {
    const payload = bytes.subarray(at + FRAME_OVERHEAD, at + size)
    const crc = crc32(payload, crc32(bytes.subarray(at + 4, at + 16), this.#seed))
    const sequence = bytes.readUInt32BE(at + 4) * TWO_POW_32 + bytes.readUInt32BE(at + 8)
    // Sequences ascend within a file. A good frame that goes back is a copy inside the payload of a damaged one.
    if (bytes.readUInt32BE(at + 16) !== crc || sequence <= this.#previous || sequence > MAX_SEQUENCE) {
      this.#wasted += size
      return false
    }
    if (this.#skipping) this.#damagedMiddle = true
    this.#skipping = false
    this.#previous = sequence
    into.push({ sequence, payload })
    return true
  }
}

function nextCandidate(bytes: Buffer, from: number, last: boolean): number {
  const found = bytes.indexOf(MAGIC, from)
  if (found >= 0) return found
  // A magic word may be cut at the end of this piece.
  return last ? bytes.length : Math.max(from, bytes.length - MAGIC.length + 1)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
