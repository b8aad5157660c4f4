import { createCipheriv } from 'node:crypto'
import { type AssetStore, aes128Cbc, CisternError, ResourceKey } from '@cistern/assets'
import { randomInteger, randomNumbers } from '../../helpers/bytes.js'
import { contentOf } from '../content.js'
import { tell } from './report.js'

export const SEALED = ResourceKey.of('film-2', 'sealed.ts')
export const FILLERS: readonly ResourceKey[] = Array.from({ length: 6 }, (_, n) =>
  ResourceKey.of(`filler-${n}`, 'a.ts'),
)
const BALLAST = ResourceKey.of('film-1', 'ballast.bin')
/** Two assets that are worked on, and room for three that come and go. */
export const MAX_ASSETS = 5

const CIPHER = { key: new Uint8Array(16).fill(7), iv: new Uint8Array(16).fill(9) }

/** Work whose outcome no history follows, because it may be evicted at any moment: what is served of it says what it is. */
export class LooseWork {
  readonly #store: AssetStore
  readonly #random: () => number
  #nonce: number

  constructor(store: AssetStore, seed: number) {
    this.#store = store
    this.#random = randomNumbers(seed)
    this.#nonce = 1 + ((seed * 4096) % (2 ** 24 - 4097))
  }

  /** One step of a kind. What ends because its asset went meanwhile is no fault. */
  async step(kind: 'fill' | 'seal' | 'compact'): Promise<void> {
    try {
      await (kind === 'fill' ? this.#fill() : kind === 'seal' ? this.#seal() : this.#compact())
    } catch (error) {
      const ends = ['ERR_CISTERN_REMOVED', 'ERR_CISTERN_NOT_FOUND', 'ERR_CISTERN_WRITER_CLOSED'] as const
      if (!ends.some((code) => CisternError.is(error, code))) throw error
    }
  }

  /** Puts one that was used long ago, so that another is evicted. */
  async #fill(): Promise<void> {
    const key = FILLERS[randomInteger(this.#random, 0, FILLERS.length)] as ResourceKey
    const { nonce, length } = this.#fresh(key)
    await this.#store.put(key, contentOf(key.id, nonce, 0, length), { metadata: { nonce, length } })
    await pause(randomInteger(this.#random, 1, 40))
  }

  /** Rewrites an encrypted resource. */
  async #seal(): Promise<void> {
    const { nonce, length } = this.#fresh(SEALED)
    const cipher = createCipheriv('aes-128-cbc', CIPHER.key, CIPHER.iv)
    const plain = contentOf(SEALED.id, nonce, 0, length)
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
    await using got = await this.#store.acquire(SEALED, {
      mode: 'rewrite',
      processor: aes128Cbc(CIPHER),
      metadata: { nonce, length },
    })
    await got.writer?.writeFrom([sealed])
    await got.writer?.commit(sealed.length)
    await pause(randomInteger(this.#random, 1, 60))
  }

  /** Records so large that the journal is folded into snapshots many times a second. */
  async #compact(): Promise<void> {
    const ballast = 'x'.repeat(60_000)
    // What cannot be put on record waits in memory, and wants as much room later: eight megabytes a second of this.
    if (this.#store.stats().state === 'degraded') return pause(10)
    try {
      await this.#store.setMetadata(BALLAST, { ballast })
      await pause(randomInteger(this.#random, 2, 12))
    } catch (error) {
      if (!CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) throw error
      await this.#store.put(BALLAST, 'here')
    }
  }

  #fresh({ id }: ResourceKey): { readonly nonce: number; readonly length: number } {
    const nonce = this.#nonce++
    tell({ is: 'loose', key: id, nonce })
    return { nonce, length: randomInteger(this.#random, 1, 400_000) }
  }
}

/** Not a wait for anything: it spreads the work over the life of the process. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
