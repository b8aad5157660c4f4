/**
 * Bytes that say what they are. Each 16-byte word is a function of key, nonce and position, made so that it can be read
 * back: a byte that is torn, stale, zero, shifted, or another key's is wrong wherever it turns up, and the word around
 * it tells whose it is.
 *
 *   mix = hash(key, nonce, index);  word = [key ^ rotate(mix), mix, nonce ^ mix, index ^ ~mix], little-endian
 */
const WORD = 16

/** Where bytes came from. `key` is undefined when it is none of those that were asked for so far. */
interface Origin {
  readonly key: string | undefined
  readonly nonce: number
  readonly position: number
}

const keys = new Map<number, string>()

/** [start, end) of the content of `key` under `nonce`; the range need not be aligned. */
export function contentOf(key: string, nonce: number, start: number, end: number): Uint8Array<ArrayBuffer> {
  const owner = keyHash(key)
  keys.set(owner, key)
  const first = Math.floor(start / WORD)
  const words = new Uint32Array((Math.ceil(end / WORD) - first) * 4)
  for (let at = 0; at < words.length; at += 4) {
    const index = first + at / 4
    const mix = mixed(owner, nonce, index)
    words[at] = owner ^ rotated(mix)
    words[at + 1] = mix
    words[at + 2] = nonce ^ mix
    words[at + 3] = index ^ ~mix
  }
  return new Uint8Array(words.buffer).subarray(start - first * WORD, end - first * WORD)
}

/** What is wrong with bytes read at `position`, or undefined when they are those of `key` under `nonce`. */
export function complaint(key: string, nonce: number, position: number, bytes: Uint8Array): string | undefined {
  return difference(contentOf(key, nonce, position, position + bytes.length), position, bytes)
}

/** Names the first byte of `bytes`, read at `position`, that is not the expected one, and whose it is. */
export function difference(expected: Uint8Array, position: number, bytes: Uint8Array): string | undefined {
  if (Buffer.compare(expected, bytes) === 0) return undefined
  if (expected.length !== bytes.length) return `${bytes.length} bytes at ${position} and not ${expected.length}`
  const wrong = expected.findIndex((byte, index) => byte !== bytes[index])
  return (
    `byte ${position + wrong} is ${bytes[wrong]} and not ${expected[wrong]}: expected ` +
    `${described(position, expected, wrong)}, found ${described(position, bytes, wrong)}`
  )
}

function described(position: number, bytes: Uint8Array, at: number): string {
  const offset = at - ((position + at) % WORD)
  // A word that the range cuts off cannot be read: the next whole one tells.
  const origin = wordAt(bytes, offset) ?? wordAt(bytes, offset + WORD)
  if (origin) return `${origin.key ?? 'an unknown key'} of nonce ${origin.nonce}, position ${origin.position}`
  return bytes.subarray(at, at + WORD).every((byte) => byte === 0) ? 'zeros' : 'no content at all'
}

function wordAt(bytes: Uint8Array, offset: number): Origin | undefined {
  if (offset < 0 || offset + WORD > bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, WORD)
  const mix = view.getUint32(4, true)
  const owner = (view.getUint32(0, true) ^ rotated(mix)) >>> 0
  const nonce = (view.getUint32(8, true) ^ mix) >>> 0
  const index = (view.getUint32(12, true) ^ ~mix) >>> 0
  if (mixed(owner, nonce, index) !== mix) return undefined
  return { key: keys.get(owner), nonce, position: index * WORD }
}

function mixed(owner: number, nonce: number, index: number): number {
  let mix = owner ^ Math.imul(nonce, 0x9e3779b1) ^ Math.imul(index, 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad)
  mix = Math.imul(mix ^ (mix >>> 15), 0x735a2d97)
  return (mix ^ (mix >>> 15)) >>> 0
}

const rotated = (word: number): number => (word << 7) | (word >>> 25)

/** FNV-1a. */
function keyHash(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return hash >>> 0
}
