import { CisternError, IncompleteResourceError, type ResourceReader } from '@cistern/assets'
import type { BodyRange } from './ranges.js'

/** A reader that refuses what it says is there, so often in a row, is to be believed. */
const mostRefusals = 100

/** Reads what was planned, in order, as it arrives. Fails rather than end short of it, or past the end of the resource. */
export class BodyReader {
  readonly #reader: ResourceReader
  readonly #end: number | undefined
  #position: number

  constructor(reader: ResourceReader, { start, end }: BodyRange) {
    this.#reader = reader
    this.#position = start
    this.#end = end
  }

  /** All of what was planned is read. Where the end was not known, `available` tells. */
  get done(): boolean {
    return this.#position === this.#end
  }

  /** How many bytes can be read at once, without a wait, at most `max`. */
  ready(max: number): number {
    const position = this.#position
    const room = this.#end === undefined ? max : Math.min(max, this.#end - position)
    return Math.min(room, this.#reader.coverage.coveredEnd(position) - position)
  }

  /** Waits for a byte and says how many can be read now, at most `max`; 0: that was all. */
  async available(max: number): Promise<number> {
    for (;;) {
      const ready = this.ready(max)
      if (ready > 0 || this.done) return ready
      if ((await this.#reader.waitRange(this.#position, this.#position + 1)) === 'eof') return this.#ended()
    }
  }

  /** Bytes read into `target`; 0 where those that were available are gone: ask anew. */
  async read(target: Uint8Array): Promise<number> {
    const position = this.#position
    for (let refusals = 1; ; refusals++) {
      try {
        const got = await this.#reader.readAt(position, target)
        this.#position += got
        return got
      } catch (error) {
        if (!CisternError.is(error, 'ERR_CISTERN_RANGE_NOT_AVAILABLE')) throw error
        // Dropped while they were read, or never landed; by now they may be there again.
        if (!this.#reader.coverage.has(position, position + 1)) return 0
        if (refusals === mostRefusals) throw error
      }
    }
  }

  #ended(): 0 {
    const { length } = this.#reader
    if (this.#end === undefined && length === this.#position) return 0
    throw new IncompleteResourceError(`ended at ${length}, with ${this.#position} of ${this.#end ?? 'its'} bytes sent`)
  }
}
