import { onAbort } from './abort.js'
import { InvalidOptionError } from './errors.js'
import { checkPosition } from './positions.js'
import type { ByteSource } from './types.js'

/** Coalescing needs pieces outstanding; more than one vectored write takes would be no gain. */
const inFlightBytes = 1024 * 1024
/** Nor would more than it takes parts; and a source of many small chunks must not keep the event loop. */
const inFlightPieces = 1024

type Step = IteratorResult<Uint8Array, unknown>

/** A source's steps, and how to end it before it ended by itself. */
interface Steps {
  next(): Step | Promise<Step>
  end(reason: unknown): unknown
}

/**
 * Takes a source in: asks for the next chunk while up to 1 MiB of the earlier ones is being written. The first failure,
 * of the source, of a write, or of the signal, ends the source and is what the caller sees.
 */
export class Intake {
  readonly #write: (position: number, bytes: Uint8Array) => Promise<void>
  readonly #source: NonNullable<ByteSource>
  readonly #start: number
  #position: number
  #inFlight = 0
  #pieces = 0
  #pulling = false
  #ended = false
  #failed = false
  #failure: unknown
  #steps: Steps | undefined
  #settle: () => void = () => {}

  constructor(
    write: (position: number, bytes: Uint8Array) => Promise<void>,
    source: NonNullable<ByteSource>,
    at: number,
  ) {
    this.#write = write
    this.#source = source
    this.#start = this.#position = at
  }

  /** The bytes taken in. Settles once no write is in flight any more. */
  async run(signal: AbortSignal | undefined): Promise<number> {
    this.#steps = stepsOf(this.#source)
    let stop: (() => void) | undefined
    try {
      checkPosition(this.#position, 'at')
      signal?.throwIfAborted()
      if (signal !== undefined) stop = onAbort(signal, () => this.#fail(signal.reason))
      await new Promise<void>((resolve) => {
        this.#settle = resolve
        this.#pull()
      })
    } catch (error) {
      this.#fail(error)
    }
    stop?.()
    if (!this.#failed) return this.#position - this.#start
    await this.#end()
    throw this.#failure
  }

  #pull(): void {
    while (!this.#pulling && !this.#ended && !this.#failed && this.#hasRoom()) {
      try {
        const step = (this.#steps as Steps).next()
        if (step instanceof Promise || typeof (step as { then?: unknown }).then === 'function') {
          this.#pulling = true
          Promise.resolve(step).then(this.#onStep, this.#onSourceFailed)
        } else this.#take(step as Step)
      } catch (error) {
        this.#ended = true
        this.#fail(error)
      }
    }
    this.#check()
  }

  #hasRoom(): boolean {
    return this.#inFlight < inFlightBytes && this.#pieces < inFlightPieces
  }

  readonly #onStep = (step: Step): void => {
    this.#pulling = false
    try {
      if (!this.#failed) this.#take(step)
    } catch (error) {
      // A step that is none: the source is at its end, as it is for `for await`.
      this.#ended = true
      this.#fail(error)
    }
    this.#pull()
  }

  readonly #onSourceFailed = (error: unknown): void => {
    this.#pulling = false
    this.#ended = true
    this.#fail(error)
  }

  #take(step: Step): void {
    if (step.done) {
      this.#ended = true
      return
    }
    const bytes = step.value
    if (!(bytes instanceof Uint8Array)) {
      this.#fail(new InvalidOptionError(`a source must give Uint8Arrays, not ${typeof bytes}`))
      return
    }
    const { length } = bytes
    const position = this.#position
    this.#position += length
    this.#inFlight += length
    this.#pieces++
    this.#write(position, bytes).then(
      () => {
        this.#inFlight -= length
        this.#pieces--
        this.#pull()
      },
      (error: unknown) => {
        this.#inFlight -= length
        this.#pieces--
        this.#fail(error)
      },
    )
  }

  #fail(error: unknown): void {
    if (!this.#failed) {
      this.#failed = true
      this.#failure = error
    }
    this.#check()
  }

  /** Done when nothing is in flight and nothing more is to come. A source that is still being asked is not waited for after a failure. */
  #check(): void {
    if (this.#pieces === 0 && (this.#failed || (this.#ended && !this.#pulling))) this.#settle()
  }

  async #end(): Promise<void> {
    if (this.#ended) return
    try {
      const ending = (this.#steps as Steps).end(this.#failure)
      // A source that is being asked ends when it answers, if ever: the caller does not wait for that.
      if (this.#pulling) Promise.resolve(ending).catch(() => {})
      else await ending
    } catch {
      // The first failure is the one to tell, not how the source took its end.
    }
  }
}

function stepsOf(source: NonNullable<ByteSource>): Steps {
  if (typeof source !== 'object') throw notASource()
  if (typeof (source as Partial<ReadableStream>).getReader === 'function') {
    const reader = (source as ReadableStream<Uint8Array>).getReader()
    return {
      next: async () => {
        let isOver = true
        try {
          const step = await reader.read()
          isOver = step.done
          return step as Step
        } finally {
          if (isOver) reader.releaseLock()
        }
      },
      end: (reason) => reader.cancel(reason).finally(() => reader.releaseLock()),
    }
  }
  const asynchronous = (source as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]
  const synchronous = (source as Iterable<Uint8Array>)[Symbol.iterator]
  if (typeof asynchronous !== 'function' && typeof synchronous !== 'function') {
    throw notASource()
  }
  const iterator =
    typeof asynchronous === 'function'
      ? (source as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
      : (source as Iterable<Uint8Array>)[Symbol.iterator]()
  return {
    next: () => iterator.next() as Step | Promise<Step>,
    end: () => {
      // A Node stream that is being asked does not hear `return`.
      const { destroy } = source as { destroy?: unknown }
      if (typeof destroy === 'function') destroy.call(source)
      return iterator.return?.()
    },
  }
}

function notASource(): InvalidOptionError {
  return new InvalidOptionError('a source must be an iterable, an async iterable or a ReadableStream of Uint8Arrays')
}
