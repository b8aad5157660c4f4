import { SourceError } from '@cistern/storage'
import type { Filling } from './filling.js'
import type { SourceResponse } from './source.js'

/** Written and not settled: what one vectored write takes. */
const IN_FLIGHT_BYTES = 1024 * 1024

// One for all: making one, with its stack, costs as much as a small request's other steps together.
const unwanted = new Error('these bytes are not wanted any more')
const ended = new Error('the request is over')

/** What a fetch asks while it runs. */
export interface FetchHost {
  readonly chunkSize: number
  /** Asked at the end of each chunk. */
  goesOn(fetch: Fetch): boolean
  /** Resolves when the next `bytes` may be taken. */
  admit(bytes: number, signal: AbortSignal): Promise<void> | undefined
  received(fetch: Fetch, bytes: number): void
  /** It ended, well or not, and holds its slot no more. */
  ended(fetch: Fetch): void
}

/** One request to a source, from the first byte of a gap on. */
export class Fetch {
  readonly filling: Filling
  /** How urgent the bytes were that it was begun for. */
  readonly rank: number
  /** The next byte that it brings. */
  position: number
  /** The byte behind the last one that it is to bring; `undefined`: all that the source has. */
  end: number | undefined
  /** Its source answers from byte 0 whatever it is asked: it goes on through what is there. */
  isSequential = false
  readonly #host: FetchHost
  /** Bytes that were missing, and came. */
  brought = 0
  readonly #abort = new AbortController()
  #inFlight = 0
  /** Who waits until less is in flight. */
  #waiting: { readonly most: number; readonly go: () => void } | undefined
  #failure: unknown
  #stopped = false

  constructor(
    filling: Filling,
    host: FetchHost,
    work: { readonly start: number; readonly end: number | undefined; readonly rank: number },
  ) {
    this.filling = filling
    this.rank = work.rank
    this.position = work.start
    this.end = work.end
    this.#host = host
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  /** Nobody is to bring these bytes twice. `isUrgent`: who cannot wait may have what comes behind the next chunk. */
  claimedEnd(isUrgent: boolean): number {
    const end = this.end ?? Number.MAX_SAFE_INTEGER
    return isUrgent && !this.isSequential ? Math.min(end, this.#border(this.position) + this.#host.chunkSize) : end
  }

  /** What it brings before it asks whether to go on. */
  get nextEnd(): number {
    return Math.min(this.end ?? Number.MAX_SAFE_INTEGER, this.#border(this.position))
  }

  /** Ends it at once. What has arrived is written. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#abort.abort(unwanted)
    this.#host.ended(this)
  }

  async run(): Promise<void> {
    const { filling } = this
    const begun = this.position
    try {
      await this.#take(await filling.ask(this, this.#abort.signal))
      await this.#inFlightAtMost(0)
      if (this.#failure !== undefined) throw this.#failure
      if (!this.#stopped) filling.succeeded(begun)
    } catch (error) {
      await this.#inFlightAtMost(0)
      // What was aborted here says so; what the store refuses has to be told whoever stopped meanwhile.
      if (this.#failure !== undefined || !this.#stopped) filling.failed(this, this.#failure ?? error)
    } finally {
      this.#abort.abort(ended) // whatever its source still holds
      if (!this.#stopped) this.#host.ended(this)
      this.#stopped = true
      filling.look()
    }
  }

  async #take(response: SourceResponse): Promise<void> {
    const { signal } = this.#abort
    const { version } = this.filling
    let last = this.#border(this.position)
    if (this.#stopped || this.#isDone()) return
    for await (const chunk of response.body) {
      if (chunk.length === 0) continue
      const bytes = response.end === undefined ? chunk : chunk.subarray(0, Math.max(0, response.end - this.position))
      if (bytes.length === 0) return
      await this.#host.admit(bytes.length, signal)
      // What has come this far is not fetched again, though nobody may want it now.
      if (!this.filling.takes(version)) return
      this.#write(bytes, version)
      if (this.#stopped) return
      this.#host.received(this, bytes.length)
      if (this.#inFlight > IN_FLIGHT_BYTES) await this.#inFlightAtMost(IN_FLIGHT_BYTES)
      if (this.#failure !== undefined || this.#isDone()) return
      if (this.position >= last) {
        if (!this.isSequential && !this.#host.goesOn(this)) return
        last = this.#border(this.position)
      }
    }
    await this.#inFlightAtMost(0)
    if (this.#stopped) return
    if (response.end !== undefined && this.position < response.end) {
      throw new SourceError(`${this.filling.name}: the source ended at ${this.position}, before ${response.end}`, {
        reason: 'truncated',
        transient: true,
      })
    }
    if (response.total !== undefined || response.end !== undefined) return
    if (this.brought > 0 || response.start === 0) return this.filling.endsAt(this.position)
    throw new SourceError(`${this.filling.name}: the source gave nothing from ${response.start} on, and no length`)
  }

  /** Where its end is reached, or bytes begin that are there. */
  #isDone(): boolean {
    if (this.end !== undefined && this.position >= this.end) return true
    return !this.isSequential && this.filling.isThere(this.position)
  }

  #write(bytes: Uint8Array, version: number): void {
    const start = this.position
    this.position += bytes.length
    const { end = Number.MAX_SAFE_INTEGER } = this
    for (const gap of this.filling.missing(start, Math.min(this.position, end))) {
      const piece = bytes.subarray(gap.start - start, gap.end - start)
      this.#inFlight += piece.length
      this.brought += piece.length
      const landed = (): void => {
        this.#inFlight -= piece.length
        if (this.#waiting !== undefined && this.#inFlight <= this.#waiting.most) this.#waiting.go()
      }
      this.filling.write(gap.start, piece, version).then(landed, (error: unknown) => {
        this.#failure ??= error
        landed()
      })
    }
  }

  /** One waits at a time: who takes the pieces in, and then who looks what became of them. */
  async #inFlightAtMost(most: number): Promise<void> {
    if (this.#inFlight > most) await new Promise<void>((go) => (this.#waiting = { most, go }))
    this.#waiting = undefined
  }

  #border(position: number): number {
    return (Math.floor(position / this.#host.chunkSize) + 1) * this.#host.chunkSize
  }
}
