import type { ResourceKey } from '@cistern/assets'
import { randomNumbers } from '../helpers/bytes.js'
import { contentOf } from './content.js'
import type { Content } from './held.js'
import { contentName, MOVED } from './keys.js'
import { say } from './report.js'
import { isExpected, type Workshop } from './workshop.js'
import { freshContent, noncesOf } from './writing.js'

/** Two keys, and what is stored under one of them moved to the other. */
export class MoveWork {
  readonly #shop: Workshop
  readonly #random: () => number
  readonly #nextNonce: () => number

  constructor(shop: Workshop, seed: number) {
    this.#shop = shop
    this.#random = randomNumbers(seed)
    this.#nextNonce = noncesOf(seed)
  }

  readonly step = async (): Promise<void> => {
    const [from, to] = this.#random() < 0.5 ? MOVED : [MOVED[1], MOVED[0]]
    const held = this.#shop.store.stat(from)?.metadata as Content | undefined
    try {
      if (held === undefined) await this.#put(from)
      else await this.#move(from, to, held)
    } catch (error) {
      if (!isExpected(error)) throw error
      for (const { id } of MOVED) say({ is: 'undone', key: id, why: String(error) })
    }
  }

  async #put(key: ResourceKey): Promise<void> {
    const content = freshContent(this.#nextNonce(), this.#random)
    say({ is: 'begin', key: key.id, held: content })
    const body = contentOf(contentName(key), content.nonce, 0, content.length)
    await this.#shop.store.put(key, body, { metadata: content })
    say({ is: 'done', key: key.id, held: content })
  }

  async #move(from: ResourceKey, to: ResourceKey, held: Content): Promise<void> {
    say({ is: 'begin', key: to.id, held })
    say({ is: 'begin', key: from.id, held: null })
    await this.#shop.store.move(from, to)
    say({ is: 'done', key: to.id, held, synced: true })
    say({ is: 'done', key: from.id, held: null, synced: true })
    using reader = await this.#shop.store.open(to)
    await this.#shop.check(to, reader)
  }
}
