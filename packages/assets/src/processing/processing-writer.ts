import {
  CisternError,
  hook,
  ProcessingError,
  type ReadonlyRangeSet,
  type ResourceReader,
  type ResourceWriter,
  type SourceDeclaration,
  WriterBase,
  WriterClosedError,
  type WriterHooks,
  wrapWriter,
} from '@cistern/storage'
import type { ResourceKey } from '../key.js'
import type { Processor } from '../processors/processor.js'
import { committedLength } from './committed-length.js'
import { ProcessingEnding } from './processing-ending.js'
import { SourcePump } from './source-pump.js'
import { TransformRun } from './transform-run.js'

export interface ProcessingParts {
  readonly key: ResourceKey
  readonly processor: Processor
  /** Takes the source bytes. */
  readonly raw: ResourceWriter
  /** Takes what readers see. */
  readonly output: ResourceWriter
  /** Reads the source bytes back. Closed when the writer is settled. */
  readonly source: ResourceReader
  /** Aborts when the store closes. */
  readonly signal: AbortSignal
}

/**
 * Takes source bytes, and has what follows from byte 0 without a gap transformed into the output. Coverage, gaps,
 * validator and the length in `commit` are those of the source; what `commit` resolves with is the readable length.
 */
export class ProcessingWriter extends WriterBase {
  readonly #parts: ProcessingParts
  #raw: ResourceWriter
  #output: ResourceWriter
  readonly #ending: ProcessingEnding
  readonly #pump: SourcePump
  /** Writes that the raw resource has not taken in yet. */
  readonly #inFlight = new Set<Promise<void>>()
  /** A commit, or a write over bytes that may be transformed already, is under way: calls behind it wait for it. */
  #turn: Promise<void> | undefined
  /** What the processor failed with. */
  #failure: Error | undefined

  static {
    // Not a method, because declarations are made file by file and cannot name a symbol of another module.
    const value = function (this: ProcessingWriter, hooks: WriterHooks): void {
      this.addHooks(hooks)
    }
    Object.defineProperty(ProcessingWriter.prototype, hook, { value })
  }

