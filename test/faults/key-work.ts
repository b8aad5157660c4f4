import type { ResourceKey, ResourceReader, ResourceWriter } from '@cistern/assets'
import { randomInteger, randomNumbers, shuffled } from '../helpers/bytes.js'
import { contentOf, nonceOf } from './content.js'
import { type Content, contentIn, validatorOf } from './held.js'
import { say } from './report.js'
import { BROKEN, isExpected, type Workshop } from './workshop.js'
import { cut, freshContent, noncesOf, pause, type Range, someOf, writeRanges } from './writing.js'

/** What happens to one key, one operation after another; other keys of the store have their own at the same time. */
export class KeyWork {
  readonly #shop: Workshop
  readonly #key: ResourceKey
  readonly #random: () => number
  readonly #nextNonce: () => number
  readonly #mayRefuse: (error: unknown) => boolean

  /** `mayRefuse`: errors that end an operation without being a fault, besides those that others of the shop cause. */
  constructor(shop: Workshop, key: ResourceKey, seed: number, mayRefuse: (error: unknown) => boolean = () => false) {
    this.#mayRefuse = mayRefuse
    this.#shop = shop
    this.#key = key
    this.#random = randomNumbers(seed)
    this.#nextNonce = noncesOf(seed)
  }

  /** One operation, chosen by the seed. Rejects with what must not happen. */
  readonly step = async (): Promise<void> => {
    const roll = this.#random()
    try {
      if (roll < 0.45) await this.#fill()
      else if (roll < 0.6) await this.#rewrite()
      else if (roll < 0.7) await this.#extend()
      else if (roll < 0.82) await this.#put()
      else if (roll < 0.88) await this.#look()
      else await this.#remove()
    } catch (error) {
      if (!isExpected(error) && !this.#mayRefuse(error)) throw error
      say({ is: 'undone', key: this.#key.id, why: String(error) })
    }
  }

  /** Goes on with what an earlier life left, or begins; ends with a commit, a release or a failure. */
  async #fill(): Promise<void> {
    await using got = await this.#shop.store.acquire(this.#key)
    const { writer, reader } = got
    if (!writer) return await this.#shop.check(this.#key, reader)
    const begun = this.#random() < 0.9 ? contentIn(writer.validator) : undefined // else: the source has changed
    if (begun && writer.coverage.size > 0) say({ is: 'met', what: 'resumed' })
    const content = begun ?? this.#freshOrTwofold()
    await this.#declare(writer, content)
    // Where other bytes are to be overwritten, nobody knows which of them are.
    const gaps = content.under === undefined ? gapsOf(writer, content.length) : whole(content.length)
    const how = this.#random()
    if (begun === undefined && content.under !== undefined) await this.#writeUnder(writer, content, content.under)
    if (content.under !== undefined) await this.#writeOver(writer, content)
    if (how < 0.25 && gaps.length > 0) {
      await this.#write(writer, reader, content, someOf(gaps, this.#random))
      return await writer.release() // what is missing is for a later operation, or a later life
    }
    await this.#write(writer, reader, content, gaps)
    if (how < 0.3) return await writer.fail(new Error(BROKEN))
    await this.#commit(writer, content)
  }

  /** Bytes that get on record, and are then written over. */
  async #writeUnder(writer: ResourceWriter, { length }: Content, under: number): Promise<void> {
    const source = (start: number, end: number) => contentOf(this.#key.id, under, start, end)
    await writeRanges(writer, whole(length), source, this.#random)
    if (this.#random() < 0.5) await this.#shop.store.checkpoint()
    else await pause(randomInteger(this.#random, 0, 60)) // a flush or two come between
  }

  /** Slowly, so that at any moment some of what is on record is about to be something else. */
  async #writeOver(writer: ResourceWriter, { nonce, length }: Content): Promise<void> {
    say({ is: 'met', what: 'overwritten' })
    for (const [start, end] of shuffled(this.#random, cut(0, length, 40_000))) {
      await writer.writeAt(start, contentOf(this.#key.id, nonce, start, end))
      await pause(randomInteger(this.#random, 0, 8))
    }
  }

  async #rewrite(): Promise<void> {
    await using got = await this.#shop.store.acquire(this.#key, { mode: 'rewrite' })
    const { writer, reader } = got
    if (!writer) throw new Error('a rewriter that is alone got no writer')
    const content = freshContent(this.#nextNonce(), this.#random)
    await this.#declare(writer, content)
    await this.#write(writer, reader, content, whole(content.length))
    if (this.#random() < 0.25) return await writer.release()
    await this.#commit(writer, content)
  }

  /** The same content goes on: what is committed is a prefix of it. */
  async #extend(): Promise<void> {
    await using got = await this.#shop.store.acquire(this.#key, { mode: 'extend' })
    const { writer, reader } = got
    if (!writer) throw new Error('an extender that is alone got no writer')
    const before = writer.coverage.size
    const nonce = before > 0 ? nonceOf(0, await firstWord(reader)) : this.#nextNonce()
    if (nonce === undefined || before > 1_000_000) return await writer.release()
    const content = { nonce, length: before + randomInteger(this.#random, 0, 200_000) }
    await this.#declare(writer, content, writer.validator ?? '') // the bytes that are there stay
    await this.#write(writer, reader, content, gapsOf(writer, content.length))
    await this.#commit(writer, content)
  }

  async #put(): Promise<void> {
    const content = freshContent(this.#nextNonce(), this.#random)
    say({ is: 'begin', key: this.#key.id, held: content })
    const body = contentOf(this.#key.id, content.nonce, 0, content.length)
    await this.#shop.store.put(this.#key, body, { metadata: content })
    say({ is: 'done', key: this.#key.id, held: content })
  }

  async #remove(): Promise<void> {
    say({ is: 'begin', key: this.#key.id, held: null })
    await this.#shop.store.remove(this.#key)
    say({ is: 'done', key: this.#key.id, held: null, synced: true })
  }

  async #look(): Promise<void> {
    if (!this.#shop.store.stat(this.#key)) return
    using reader = await this.#shop.store.open(this.#key)
    await this.#shop.check(this.#key, reader)
  }

  async #commit(writer: ResourceWriter, content: Content): Promise<void> {
    say({ is: 'begin', key: this.#key.id, held: content })
    await writer.commit()
    say({ is: 'done', key: this.#key.id, held: content })
  }

  async #declare(writer: ResourceWriter, content: Content, validator: string = validatorOf(content)): Promise<void> {
    await writer.declare({ length: content.length, validator })
    writer.setMetadata(content)
    this.#shop.begun(writer.generation, content)
  }

  /** Then looks back at some of what is there. */
  async #write(
    writer: ResourceWriter,
    reader: ResourceReader,
    content: Content,
    gaps: readonly Range[],
  ): Promise<void> {
    const source = (start: number, end: number) => contentOf(this.#key.id, content.nonce, start, end)
    await writeRanges(writer, gaps, source, this.#random)
    const [start, end] = gaps[randomInteger(this.#random, 0, gaps.length)] ?? [0, 0]
    await this.#shop.compare(this.#key, reader, { ...content, under: undefined }, start, Math.min(end, start + 100_000))
  }

  #freshOrTwofold(): Content {
    const content = freshContent(this.#nextNonce(), this.#random)
    return this.#random() < 0.4 ? { ...content, under: this.#nextNonce() } : content
  }
}

function gapsOf(writer: ResourceWriter, length: number): Range[] {
  return [...writer.coverage.gaps(0, length)].map(({ start, end }): Range => [start, end])
}

function whole(length: number): Range[] {
  return length > 0 ? [[0, length]] : []
}

async function firstWord(reader: ResourceReader): Promise<Uint8Array> {
  const word = new Uint8Array(8)
  return word.subarray(0, await reader.readAt(0, word))
}
