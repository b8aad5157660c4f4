import type { ResourceWriter } from '@cistern/assets'
import { randomChoice, randomInteger, shuffled } from '../helpers/bytes.js'
import type { Content } from './held.js'

export type Range = readonly [start: number, end: number]

/** Where the bytes of a range come from. */
export type Source = (start: number, end: number) => Uint8Array

/** In order or out of order, piece by piece or many at once. */
export async function writeRanges(
  writer: ResourceWriter,
  ranges: readonly Range[],
  source: Source,
  random: () => number,
): Promise<void> {
  const size = randomChoice(random, [4_000, 16_384, 65_536, 200_000])
  const pieces = ranges.flatMap(([start, end]) => cut(start, end, size))
  const style = random()
  if (style < 0.4) {
    for (const [start, end] of ranges) await writer.writeFrom(inPieces(source, start, end, size), { at: start })
  } else if (style < 0.7) {
    await Promise.all(pieces.map(([start, end]) => writer.writeAt(start, source(start, end))))
  } else {
    for (const [start, end] of shuffled(random, pieces)) await writer.writeAt(start, source(start, end))
  }
}

async function* inPieces(source: Source, start: number, end: number, size: number): AsyncGenerator<Uint8Array> {
  for (const [from, to] of cut(start, end, size)) {
    yield source(from, to)
    await new Promise((resolve) => setImmediate(resolve)) // as a network would
  }
}

/** Some pieces of what is missing, in any order. */
export function someOf(gaps: readonly Range[], random: () => number): Range[] {
  const pieces = gaps.flatMap(([start, end]) => cut(start, end, 100_000))
  return shuffled(random, pieces).slice(0, Math.ceil(pieces.length * random()))
}

export function cut(start: number, end: number, size: number): Range[] {
  const pieces: Range[] = []
  for (let from = start; from < end; from += size) pieces.push([from, Math.min(end, from + size)])
  return pieces
}

/** Mostly small, some of several blocks, a few empty. */
export function freshContent(nonce: number, random: () => number): Content {
  const size = random()
  if (size < 0.05) return { nonce, length: 0 }
  return { nonce, length: size < 0.6 ? randomInteger(random, 1, 70_000) : randomInteger(random, 70_000, 800_000) }
}

/** Never the same in two lives, which have two seeds. */
export function noncesOf(seed: number): () => number {
  let count = 0
  return () => {
    count += 1
    return 1 + ((seed * 4096 + count) % (2 ** 24 - 1))
  }
}

/** Not a wait for anything: it spreads the work over time, as a network would. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
