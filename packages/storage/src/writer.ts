import { InvalidOptionError, InvalidRangeError } from './errors.js'
import { hookable, type WriterHooks } from './hooks.js'
import { checkPosition } from './positions.js'
import type { ReadonlyRangeSet, SourceDeclaration } from './types.js'
import { WriterBase } from './writer-base.js'
import type { WriterState } from './writer-state.js'

const done: Promise<void> = Promise.resolve()

/** The writer of a `Resource`: no layer between it and the write queue. */
export class WriterHandle extends WriterBase {
  readonly #state: WriterState

  constructor(state: WriterState) {
    super()
    this.#state = state
    state.watch(this)
  }

  get generation(): string {
    return this.#state.life.generation
  }

  get coverage(): ReadonlyRangeSet {
    return this.#state.life.coverage
  }

  get validator(): string | undefined {
    return this.#state.life.validator
  }

  get length(): number | undefined {
    return this.#state.life.length
  }

  writeAt(position: number, data: Uint8Array): Promise<void> {
    const state = this.#state
    // Its turn comes after the call that is under way, and before those made later.
    if (state.busy !== undefined) return state.inTurn(() => this.#write(position, data))
    return this.#write(position, data)
  }

  declare(source: SourceDeclaration): Promise<void> {
    return this.#alone(() => this.#state.declare(source))
  }

  setMetadata(metadata: object): void {
    this.#state.setMetadata(metadata)
  }

  commit(length?: number): Promise<number> {
    return this.#alone(() => this.#state.commit(length))
  }

  discard(): Promise<void> {
    return this.#alone(() => this.#state.discard())
  }

  fail(error: Error): Promise<void> {
    return this.#alone(() => this.#state.fail(error))
  }

  release(cause?: Error): Promise<void> {
    return this.#alone(() => this.#state.release(cause))
  }

  addHooks(hooks: WriterHooks): void {
    this.#state.addHooks(hooks)
  }

  #write(position: number, bytes: Uint8Array): Promise<void> {
    const state = this.#state
    try {
      this.#checkWrite(position, bytes)
    } catch (error) {
      return Promise.reject(error)
    }
    if (bytes.length === 0) return done
    state.wrote = true
    return state.life.queue.push(position, bytes, state.hooks)
  }

  /** Async, so that the handle lives as long as what it does. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    return await this.#state.alone(work)
  }

  #checkWrite(position: number, bytes: Uint8Array): void {
    const { refusal, life } = this.#state
    if (refusal !== undefined) throw refusal
    checkPosition(position, 'position')
    if (!(bytes instanceof Uint8Array)) throw new InvalidOptionError('what is written must be a Uint8Array')
    const end = position + bytes.length
    checkPosition(end, 'the end of the write')
    if (life.length !== undefined && end > life.length) {
      throw new InvalidRangeError(`write of ${position}-${end} is past the declared length ${life.length}`)
    }
  }
}

hookable<WriterHooks>(WriterHandle.prototype)
