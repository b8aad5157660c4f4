import { CisternError, RangeNotAvailableError, type ResourceWriter } from '@cistern/storage'
import type { ProcessingEnding } from './processing-ending.js'
import { CHUNK_BYTES, SourcePrefix } from './source-prefix.js'
import type { TransformRun } from './transform-run.js'

/** Our own work holds the event loop no longer than this. */
const SLICE_MS = 8

export interface PumpParts {
  readonly raw: ResourceWriter
  readonly ending: ProcessingEnding
  /** Aborts when the store closes. */
  readonly signal: AbortSignal
  newRun(): TransformRun
  /** The processor failed: the generation is lost. Never rejects. */
  failed(error: Error): Promise<void>
  /** What calls of the settled writer reject with. */
  refusal(): Promise<unknown>
}

interface Waiting {
  readonly end: number
  resolve(): void
  reject(error: unknown): void
}

/**
 * Moves source bytes through the transform, one chunk after the other, as far as they go without a gap. Works by
 * itself while there is something to do; those who brought bytes wait for them to be taken, which bounds what is queued.
 */
export class SourcePump {
  readonly #parts: PumpParts
  #prefix: SourcePrefix
  /** Of the raw resource, when the run began. */
  #generation: string
  /** Where to stop though more is there: the length at commit, or bytes about to be overwritten again. */
  #limit = Number.POSITIVE_INFINITY
  /** End of the chunk under way: its bytes are out of our hands already. */
  #claimed = 0
  #pumping: Promise<void> | undefined
  #pauses = 0
  #waiting: Waiting[] = []
  #forgetEnding: (() => void) | undefined

  constructor(parts: PumpParts) {
    this.#parts = parts
    this.#generation = parts.raw.generation
    this.#prefix = new SourcePrefix(parts.raw.coverage)
  }

  /** Source bytes transformed. What is written before this has to be transformed again. */
  get taken(): number {
    return this.#generation === this.#parts.raw.generation ? (this.#parts.ending.run?.taken ?? 0) : 0
  }

