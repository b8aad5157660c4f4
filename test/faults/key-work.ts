import {
  type AssetStore,
  CisternError,
  type ResourceKey,
  type ResourceReader,
  type ResourceWriter,
} from '@cistern/assets'
import { randomChoice, randomInteger, randomNumbers, shuffled } from '../helpers/bytes.js'
import { complaint, contentOf } from './content.js'
import { type Held, say } from './report.js'

type Range = readonly [start: number, end: number]

/** What happens to one key, one operation after another; other keys of the store have their own at the same time. */
export class KeyWork {
  readonly #store: AssetStore
  readonly #key: ResourceKey
  readonly #random: () => number
  readonly #nextNonce: () => number
  readonly #mayRefuse: (error: unknown) => boolean

  /** `mayRefuse`: errors that end an operation without being a fault, besides a removal that came between. */
  constructor(store: AssetStore, key: ResourceKey, seed: number, mayRefuse: (error: unknown) => boolean = () => false) {
    this.#mayRefuse = mayRefuse
    this.#store = store
    this.#key = key
    this.#random = randomNumbers(seed)
    this.#nextNonce = noncesOf(seed)
  }

  /** One operation, chosen by the seed. Rejects with what must not happen. */
  readonly step = async (): Promise<void> => {
    const roll = this.#random()
    try {
      if (roll < 0.5) await this.#fill()
      else if (roll < 0.65) await this.#rewrite()
      else if (roll < 0.78) await this.#put()
      else if (roll < 0.88) await this.#look()
      else await this.#remove()
    } catch (error) {
      if (!wasRemoved(error) && !this.#mayRefuse(error)) throw error
      say({ is: 'undone', key: this.#key.id, why: String(error) })
    }
  }

  /** Goes on with what an earlier life left, or begins; ends with a commit, a release or a failure. */
  async #fill(): Promise<void> {
    await using got = await this.#store.acquire(this.#key)
    const { writer, reader } = got
    if (!writer) return await this.#check(reader)
    const begun = this.#random() < 0.9 ? heldOf(writer.validator) : undefined // else: the source has changed
    const held = begun ?? this.#fresh()
    await this.#declare(writer, held)
    const gaps = [...writer.coverage.gaps(0, held.length)].map(({ start, end }): Range => [start, end])
    const how = this.#random()
    if (how < 0.25 && gaps.length > 0) {
      await this.#write(writer, reader, held, this.#someOf(gaps))
      return await writer.release() // what is missing is for a later operation, or a later life
    }
    await this.#write(writer, reader, held, gaps)
    if (how < 0.3) return await writer.fail(new Error('the source turned out to be broken'))
    await this.#commit(writer, held)
  }

  async #rewrite(): Promise<void> {
    await using got = await this.#store.acquire(this.#key, { mode: 'rewrite' })
    const { writer, reader } = got
    if (!writer) throw new Error('a rewriter that is alone got no writer')
    const held = this.#fresh()
    await this.#declare(writer, held)
    await this.#write(writer, reader, held, [[0, held.length]])
    if (this.#random() < 0.25) return await writer.release()
    await this.#commit(writer, held)
  }

  async #put(): Promise<void> {
    const held = this.#fresh()
    say({ is: 'begin', key: this.#key.id, held })
    await this.#store.put(this.#key, contentOf(this.#key.id, held.nonce, 0, held.length), { metadata: held })
    say({ is: 'done', key: this.#key.id, held })
  }

  async #remove(): Promise<void> {
    say({ is: 'begin', key: this.#key.id, held: null })
    await this.#store.remove(this.#key)
    say({ is: 'done', key: this.#key.id, held: null })
  }

  async #look(): Promise<void> {
    if (!this.#store.stat(this.#key)) return
    using reader = await this.#store.open(this.#key)
    await this.#check(reader)
  }

  async #commit(writer: ResourceWriter, held: NonNullable<Held>): Promise<void> {
    say({ is: 'begin', key: this.#key.id, held })
    await writer.commit()
    say({ is: 'done', key: this.#key.id, held })
  }

  async #declare(writer: ResourceWriter, held: NonNullable<Held>): Promise<void> {
    await writer.declare({ length: held.length, validator: `${held.nonce}-${held.length}` })
    writer.setMetadata(held)
  }

  /** In order or out of order, piece by piece or many at once, looking back at what is there. */
  async #write(
    writer: ResourceWriter,
    reader: ResourceReader,
    held: NonNullable<Held>,
    gaps: readonly Range[],
  ): Promise<void> {
    const size = randomChoice(this.#random, [1_000, 16_384, 65_536, 200_000])
    const pieces = gaps.flatMap(([start, end]) => cut(start, end, size))
    const style = this.#random()
    if (style < 0.4) {
      for (const [start, end] of gaps) await writer.writeFrom(this.#source(held, start, end, size), { at: start })
    } else if (style < 0.7) {
      await Promise.all(pieces.map((piece) => this.#writePiece(writer, held, piece)))
    } else {
      for (const piece of shuffled(this.#random, pieces)) await this.#writePiece(writer, held, piece)
    }
    const [start, end] = randomChoice(this.#random, gaps.length > 0 ? gaps : [[0, 0]])
    await this.#compare(reader, held.nonce, start, Math.min(end, start + 100_000))
  }

  async *#source(held: NonNullable<Held>, start: number, end: number, size: number): AsyncGenerator<Uint8Array> {
    for (const [from, to] of cut(start, end, size)) {
      yield contentOf(this.#key.id, held.nonce, from, to)
      await new Promise((resolve) => setImmediate(resolve)) // as a network would
    }
  }

  #writePiece(writer: ResourceWriter, held: NonNullable<Held>, [start, end]: Range): Promise<void> {
    return writer.writeAt(start, contentOf(this.#key.id, held.nonce, start, end))
  }

  async #check(reader: ResourceReader): Promise<void> {
    const stat = this.#store.stat(this.#key)
    if (stat?.generation !== reader.generation) return // a removal came between: nothing says what it was
    const held = stat.metadata as Held
    if (!held) return // declared, and nothing written yet
    for (const { start, end } of [...reader.coverage]) await this.#compare(reader, held.nonce, start, end)
  }

  async #compare(reader: ResourceReader, nonce: number, start: number, end: number): Promise<void> {
    const target = new Uint8Array(end - start)
    let read = 0
    while (read < target.length) {
      const count = await reader.readAt(start + read, target.subarray(read))
      if (count === 0) break
      read += count
    }
    const wrong = complaint(this.#key.id, nonce, start, target.subarray(0, read))
    if (wrong) say({ is: 'violation', what: `while it lived: ${wrong}` })
  }

  #someOf(gaps: readonly Range[]): Range[] {
    const pieces = gaps.flatMap(([start, end]) => cut(start, end, 100_000))
    return shuffled(this.#random, pieces).slice(0, Math.ceil(pieces.length * this.#random()))
  }

  /** Mostly small, some of several blocks, a few empty. */
  #fresh(): NonNullable<Held> {
    const size = this.#random()
    const length =
      size < 0.05
        ? 0
        : size < 0.5
          ? randomInteger(this.#random, 1, 70_000)
          : randomInteger(this.#random, 70_000, 2_500_000)
    return { nonce: this.#nextNonce(), length }
  }
}

/** What a validator says that an earlier life declared. */
function heldOf(validator: string | undefined): NonNullable<Held> | undefined {
  const match = /^(\d+)-(\d+)$/.exec(validator ?? '')
  return match ? { nonce: Number(match[1]), length: Number(match[2]) } : undefined
}

/** Never the same in two lives, which have two seeds. */
function noncesOf(seed: number): () => number {
  let count = 0
  return () => {
    count += 1
    return 1 + ((seed * 4096 + count) % (2 ** 24 - 1))
  }
}

function cut(start: number, end: number, size: number): Range[] {
  const pieces: Range[] = []
  for (let from = start; from < end; from += size) pieces.push([from, Math.min(end, from + size)])
  return pieces
}

/** Another operation removes whole assets at any moment: what it ends is told so, and this is not a fault. */
function wasRemoved(error: unknown): boolean {
  return (
    CisternError.is(error, 'ERR_CISTERN_REMOVED') ||
    CisternError.is(error, 'ERR_CISTERN_NOT_FOUND') ||
    CisternError.is(error, 'ERR_CISTERN_WRITER_CLOSED')
  )
}
