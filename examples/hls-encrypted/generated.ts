// A resource of any size without a file: each byte follows from its position, so a wrong one is found wherever it lands.

const WORD = 4

/** The bytes of [start, end) of the generated resource. */
export function generatedBytes(start: number, end: number): Uint8Array<ArrayBuffer> {
  const from = start - (start % WORD)
  const words = new Uint32Array(Math.ceil((end - from) / WORD))
  const first = from / WORD
  for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(first + i, 0x9e3779b1) ^ ((first + i) >>> 15)
  return new Uint8Array(words.buffer, start - from, end - start)
}

/** Position of the first byte of `chunk`, read at `position`, that is not as generated, or undefined. */
export function firstDifference(position: number, chunk: Uint8Array): number | undefined {
  const expected = generatedBytes(position, position + chunk.length)
  if (Buffer.compare(chunk, expected) === 0) return undefined
  return position + chunk.findIndex((byte, at) => byte !== expected[at])
}