  /** Source bytes whose output is written. */
  get #stored(): number {
    return this.#generation === this.#parts.raw.generation ? (this.#parts.ending.run?.stored ?? 0) : 0
  }

  /** End of what may be taken at any moment. */
  get ready(): number {
    return this.#generation === this.#parts.raw.generation ? this.#prefix.end(this.taken) : 0
  }

  /** Starts, if there is something to do. Failures go to those who wait, and with the processor's to the resource. */
  kick(): void {
    this.#pumping ??= this.#pump()
  }

  /**
   * Bytes are in the raw resource. Resolves once they are transformed, or if something before them is missing.
   * `same`: what they replace was no different.
   */
  async landed(position: number, bytes: Uint8Array, same = false): Promise<void> {
    const end = position + bytes.length
    if (this.#over()) {
      if (this.#parts.ending.error) throw this.#parts.ending.error
      return
    }
    // Empty, or gone again: discarded meanwhile.
    if (bytes.length === 0 || !this.#parts.raw.coverage.has(position, end)) return
    const { taken, ended } = this.#current()
    const isLate = position < Math.max(taken, this.#claimed)
    if ((isLate && !same) || (ended && end > taken)) this.#restart(end)
    this.#prefix.add(position, bytes.length)
    if (this.#prefix.end(this.taken) < end) return
    this.#limit = Math.max(this.#limit, end)
    if (position >= this.taken) this.#prefix.lend(position, bytes)
    this.kick()
    try {
      await this.#reached(end)
    } finally {
      this.#prefix.takeBack(position)
    }
  }

  /** Whether `bytes` are what was transformed already, as far as it was. Only while paused and at rest. */
  async sameAsTaken(position: number, bytes: Uint8Array): Promise<boolean> {
    if (this.#over()) return false
    const run = this.#current()
    const overlap = bytes.subarray(0, Math.max(0, run.taken - position))
    if (!this.#parts.raw.coverage.has(position, position + overlap.length)) return false
    return this.#prefix.matches(position, overlap, run.source)
  }

  /** Takes no further chunk until the returned function is called. */
  pause(): () => void {
    this.#pauses += 1
    return () => {
      this.#pauses -= 1
      if (!this.#over()) this.#current() // of another generation, perhaps: a transform may hang over the last one
      this.kick()
    }
  }

  /** Resolves once no chunk is under way. */
  async atRest(): Promise<void> {
    await this.#pumping
  }

  /** Transforms all of the source, its end included. Resolves with the bytes that came out. */
  async finish(length: number): Promise<number> {
    for (;;) {
      await this.#pumping
      if (this.#over()) throw await this.#refusal()
      // All writes have landed by now: what is there may be taken, whoever brought it.
      const { taken, ended } = this.#current()
      if (taken > length || (ended && taken < length)) this.#restart(length)
      this.#prefix = new SourcePrefix(this.#parts.raw.coverage)
      this.#limit = length
      this.kick()
      await this.#reached(length)
      await this.#pumping
      const { run } = this.#parts.ending
      if (run && (await run.finish())) return run.written
    }
  }

  async #pump(): Promise<void> {
    await undefined // so that writes that landed together are all known, and go as one chunk
    let sliceStart = performance.now()
    try {
      while (!this.#over()) {
        const run = this.#current()
        const chunk = run.isFull ? undefined : this.#nextChunk(run)
        if (chunk) await this.#feed(run, chunk)
        else if ((await run.writeOut()) && !run.closed) {
          this.#tell(run.stored)
          // More may have landed meanwhile. From here to the end nothing is awaited, so that no kick is lost.
          if (run.stored === run.taken && !this.#hasMore(run)) return
        }
        if (performance.now() - sliceStart < SLICE_MS) continue
        await new Promise((resolve) => setImmediate(resolve))
        sliceStart = performance.now()
      }
    } catch (error) {
      if (CisternError.is(error, 'ERR_CISTERN_PROCESSING') && !this.#over()) await this.#parts.failed(error)
      else this.#refused(error)
    } finally {
      this.#claimed = 0
      this.#pumping = undefined
    }
  }

  #nextChunk(run: TransformRun): Uint8Array | Promise<Uint8Array> | undefined {
    if (!this.#hasMore(run)) return undefined
    const chunk = this.#prefix.chunk(run.taken, this.#limit, () => run.source)
    const most = Math.min(run.taken + CHUNK_BYTES, this.#limit, this.#prefix.end(run.taken))
    this.#claimed = chunk instanceof Uint8Array ? run.taken + chunk.length : most
    return chunk
  }

  #hasMore(run: TransformRun): boolean {
    return this.#pauses === 0 && Math.min(this.#limit, this.#prefix.end(run.taken)) > run.taken
  }

  async #feed(run: TransformRun, chunk: Uint8Array | Promise<Uint8Array>): Promise<void> {
    const bytes = chunk instanceof Uint8Array ? chunk : await this.#readBack(run, chunk)
    if (bytes) await run.take(bytes)
  }

  async #readBack(run: TransformRun, chunk: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
    try {
      const bytes = await chunk
      if (bytes.length > 0) return bytes
      throw new RangeNotAvailableError(`source byte ${run.taken} is not there any more`, { position: run.taken })
    } catch (error) {
      if (run.closed) return undefined
      this.#prefix.lose(run.taken)
      throw error
    }
  }

  /** The run for the bytes that are there now. */
  #current(): TransformRun {
    const { raw, ending } = this.#parts
    if (ending.run && !ending.run.closed && this.#generation === raw.generation) return ending.run
    this.#generation = raw.generation
    this.#prefix = new SourcePrefix(raw.coverage)
    this.#limit = Number.POSITIVE_INFINITY
    this.#tellAll(undefined) // their bytes were discarded
    return this.#newRun()
  }

  /** Bytes that were taken changed: all is transformed again, but no further than what is new so far. */
  #restart(limit: number): void {
    this.#limit = this.#waiting.reduce((furthest, { end }) => Math.max(furthest, end), limit)
    this.#newRun()
  }

  #newRun(): TransformRun {
    const { ending } = this.#parts
    ending.run?.close()
    this.#claimed = 0
    ending.run = this.#parts.newRun()
    return ending.run
  }

  #reached(end: number): Promise<void> {
    if (this.#stored >= end) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ end, resolve, reject })
      // Only while somebody waits: the ending must not refer to us for longer.
      this.#forgetEnding ??= this.#parts.ending.onOver(() => this.#ended())
    })
  }

  #tell(stored: number): void {
    const waiting = this.#waiting
    this.#waiting = waiting.filter(({ end }) => end > stored)
    if (this.#waiting.length < waiting.length) for (const { end, resolve } of waiting) if (end <= stored) resolve()
    this.#forgetIfIdle()
  }

  #tellAll(error: unknown): void {
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (error === undefined) resolve()
      else reject(error)
    }
    this.#forgetIfIdle()
  }

  /** Those who wait: released bytes are kept, whatever was to come of them; removed ones are not. */
  #ended(): void {
    const { ending } = this.#parts
    if (ending.error || ending.isReleased) this.#tellAll(ending.error)
    else void this.#refusal().then((error) => this.#tellAll(error))
  }

  #forgetIfIdle(): void {
    if (this.#waiting.length > 0) return
    this.#forgetEnding?.()
    this.#forgetEnding = undefined
  }

  /** A full disk or quota leaves all as it is: the next write, or commit, tries again. */
  #refused(error: unknown): void {
    if (this.#over()) return
    this.#prefix.takeBackAll()
    this.#tellAll(error)
  }

  #over(): boolean {
    return this.#parts.ending.over || this.#parts.signal.aborted
  }

  async #refusal(): Promise<unknown> {
    const { ending, signal } = this.#parts
    return ending.error ?? (signal.aborted ? signal.reason : await this.#parts.refusal())
  }
}
