import { type ResourceWriter, SourceChangedError, SourceError } from '@cistern/storage'
import type { Fetch } from './fetch.js'
import type { Source, SourceResponse } from './source.js'

/** A source that answers with yet another version each time is given up after so many. */
const MOST_VERSIONS = 4

/** What is being filled from the source. */
export interface KnownSourceHost {
  /** For messages. */
  readonly name: string
  readonly source: Source
  readonly writer: ResourceWriter | undefined
  readonly fetches: ReadonlySet<Fetch>
  /** The position behind the last byte that came. */
  readonly arrivedEnd: number
  isWantedAt(position: number): boolean
  /** There is another version: what there is of the old one is dropped. */
  dropped(): void
  /** The length may be known now, and what there is to ask for. */
  declared(): void
}

/** What a source has shown itself to be, and the proof of each further answer: no byte is written before that. */
export class KnownSource {
  /** Source bytes in all, once known. */
  total: number | undefined
  /** How often it had another version than what was there. */
  version = 0
  /** It begins at 0 whatever it is asked for. */
  isSequential = false
  /** This process has heard it say what it is. */
  isDeclared = false
  readonly #host: KnownSourceHost
  /** The answers that came are looked at one after the other. */
  #proving: Promise<unknown> = Promise.resolve()

  constructor(host: KnownSourceHost) {
    this.#host = host
  }

  /** The answer, once it is known to be of the version that is there: or of a new one, that takes its place. */
  async ask(fetch: Fetch, signal: AbortSignal): Promise<SourceResponse> {
    const { source, writer } = this.#host
    const { position, end } = fetch
    const response = await source.open({ start: position, end, validator: writer?.validator, signal })
    const proved = this.#proving.then(() => this.#prove(fetch, response))
    this.#proving = proved.catch(() => undefined)
    await proved
    return response
  }

  /** A body without a length was over there. Who waits for bytes across it has to hear of that, too. */
  async endsAt(position: number): Promise<void> {
    const { writer } = this.#host
    if (writer !== undefined) await this.#measure(writer, position)
  }

  async #prove(fetch: Fetch, response: SourceResponse): Promise<void> {
    const { name, writer, fetches } = this.#host
    if (writer === undefined || fetch.isStopped) return
    const { start, end, total, validator } = response
    if (start !== fetch.position && start !== 0) {
      throw new SourceError(`${name}: asked for bytes from ${fetch.position} on, the source began at ${start}`)
    }
    // Nothing is there: it says how long the file is, and may not say of which version.
    const isBare = end === start && validator === undefined
    const isOther =
      (writer.validator !== undefined && validator !== writer.validator && !isBare) ||
      (total !== undefined && this.total !== undefined && total !== this.total) ||
      (total !== undefined && total < this.#host.arrivedEnd)
    // Known before anything is told of: or others would be begun that have to be stopped again.
    if (!response.acceptsRanges) this.isSequential = true
    if (isOther) await this.#renew(fetch, writer)
    if (isBare) await this.#measure(writer, total)
    else if (!this.isDeclared) await this.#declare(writer, response)
    else if (total !== undefined && this.total === undefined) await this.#declare(writer, response)
    if (!response.acceptsRanges) {
      // From the beginning to the end, whatever is asked for: one is enough.
      fetch.isSequential = true
      fetch.end = undefined
      for (const other of fetches) if (other !== fetch) other.stop()
    } else if (start !== fetch.position) {
      fetch.end = undefined
      if (!this.#host.isWantedAt(start)) fetch.stop() // another version, and nobody wants its beginning
    } else if (fetch.end !== undefined && total !== undefined) fetch.end = Math.min(fetch.end, total)
    fetch.position = start
  }

  async #declare(writer: ResourceWriter, { total, validator }: SourceResponse): Promise<void> {
    await writer.declare({ length: total ?? null, validator: validator ?? null })
    this.isDeclared = true
    this.total = total ?? writer.length
    this.#host.declared()
  }

  /** Its version is declared by the first answer that has one. */
  async #measure(writer: ResourceWriter, total: number | undefined): Promise<void> {
    if (total === undefined || this.total !== undefined) return
    await writer.declare({ length: total })
    this.total = total
    this.#host.declared()
  }

  /** Another version: nothing of the old one is kept, and nothing that is still on its way gets in. It is declared anew. */
  async #renew(fetch: Fetch, writer: ResourceWriter): Promise<void> {
    const { name, fetches } = this.#host
    for (const other of fetches) if (other !== fetch) other.stop()
    if (++this.version >= MOST_VERSIONS) {
      throw new SourceChangedError(`${name}: the source answers with another version each time`)
    }
    this.#host.dropped()
    await writer.discard()
    this.total = undefined
    this.isDeclared = false
  }
}
