import { CisternError, onAbort, ProcessingError, type ResourceReader, type ResourceWriter } from '@cistern/storage'
import type { ResourceKey } from '../key.js'
import type { ChunkTransform, Processor } from '../processors/processor.js'
import { OutputBatch } from './output-batch.js'

export interface RunPlace {
  readonly key: ResourceKey
  readonly processor: Processor
  /** Takes what comes out. */
  readonly output: ResourceWriter
  /** Over the source bytes. Never read itself: see {@link TransformRun.source}. */
  readonly source: ResourceReader
  /** Aborts when the store closes. */
  readonly signal: AbortSignal
}

/**
 * One pass of a transform over the source bytes, from 0 on, into one generation of the output.
 * When source bytes change that it has taken, it is closed and another one starts.
 */
export class TransformRun {
  readonly #place: RunPlace
  /** The writer moves on to the next generation by itself: what is of this run must not reach that one. */
  readonly #generation: string
  readonly #controller = new AbortController()
  readonly #ignoreStore: () => void
  #transform: ChunkTransform | undefined
  #source: ResourceReader | undefined
  readonly #batch = new OutputBatch()
  #ended = false
  #isWriting = false
  #taken = 0
  #stored = 0
  #written = 0

  constructor(place: RunPlace) {
    this.#place = place
    this.#generation = place.output.generation
    const controller = this.#controller
    const { signal } = place
    if (signal.aborted) controller.abort(signal.reason)
    // Refers to the controller alone: a writer that its user lost must stay collectable.
    this.#ignoreStore = onAbort(signal, () => controller.abort(signal.reason))
  }

  /** Source bytes transformed: the next piece starts here. */
  get taken(): number {
    return this.#taken
  }

  /** Source bytes whose output is written. */
  get stored(): number {
    return this.#stored
  }

  /** Bytes that came out and were written. */
  get written(): number {
    return this.#written
  }

  /** So much came out that it should be written before more is taken. */
  get isFull(): boolean {
    return this.#batch.isFull
  }

  /** It gave its rest: it takes no more. */
  get ended(): boolean {
    return this.#ended
  }

  get closed(): boolean {
    return this.#controller.signal.aborted || this.#place.output.generation !== this.#generation
  }

  /** A reader of its own: one that has read is bound to its generation, and the next run needs the next one. */
  get source(): ResourceReader {
    this.#source ??= this.#place.source.clone()
    return this.#source
  }

  /** Transforms the bytes that follow, which are borrowed until this resolves. `false` when the run was closed. */
  async take(bytes: Uint8Array): Promise<boolean> {
    if (this.closed || !(await this.#begin())) return false
    this.#batch.keep() // the transform may use that buffer again
    const piece = await this.#call('update', (transform) => transform.update(bytes))
    if (piece === undefined) return false
    // A view of what was only borrowed has to be copied, and may be longer than the chunk was.
    this.#batch.add(piece.buffer === bytes.buffer ? Uint8Array.from(piece) : piece)
    this.#taken += bytes.length
    return true
  }

  /** Has the transform give its rest, and writes all. Goes on where a rejected call stopped. `false` when the run was closed. */
  async finish(): Promise<boolean> {
    if (!(await this.writeOut())) return false
    if (this.#ended) return true
    if (!(await this.#begin())) return false
    const piece = await this.#call('final', (transform) => transform.final())
    if (piece === undefined) return false
    this.#batch.add(piece)
    this.#ended = true
    return this.writeOut()
  }

  /** Writes what came out; what is refused is kept for the next try. `false` when the run was closed. */
  async writeOut(): Promise<boolean> {
    for (let part = this.#batch.next(); part; part = this.#batch.next()) {
      if (this.closed) return false
      await this.#write(part)
      this.#written += part.length
      this.#batch.drop(part)
    }
    this.#stored = this.#taken
    return !this.closed
  }

  /** Ends the run, in the middle of a call too. */
  close(reason?: unknown): void {
    this.#ignoreStore()
    this.#controller.abort(reason)
    this.#source?.close()
    const transform = this.#transform
    this.#transform = undefined
    if (transform) closeQuietly(transform)
    if (!this.#isWriting) this.#batch.release()
  }

  async #write(piece: Uint8Array): Promise<void> {
    this.#isWriting = true
    try {
      await this.#place.output.writeAt(this.#written, piece)
    } catch (error) {
      // More came out than outputLength() said: not the place's fault.
      throw CisternError.is(error, 'ERR_CISTERN_INVALID_RANGE') ? this.#failure('update', error) : error
    } finally {
      this.#isWriting = false
    }
  }

  async #begin(): Promise<boolean> {
    if (this.#transform) return true
    const { key, processor } = this.#place
    const { signal } = this.#controller
    try {
      const begun = processor.begin({ key, signal })
      const transform = isThenable(begun) ? await this.#unlessClosed(begun) : begun
      if (transform === undefined || signal.aborted) {
        // What still comes of it has to be closed as well; an error of it has nobody to go to any more.
        Promise.resolve(begun).then(closeQuietly, () => {})
        return false
      }
      this.#transform = transform
      return true
    } catch (error) {
      if (this.closed) return false
      throw this.#failure('begin', error)
    }
  }

  async #call(
    verb: 'update' | 'final',
    call: (transform: ChunkTransform) => Uint8Array | Promise<Uint8Array>,
  ): Promise<Uint8Array | undefined> {
    const transform = this.#transform
    if (!transform || this.closed) return undefined
    try {
      const result = call(transform)
      const piece = isThenable(result) ? await this.#unlessClosed(result) : result
      if (this.closed) return undefined
      if (piece instanceof Uint8Array) return piece
      throw new TypeError(`${verb}() of the transform gave no Uint8Array`)
    } catch (error) {
      if (this.closed) return undefined
      throw this.#failure(verb, error)
    }
  }

  /** What `promise` gives, or undefined as soon as the run is closed: a transform that hangs holds up nobody. */
  #unlessClosed<T>(promise: PromiseLike<T>): Promise<T | undefined> {
    const { signal } = this.#controller
    return new Promise((resolve, reject) => {
      if (signal.aborted) resolve(undefined)
      const ignore = onAbort(signal, () => resolve(undefined))
      promise.then(
        (value) => {
          ignore()
          resolve(value)
        },
        (error) => {
          ignore()
          reject(error)
        },
      )
    })
  }

  #failure(verb: 'begin' | 'update' | 'final', cause: unknown): ProcessingError {
    const { key } = this.#place
    const where = verb === 'final' ? `its end (${this.#taken} source bytes)` : `source byte ${this.#taken}`
    // The cause is attached, not quoted: its text is the processor's own.
    return new ProcessingError(
      `${key.id} could not be processed: ${verb}() failed at ${where}. Its bytes were dropped: check the processor's ` +
        'parameters and that the source is what they are meant for, then fill it again',
      { cause },
    )
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** The verdict on the bytes is in by then: an error of closing changes nothing, and has nobody to go to. */
function closeQuietly(transform: ChunkTransform): void {
  try {
    transform.close?.()
  } catch {}
}
