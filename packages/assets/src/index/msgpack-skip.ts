/** Bytes behind the first one of each type that is no container: its length is known, or stands in so many bytes. */
const FIXED: Readonly<Record<number, number>> = {
  192: 0, // nil
  194: 0, // false
  195: 0, // true
  202: 4, // float 32
  203: 8, // float 64
  204: 1, // uint 8
  205: 2,
  206: 4,
  207: 8,
  208: 1, // int 8
  209: 2,
  210: 4,
  211: 8,
  212: 2, // fixext 1
  213: 3,
  214: 5,
  215: 9,
  216: 17,
}

/** Where the msgpack value at `at` ends. Nothing is decoded. Throws where there is none. */
export function skip(bytes: Uint8Array, at: number): number {
  const type = bytes[at] as number
  if (type < 0x80 || type >= 0xe0) return at + 1 // small integers
  if (type >= 0xa0 && type < 0xc0) return at + 1 + (type & 0x1f)
  if (type < 0x90) return skipAll(bytes, at + 1, (type & 0x0f) * 2)
  if (type < 0xa0) return skipAll(bytes, at + 1, type & 0x0f)
  const fixed = FIXED[type]
  if (fixed !== undefined) return at + 1 + fixed
  switch (type) {
    case 0xc4: // bin
    case 0xd9: // str
      return at + 2 + uint(bytes, at + 1, 1)
    case 0xc5:
    case 0xda:
      return at + 3 + uint(bytes, at + 1, 2)
    case 0xc6:
    case 0xdb:
      return at + 5 + uint(bytes, at + 1, 4)
    case 0xc7: // ext: a byte more, which says what it is
      return at + 3 + uint(bytes, at + 1, 1)
    case 0xc8:
      return at + 4 + uint(bytes, at + 1, 2)
    case 0xc9:
      return at + 6 + uint(bytes, at + 1, 4)
    case 0xdc: // array
      return skipAll(bytes, at + 3, uint(bytes, at + 1, 2))
    case 0xdd:
      return skipAll(bytes, at + 5, uint(bytes, at + 1, 4))
    case 0xde: // map
      return skipAll(bytes, at + 3, uint(bytes, at + 1, 2) * 2)
    case 0xdf:
      return skipAll(bytes, at + 5, uint(bytes, at + 1, 4) * 2)
    default:
      throw new TypeError('not msgpack')
  }
}

function skipAll(bytes: Uint8Array, from: number, count: number): number {
  let at = from
  for (let left = count; left > 0; left--) at = skip(bytes, at)
  return at
}

function uint(bytes: Uint8Array, at: number, size: number): number {
  let value = 0
  for (let i = at; i < at + size; i++) value = value * 256 + (bytes[i] as number)
  return value
}
