import { encodeFrames, type Frame } from '#assets/index/frame.js'
import { encodeHeader } from '#assets/index/header.js'
import { decodeRecord, pack, unpack } from '#assets/index/record.js'
import { randomBytes, randomChoice, randomInteger } from '../../helpers/bytes.js'
import { framesIn } from './frames-in.js'
import type { IndexFiles } from './memory-index.js'
import { nameOf, SESSION, type SmallJournals } from './small-journals.js'

/** What no writer of ours puts there. */
const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 31,
  2 ** 40,
  2 ** 53,
  1e300,
  2n ** 63n,
  '',
  '.',
  '..',
  '../../canary',
  '/etc/passwd',
  '_index',
  '_index/cov.bin',
  'a\0b',
  'a//b',
  '__proto__',
  'constructor',
  'x'.repeat(3000),
  'NUL',
  'film/x.part',
  [],
  [[[[]]]],
  [0, 262_144, 1],
  [5, 1, 1],
  [-5, 5, 1],
  [0, 1e15, 7],
  [0, randomBytes(1, 8)],
  [-1, randomBytes(2, 8)],
  [1e15, randomBytes(3, 8)],
  new Uint8Array(0),
  randomBytes(4, 7),
  {},
  { a: { b: 1 } },
  new Date(0),
  new Map([[1, 2]]),
]

/**
 * The files with records in them that their CRCs vouch for and that make no sense: of random msgpack, of real records with
 * fields exchanged, in an order or at numbers that no log gives.
 */
export function misshapen(
  random: () => number,
  journals: SmallJournals,
): { readonly how: string; readonly files: IndexFiles } {
  const files = new Map(journals.files)
  const number = randomChoice(random, journals.numbers)
  const { storeId } = journals
  const before = framesIn(files.get(nameOf(number)) as Uint8Array, storeId, number) // its number is one of theirs
  const frames: Frame[] = before.map(({ sequence, payload }) => ({ sequence, payload }))
  const made: string[] = []
  for (let count = randomInteger(random, 1, 4); count > 0; count--) {
    const at = randomInteger(random, 0, frames.length)
    const [how, payload] = randomPayload(random, frames[at]?.payload)
    made.push(how)
    frames.splice(at, random() < 0.5 ? 1 : 0, { sequence: frames[at]?.sequence ?? 1, payload })
  }
  const begins = (before[0]?.sequence ?? 1) - 1
  const leap = random() < 0.05 ? randomChoice(random, [1, 2 ** 32, 2 ** 47, 2 ** 51]) : 0
  const numbered = frames.map(({ payload }, index) => ({
    sequence: begins + 1 + index + (index === frames.length - 1 ? leap : 0),
    payload,
  }))
  const header = {
    kind: 'journal',
    storeId,
    number,
    session: SESSION,
    sequence: (before[0]?.sequence ?? 1) - 1,
  } as const
  const predecessor = number > 1 ? { number: number - 1, sequence: begins } : undefined
  files.set(
    nameOf(number),
    Buffer.concat([encodeHeader({ ...header, predecessor }), encodeFrames({ storeId, number }, numbered)]),
  )
  return { how: `${made.join(', ')}${leap > 0 ? `, a leap of ${leap}` : ''} in journal ${number}`, files }
}

function randomPayload(random: () => number, real: Uint8Array | undefined): [how: string, payload: Uint8Array] {
  const roll = random()
  if (real === undefined || decodeRecord(real) === undefined || roll < 0.08)
    return ['bytes', randomBytes(Math.floor(random() * 2 ** 31), randomInteger(random, 0, 60))]
  if (roll < 0.16) return ['msgpack', pack(randomValue(random, 4))]
  if (roll < 0.26) {
    const code = randomInteger(random, 0, 16)
    const fields = Array.from({ length: randomInteger(random, 0, 9) }, () => randomValue(random, 3))
    return [`fields of ${code}`, pack([code, SESSION, ...fields])]
  }
  if (roll < 0.32) return ['leaves', pack([11, SESSION, leafFields(random)])]
  const fields = unpack(real) as unknown[]
  const path = exchange(random, fields)
  return [`field ${path} of ${String(fields[0])}`, pack(fields)]
}

function randomValue(random: () => number, depth: number): unknown {
  const roll = random()
  if (depth > 0 && roll < 0.4)
    return Array.from({ length: randomInteger(random, 0, 5) }, () => randomValue(random, depth - 1))
  return randomChoice(random, ODD)
}

/** A leaf as a snapshot has it: what is packed in it is only looked at when it is first asked for. */
function leafFields(random: () => number): unknown[] {
  const odd = (real: unknown) => (random() < 0.2 ? randomChoice(random, ODD) : real)
  const packed = random() < 0.5 ? randomBytes(7, randomInteger(random, 0, 40)) : pack(randomValue(random, 4))
  return [odd('asset-0'), odd(''), odd(1), odd(100), odd(0), odd(0), odd(packed)]
}

/** Puts something odd in the place of one of the values inside; returns where. */
function exchange(random: () => number, within: unknown[]): string {
  const at = randomInteger(random, 0, within.length)
  const inside = within[at]
  if (Array.isArray(inside) && inside.length > 0 && random() < 0.75) return `${at}.${exchange(random, inside)}`
  within[at] = randomChoice(random, ODD)
  return String(at)
}
