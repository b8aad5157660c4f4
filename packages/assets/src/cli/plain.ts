/**
 * Metadata as JSON can hold it: bigints and numbers that are none as text, dates in ISO 8601, bytes in base64, maps as
 * lists of pairs, sets as lists.
 */
export function plain(value: unknown): unknown {
  switch (typeof value) {
    case 'bigint':
      return value.toString()
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'undefined':
      return null
    case 'object':
      return value === null ? null : plainObject(value)
    default:
      return value
  }
}

function plainObject(value: object): unknown {
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (value instanceof Map) return [...value].map(([name, inside]) => [plain(name), plain(inside)])
  if (value instanceof Set) return [...value].map(plain)
  if (Array.isArray(value)) return Array.from(value, plain)
  return Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, plain(inside)]))
}
