/**
 * `bytes` cut into pieces.
 * @param {Buffer} bytes
 * @param {number} size
 * @returns {Buffer[]}
 */
export function piecesOf(bytes, size) {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  )
}

/**
 * As a network stream that is never behind brings them.
 * @param {readonly Uint8Array[]} pieces
 */
export async function* arriving(pieces) {
  yield* pieces
}
