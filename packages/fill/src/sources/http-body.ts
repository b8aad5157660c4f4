import type { SourceError, SourceErrorOptions } from '@cistern/storage'
import type { Exchange } from './exchange.js'
import type { HttpAnswer } from './fetch.js'

type Step = IteratorResult<Uint8Array, undefined>
const atEnd: Step = { done: true, value: undefined }

/** How a body is read. */
export interface HttpBodyOptions {
  /** Bytes that were promised; `undefined`: as many as come. */
  readonly length: number | undefined
  /** The promise is that of Content-Length: the end comes with the last byte. */
  readonly measured: boolean
  readonly stallTimeoutMs: number
  readonly failed: (message: string, options: SourceErrorOptions) => SourceError
  readonly lost: (error: unknown) => SourceError
}

/**
 * The pieces of an answer, exactly as many bytes as were promised. No generator: one that was not begun yet cannot be
 * returned from, and one that waits for a byte puts its return off until that has come.
 */
export class HttpBody implements AsyncIterableIterator<Uint8Array> {
  readonly #exchange: Exchange
  readonly #options: HttpBodyOptions
  readonly #pieces: AsyncIterator<Uint8Array> | undefined
  #left: number
  #over = false

  constructor(exchange: Exchange, body: HttpAnswer['body'], options: HttpBodyOptions) {
    this.#exchange = exchange
    this.#options = options
    this.#left = options.length ?? Number.POSITIVE_INFINITY
    this.#pieces = body?.[Symbol.asyncIterator]()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<Step> {
    if (this.#over) return atEnd
    if (this.#left === 0) return this.#finish()
    try {
      const piece = await this.#wait()
      if (this.#over) return atEnd // returned from meanwhile
      if (piece) return { done: false, value: this.#take(piece) }
      if (this.#left === Number.POSITIVE_INFINITY) return this.#settle('release')
      throw this.#options.failed(`ended ${this.#left} bytes short`, { reason: 'truncated', transient: true })
    } catch (error) {
      if (this.#over) return atEnd
      this.#settle('end')
      throw error
    }
  }

  async return(): Promise<Step> {
    return this.#settle('end')
  }

  #take(piece: Uint8Array): Uint8Array {
    const taken = piece.length > this.#left ? piece.subarray(0, this.#left) : piece
    this.#left -= taken.length
    return taken
  }

  /** All there was to come is there, and nothing that happens from now on can spoil it. */
  async #finish(): Promise<Step> {
    // Without Content-Length only the next byte could tell that there is none. It is not waited for.
    if (!this.#options.measured) return this.#settle('end')
    const more = await this.#wait().catch(() => true)
    return this.#settle(more ? 'end' : 'release')
  }

  #settle(how: 'end' | 'release'): Step {
    if (this.#over) return atEnd
    this.#over = true
    this.#exchange[how]()
    // A stream that has failed with the request rejects with that once more.
    if (how === 'end') this.#pieces?.return?.()?.catch(() => undefined)
    return atEnd
  }

  #wait(): Promise<Uint8Array | undefined> {
    return this.#exchange.within(this.#nextPiece(), 'a byte', this.#options.stallTimeoutMs)
  }

  /** Empty ones are no sign of life. */
  async #nextPiece(): Promise<Uint8Array | undefined> {
    for (;;) {
      const step = await this.#pull()
      if (!step || step.done) return undefined
      if (!(step.value instanceof Uint8Array)) throw this.#options.failed('its body is not made of bytes', {})
      if (step.value.length > 0) return step.value
    }
  }

  async #pull(): Promise<IteratorResult<Uint8Array> | undefined> {
    try {
      return await this.#pieces?.next()
    } catch (error) {
      throw this.#options.lost(error)
    }
  }
}
