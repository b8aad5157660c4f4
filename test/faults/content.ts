const WORD = 8
const NONCES = 2 ** 24
const POSITIONS = 2 ** 24 // words, so 128 MiB

/**
 * Bytes that say what they are. Each 8-byte word holds 16 bits of the key, 24 bits of the nonce of the generation and
 * 24 bits of its position, so that a byte that is torn, stale, zero, shifted or another resource's is seen and named.
 * The range is half-open and need not be aligned.
 */
export function contentOf(key: string, nonce: number, start: number, end: number): Uint8Array<ArrayBuffer> {
  if (nonce < 1 || nonce >= NONCES) throw new RangeError(`nonce ${nonce} is not in [1, ${NONCES})`)
  if (end > POSITIONS * WORD) throw new RangeError(`content ends at ${POSITIONS * WORD}, asked for ${end}`)
  const first = Math.floor(start / WORD)
  const words = new Uint32Array((Math.ceil(end / WORD) - first) * 2)
  const high = (keyHash(key) << 16) | (nonce >>> 8)
  const low = (nonce & 0xff) << 24
  for (let index = 0; index < words.length; index += 2) {
    words[index] = high
    words[index + 1] = low | (first + index / 2)
  }
  return new Uint8Array(words.buffer).subarray(start - first * WORD, end - first * WORD)
}

/**
 * What is wrong with bytes read at `position`, or undefined when they are what was written. Where content of the nonce
 * `under` is being overwritten, each byte may be of either.
 */
export function complaint(
  key: string,
  nonce: number,
  position: number,
  bytes: Uint8Array,
  under?: number,
): string | undefined {
  const expected = contentOf(key, nonce, position, position + bytes.length)
  if (Buffer.compare(expected, bytes) === 0) return undefined
  const before = under === undefined ? expected : contentOf(key, under, position, position + bytes.length)
  const wrong = expected.findIndex((byte, index) => byte !== bytes[index] && before[index] !== bytes[index])
  if (wrong < 0) return undefined
  const word = Math.max(Math.floor((position + wrong) / WORD), Math.ceil(position / WORD)) * WORD
  return (
    `${key}: byte ${position + wrong} is ${bytes[wrong]} and not ${expected[wrong]}; ` +
    `expected nonce ${nonce}, found ${described(key, word, bytes.subarray(word - position))}`
  )
}

/** The nonce that bytes claim, read from their first whole word. */
export function nonceOf(position: number, bytes: Uint8Array): number | undefined {
  const offset = (WORD - (position % WORD)) % WORD
  if (offset + WORD > bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, WORD)
  return ((view.getUint32(0, true) & 0xffff) << 8) | (view.getUint32(4, true) >>> 24)
}

function described(key: string, position: number, bytes: Uint8Array): string {
  if (bytes.length < WORD) return 'the end'
  const view = new DataView(bytes.buffer, bytes.byteOffset, WORD)
  const [high, low] = [view.getUint32(0, true), view.getUint32(4, true)]
  if (high === 0 && low === 0) return 'zeros'
  const owner = high >>> 16 === keyHash(key) ? 'this key' : 'another key'
  return `${owner}, nonce ${((high & 0xffff) << 8) | (low >>> 24)}, position ${(low & 0xffffff) * WORD} at ${position}`
}

/** FNV-1a, folded to 16 bits, never 0. */
function keyHash(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return ((hash >>> 16) ^ hash) & 0xffff || 1
}
