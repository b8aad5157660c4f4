import type { ResourceKey, ResourceWriter } from '@cistern/assets'
import { randomChoice, randomInteger, randomNumbers, shuffled } from '../helpers/bytes.js'
import { type Content, contentIn, validatorOf } from './held.js'
import { say } from './report.js'
import { sealed, sealedLength, unsealing } from './sealing.js'
import { BROKEN, isExpected, type Workshop } from './workshop.js'
import { cut, freshContent, noncesOf, pause, type Range } from './writing.js'

/** What arrives encrypted: some of it slowly, so that its source bytes are spilled, and resumed in a later life. */
export class SealedWork {
  readonly #shop: Workshop
  readonly #key: ResourceKey
  readonly #random: () => number
  readonly #nextNonce: () => number

  constructor(shop: Workshop, key: ResourceKey, seed: number) {
    this.#shop = shop
    this.#key = key
    this.#random = randomNumbers(seed)
    this.#nextNonce = noncesOf(seed)
  }

  readonly step = async (): Promise<void> => {
    const roll = this.#random()
    try {
      if (roll < 0.9) await this.#fill(roll < 0.2)
      else await this.#remove()
    } catch (error) {
      if (!isExpected(error)) throw error
      say({ is: 'undone', key: this.#key.id, why: String(error) })
    }
  }

  async #fill(anew: boolean): Promise<void> {
    const mode = anew ? 'rewrite' : 'fill'
    await using got = await this.#shop.store.acquire(this.#key, { mode, processor: unsealing })
    const { writer, reader } = got
    if (!writer) return await this.#shop.check(this.#key, reader)
    const begun = contentIn(writer.validator)
    if (begun && writer.coverage.size > 0) say({ is: 'met', what: 'sealed resumed' })
    const content = begun ?? freshContent(this.#nextNonce(), this.#random)
    await writer.declare({ length: sealedLength(content.length), validator: validatorOf(content) })
    writer.setMetadata(content)
    this.#shop.begun(writer.generation, content)
    const how = this.#random()
    await this.#write(writer, content, how < 0.3 ? this.#random() : 1)
    if (how < 0.3) return await writer.release()
    if (how < 0.35) return await writer.fail(new Error(BROKEN))
    say({ is: 'begin', key: this.#key.id, held: content })
    await writer.commit()
    say({ is: 'done', key: this.#key.id, held: content })
    await this.#shop.compare(this.#key, reader, content, 0, content.length)
  }

  /** A share of what is missing; some of it over several flushes, some out of order. */
  async #write(writer: ResourceWriter, content: Content, share: number): Promise<void> {
    const bytes = sealed(this.#key.id, content.nonce, content.length)
    const size = randomChoice(this.#random, [16_384, 65_536, 200_000])
    const gaps = [...writer.coverage.gaps(0, bytes.length)]
    const pieces = gaps.flatMap(({ start, end }) => cut(start, end, size))
    const part = pieces.slice(0, Math.ceil(pieces.length * share))
    const order: readonly Range[] = this.#random() < 0.3 ? shuffled(this.#random, part) : part
    const isSlow = this.#random() < 0.5
    for (const [start, end] of order) {
      await writer.writeAt(start, bytes.subarray(start, end))
      if (isSlow && this.#random() < 0.3) await pause(randomInteger(this.#random, 5, 40))
    }
  }

  async #remove(): Promise<void> {
    say({ is: 'begin', key: this.#key.id, held: null })
    await this.#shop.store.remove(this.#key)
    say({ is: 'done', key: this.#key.id, held: null, synced: true })
  }
}
