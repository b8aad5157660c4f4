import { randomBytes } from '../../helpers/bytes.js'

const LONGEST = 64 * 1024
const PLACES = 256 * 1024 // a prime step through them keeps contents of near keys apart
const STEP = 8_191

const pattern = randomBytes(1, PLACES + LONGEST)

/** Of resource number `n`, bytes [start, end): a view, so that making and checking content costs next to nothing. */
export function bytesOf(n: number, start: number, end: number): Uint8Array<ArrayBuffer> {
  const origin = (n * STEP) % PLACES
  return pattern.subarray(origin + start, origin + end)
}

export function isRight(n: number, start: number, bytes: Uint8Array): boolean {
  return Buffer.compare(bytesOf(n, start, start + bytes.length), bytes) === 0
}
