import { randomBytes, randomChoice, randomInteger } from '../../helpers/bytes.js'
import { framesIn, type PlacedFrame } from './frames-in.js'
import type { IndexFiles } from './memory-index.js'
import { nameOf, type SmallJournals } from './small-journals.js'

interface Victim {
  readonly random: () => number
  readonly bytes: Uint8Array
  /** Never empty. */
  readonly frames: readonly PlacedFrame[]
  /** Frames of other journals: of this store, and of another. */
  readonly foreign: readonly Uint8Array[]
}

type Breaking = (victim: Victim) => Uint8Array

/** What a disk, a copy or a crash does to a journal: the CRCs tell. */
const BREAKING: Readonly<Record<string, Breaking>> = {
  'bits flipped': ({ random, bytes }) => {
    const damaged = Uint8Array.from(bytes)
    for (let count = randomInteger(random, 1, 9); count > 0; count--) {
      const at = randomInteger(random, 0, damaged.length)
      damaged[at] = (damaged[at] ?? 0) ^ (1 << randomInteger(random, 0, 8))
    }
    return damaged
  },
  cut: ({ random, bytes }) => bytes.subarray(0, randomInteger(random, 0, bytes.length)),
  'a piece missing': ({ random, bytes }) => {
    const [from, to] = piece(random, bytes.length)
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
  'a piece of zeros': ({ random, bytes }) => Uint8Array.from(bytes).fill(0, ...piece(random, bytes.length)),
  'noise over a piece': ({ random, bytes }) => {
    const [from, to] = piece(random, bytes.length)
    const damaged = Uint8Array.from(bytes)
    damaged.set(randomBytes(from + to, to - from), from)
    return damaged
  },
  'noise in between': ({ random, bytes }) =>
    inserted(random, bytes, randomBytes(bytes.length, randomInteger(random, 1, 300))),
  'a frame twice': ({ random, bytes, frames }) => {
    const { start, end } = randomChoice(random, frames)
    return spliced(bytes, randomChoice(random, frames).start, bytes.subarray(start, end))
  },
  'two frames swapped': ({ random, bytes, frames }) => {
    const [one, other] = [randomChoice(random, frames), randomChoice(random, frames)]
    const [first, second] = one.start <= other.start ? [one, other] : [other, one]
    if (first === second) return bytes
    return Buffer.concat([
      bytes.subarray(0, first.start),
      bytes.subarray(second.start, second.end),
      bytes.subarray(first.end, second.start),
      bytes.subarray(first.start, first.end),
      bytes.subarray(second.end),
    ])
  },
  "another journal's frame": ({ random, bytes, frames, foreign }) =>
    spliced(bytes, randomChoice(random, frames).start, randomChoice(random, foreign)),
  'a frame inside another': ({ random, bytes, frames, foreign }) => {
    const { start, end } = randomChoice(random, frames)
    return spliced(bytes, randomInteger(random, start, end), randomChoice(random, foreign))
  },
  'a length altered': ({ random, bytes, frames }) => {
    const damaged = Buffer.from(bytes)
    const length = randomChoice(random, [0, 1, 20, 255, 256 * 1024, 256 * 1024 + 1, 2 ** 32 - 1, bytes.length])
    damaged.writeUInt32BE(length, randomChoice(random, frames).start + 12)
    return damaged
  },
  'a sequence altered': ({ random, bytes, frames }) => {
    const damaged = Buffer.from(bytes)
    const sequence = randomChoice(random, [0, 1, 2 ** 20, 2 ** 40, Number.MAX_SAFE_INTEGER])
    damaged.writeBigUInt64BE(BigInt(sequence), randomChoice(random, frames).start + 4)
    return damaged
  },
  'magic words everywhere': ({ random, bytes }) => {
    const words = Buffer.alloc(4 * randomInteger(random, 1, 100))
    for (let at = 0; at < words.length; at += 4) words.writeUInt32BE(0xc19e4672, at)
    return inserted(random, bytes, words)
  },
}

/** The files with one journal of them damaged, or two; `how` names the damage. */
export function broken(
  random: () => number,
  journals: SmallJournals,
  other: SmallJournals,
): { readonly how: string; readonly files: IndexFiles } {
  const files = new Map(journals.files)
  const names: string[] = []
  for (let count = random() < 0.8 ? 1 : 2; count > 0; count--) {
    const number = randomChoice(random, journals.numbers)
    const bytes = files.get(nameOf(number)) as Uint8Array // its number is one of theirs
    const frames = framesIn(bytes, journals.storeId, number)
    const how = randomChoice(random, Object.keys(BREAKING))
    if (frames.length === 0 || bytes.length === 0) continue
    const foreign = [...framesOf(journals, number), ...framesOf(other)]
    files.set(nameOf(number), (BREAKING[how] as Breaking)({ random, bytes, frames, foreign }))
    names.push(`${how} in journal ${number}`)
  }
  return { how: names.join(', '), files }
}

function framesOf({ storeId, files, numbers }: SmallJournals, except?: number): Uint8Array[] {
  return numbers
    .filter((number) => number !== except)
    .flatMap((number) => {
      const bytes = files.get(nameOf(number)) as Uint8Array // its number is one of theirs
      return framesIn(bytes, storeId, number).map(({ start, end }) => bytes.subarray(start, end))
    })
}

function piece(random: () => number, length: number): [from: number, to: number] {
  const from = randomInteger(random, 0, length)
  return [from, Math.min(length, from + randomInteger(random, 1, 200))]
}

const inserted = (random: () => number, bytes: Uint8Array, more: Uint8Array): Uint8Array =>
  spliced(bytes, randomInteger(random, 0, bytes.length + 1), more)

const spliced = (bytes: Uint8Array, at: number, more: Uint8Array): Uint8Array =>
  Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
