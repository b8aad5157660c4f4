import { createHash } from 'node:crypto'

/** A deterministic stream of numbers in [0, 1): the same seed gives the same run. (mulberry32) */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** An integer in [low, high), both given as integers. */
export function randomInteger(random: () => number, low: number, high: number): number {
  return low + Math.floor(random() * (high - low))
}

/** One of `choices`, which must not be empty. */
export function randomChoice<T>(random: () => number, choices: readonly T[]): T {
  return choices[randomInteger(random, 0, choices.length)] as T
}

/** Deterministic bytes that do not compress and hold no long zero run. */
export function randomBytes(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = (seed ^ 0x9e3779b9) | 0 || 1 // xorshift stays at 0 for ever
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state
  }
  return new Uint8Array(words.buffer, 0, length).slice()
}

/** `bytes` cut into pieces of `size`, the last one shorter, as a network would bring them. Views, not copies. */
export function* inPieces(bytes: Uint8Array<ArrayBuffer>, size: number): Generator<Uint8Array<ArrayBuffer>, void> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

/** `items` in an order of the seed's own (Fisher-Yates). */
export function shuffled<T>(random: () => number, items: readonly T[]): T[] {
  const order = [...items]
  for (let last = order.length - 1; last > 0; last--) {
    const other = randomInteger(random, 0, last + 1)
    const moved = order[last] as T
    order[last] = order[other] as T
    order[other] = moved
  }
  return order
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