  constructor(parts: ProcessingParts) {
    super()
    this.#parts = parts
    this.#ending = new ProcessingEnding(parts.source)
    this.#raw = wrapWriter(parts.raw, this.#ending.rawHooks)
    this.#output = wrapWriter(parts.output, this.#ending.outputHooks)
    this.#pump = new SourcePump({
      raw: this.#raw,
      ending: this.#ending,
      signal: parts.signal,
      newRun: () => this.#newRun(),
      failed: (error) => this.#failProcessing(error),
      refusal: () => this.#refusal(),
    })
  }

  get generation(): string {
    return this.#raw.generation
  }

  get coverage(): ReadonlyRangeSet {
    return this.#raw.coverage
  }

  get validator(): string | undefined {
    return this.#raw.validator
  }

  /** Source bytes in all, once declared. */
  get length(): number | undefined {
    return this.#ending.over ? undefined : this.#parts.source.length
  }

  /** Transforms what an earlier writer left, and passes on the length that it declared. */
  async start(): Promise<void> {
    await this.#declareOutput()
    this.#pump.kick()
  }

  declare(source: SourceDeclaration): Promise<void> {
    return this.#inTurn(async () => {
      await this.#betweenChunks(() => this.#raw.declare(source))
      await this.#declareOutput()
    })
  }

  setMetadata(metadata: object): void {
    this.#raw.setMetadata(metadata)
  }

  /** Resolves once the bytes are in and, where nothing before them is missing, transformed. */
  async writeAt(position: number, bytes: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure
    if (!(bytes instanceof Uint8Array)) return this.#raw.writeAt(position, bytes) // which says what is wrong with it
    if (this.#turn || position < this.#pump.ready) return this.#overwrite(position, bytes)
    await this.#landing(this.#raw.writeAt(position, bytes))
    await this.#pump.landed(position, bytes)
  }

  /** Transforms the rest. What fails for want of space changes nothing: the next commit goes on from there. */
  commit(length?: number): Promise<number> {
    return this.#alone(() => this.#commitNow(length))
  }

  discard(): Promise<void> {
    return this.#inTurn(() =>
      this.#betweenChunks(async () => {
        const before = this.#output.generation
        await this.#raw.discard()
        // One generation for both, unless the base keeps them apart.
        if (this.#output.generation === before) await this.#output.discard()
      }),
    )
  }

  async fail(error: Error): Promise<void> {
    this.#ending.stop(error)
    // The output first: it is what readers wait for, and whoever is next to write needs both.
    try {
      await this.#output.fail(error)
    } finally {
      await this.#raw.fail(error)
    }
  }

  async release(cause?: Error): Promise<void> {
    this.#ending.release()
    try {
      await this.#output.release(cause)
    } finally {
      await this.#raw.release(cause)
    }
  }

  /** Hooks on writing are told of all that is written: source bytes and output alike. */
  addHooks(hooks: WriterHooks): void {
    this.#ending.listen(hooks)
    if (!hooks.beforeWrite && !hooks.onWriteError) return
    const onWriting: WriterHooks = {
      beforeWrite: (position, bytes) => hooks.beforeWrite?.(position, bytes),
      onWriteError: async (error) => (await hooks.onWriteError?.(error)) ?? 'fail',
    }
    this.#raw = wrapWriter(this.#raw, onWriting)
    this.#output = wrapWriter(this.#output, onWriting)
  }

  /** It must not refer to the raw writer: see ProcessingEnding. */
  #newRun(): TransformRun {
    const { key, processor, source, signal } = this.#parts
    return new TransformRun({ key, processor, source, signal, output: this.#output })
  }

  /** A write over bytes that may be transformed already, or behind something that takes its time. */
  async #overwrite(position: number, bytes: Uint8Array): Promise<void> {
    let transformed: Promise<void> | undefined
    await this.#alone(async () => {
      const resume = this.#pump.pause()
      try {
        await Promise.allSettled(this.#inFlight)
        await this.#pump.atRest()
        const same = await this.#pump.sameAsTaken(position, bytes)
        // A source that was fetched from its start again: what is there is neither written nor transformed twice.
        const isThere = same && position + bytes.length <= this.#pump.taken
        if (!isThere) await this.#raw.writeAt(position, bytes)
        transformed = this.#pump.landed(position, bytes, same)
        transformed.catch(() => {}) // reported below, once others may go on
      } finally {
        resume()
      }
    })
    await transformed
  }

  /** What came of an earlier generation must not be written into the next one while the two change places. */
  async #betweenChunks<T>(work: () => Promise<T>): Promise<T> {
    const resume = this.#pump.pause()
    try {
      return await work()
    } finally {
      resume()
    }
  }

  /** In the order of the calls: at once, unless something that takes its time is under way. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turn ? this.#alone(work) : work()
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = (this.#turn ?? Promise.resolve()).then(work)
    const turn = mine.then(ignore, ignore).then(() => {
      if (this.#turn === turn) this.#turn = undefined
    })
    this.#turn = turn
    return mine
  }

  async #landing(write: Promise<void>): Promise<void> {
    this.#inFlight.add(write)
    try {
      await write
    } finally {
      this.#inFlight.delete(write)
    }
  }

  async #declareOutput(): Promise<void> {
    const { processor } = this.#parts
    const sourceLength = this.length
    const length = sourceLength === undefined ? undefined : processor.outputLength?.(sourceLength)
    if (length !== undefined) await this.#output.declare({ length })
  }

  async #commitNow(length: number | undefined): Promise<number> {
    if (this.#failure) throw this.#failure
    await Promise.allSettled(this.#inFlight)
    await this.#raw.declare({}) // says why, if the writer is settled
    // The raw resource is never committed: a commit that is refused half way leaves it as it was, to go on with.
    const sourceLength = committedLength(this.coverage, this.length, length)
    try {
      const readable = await this.#commitOutput(await this.#pump.finish(sourceLength))
      // The key has moved to what came out: whatever becomes of the raw bytes, the commit stands.
      await this.#raw.release().catch(ignore)
      return readable
    } catch (error) {
      if (CisternError.is(error, 'ERR_CISTERN_PROCESSING')) await this.#failProcessing(error)
      throw error
    }
  }

  async #commitOutput(written: number): Promise<number> {
    try {
      return await this.#output.commit(written)
    } catch (error) {
      // All that came out is there: only a length that was promised can be at odds with it.
      const isShort = CisternError.is(error, 'ERR_CISTERN_INCOMPLETE')
      if (!isShort && !CisternError.is(error, 'ERR_CISTERN_INVALID_RANGE')) throw error
      throw new ProcessingError(
        `${this.#parts.key.id} could not be processed: the processor gave ${written} bytes, which is not what its ` +
          'outputLength() said. Its bytes were dropped: correct the processor, then fill it again',
        { cause: error },
      )
    }
  }

  /** As `fail`, by ourselves. The error is reported where bytes were given, or are read: what else fails would hide it. */
  async #failProcessing(error: Error): Promise<void> {
    this.#failure ??= error
    await this.fail(error).catch(ignore)
  }

  async #refusal(): Promise<unknown> {
    try {
      await this.#output.declare({})
    } catch (error) {
      return error
    }
    return new WriterClosedError(`${this.#parts.key.id}: the writer is settled`)
  }
}

function ignore(): void {}
