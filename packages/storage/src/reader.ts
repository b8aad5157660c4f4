import { copyTurns } from './copy-turns.js'
import { InvalidOptionError, NotSupportedError } from './errors.js'
import { hookable, type ReaderHooks, tellRead, tellWait } from './hooks.js'
import { Guard } from './leaks.js'
import { checkPosition, checkRange } from './positions.js'
import { ReaderBase } from './reader-base.js'
import { ReaderState } from './reader-state.js'
import type { Bytes, ReadonlyRangeSet, ResourceReader, ResourceStatus, WaitOptions, WaitOutcome } from './types.js'
import { Wait } from './wait.js'

const ready: Promise<WaitOutcome> = Promise.resolve('ready')
const eof: Promise<WaitOutcome> = Promise.resolve('eof')

/** A reader of a `Resource`: no layer between it and the driver. */
export class ReaderHandle extends ReaderBase {
  readonly #state: ReaderState
  #guard: Guard | undefined

  constructor(state: ReaderState) {
    super()
    this.#state = state
    this.#guard = Guard.over(state)
  }

  get generation(): string {
    return this.#state.life.generation
  }

  get status(): ResourceStatus {
    return this.#state.life.status
  }

  get length(): number | undefined {
    return this.#state.life.length
  }

  get coverage(): ReadonlyRangeSet {
    return this.#state.life.readable
  }

  get path(): string | undefined {
    const { life } = this.#state
    return life.committed && life.refusal === undefined ? life.path() : undefined
  }

  waitRange(start: number, end: number, options?: WaitOptions): Promise<WaitOutcome> {
    const { life } = this.#state
    try {
      checkRange(start, end)
      this.#checkWait(options)
    } catch (error) {
      return Promise.reject(error)
    }
    const { length } = life
    if (start === end) return ready
    if (length !== undefined && start >= length) return eof
    if (life.readable.has(start, length === undefined ? end : Math.min(end, length))) return ready
    return this.#wait('range', start, end, options)
  }

  override waitLength(options?: WaitOptions): Promise<number> {
    return this.#waitMilestone('length', options)
  }

  waitCommit(options?: WaitOptions): Promise<number> {
    return this.#waitMilestone('commit', options)
  }

  async readAt(position: number, target: Uint8Array): Promise<number> {
    const got = await this.#read(position, target)
    this.#tell(position, got)
    return got
  }

  async readShared(position: number, size: number): Promise<Bytes> {
    const state = this.#state
    const { life } = state
    checkPosition(size, 'size')
    const there = this.#begin(position, size)
    const chunk = await life.shared.take(position, there, (at, target) => this.#read(at, target))
    // By somebody else's read, it may have been: this reader was closed, or its generation discarded, meanwhile.
    const refusal = state.refusal ?? life.failure
    if (refusal !== undefined) throw refusal
    this.#tell(position, chunk.length)
    return chunk
  }

  readAtSync(position: number, target: Uint8Array): number {
    const { life } = this.#state
    if (life.driver.readSync === undefined) throw new NotSupportedError('this backend has no synchronous read')
    const size = this.#begin(position, checkTarget(target).length)
    if (size === 0) return 0
    const isLanded = life.flight === undefined || life.coverage.has(position, position + size)
    const got = isLanded ? this.#readLandedSync(position, target, size) : this.#readInFlightSync(position, target, size)
    this.#tell(position, got)
    return got
  }

  clone(): ResourceReader {
    const { touch } = this.#state
    return this.#cloneWith({ touched: touch.touched })
  }

  close(): void {
    this.#state.close()
    const guard = this.#guard
    this.#guard = undefined
    guard?.release()
  }

  addHooks(hooks: ReaderHooks): void {
    this.#state.addHooks(hooks)
  }

  /** @internal See setIdle. */
  static setIdle(reader: ResourceReader, idle: boolean): void {
    if (reader instanceof ReaderHandle) reader.#state.idle = idle
  }

  /** What a stream reads, its maker has read: one must not go on with another generation than the other. */
  protected override streamClone(): ResourceReader {
    return this.#cloneWith(this.#state.touch)
  }

  #cloneWith(touch: { touched: boolean }): ReaderHandle {
    const state = this.#state
    this.#checkOpen()
    return new ReaderHandle(new ReaderState(state.life, touch, state.group))
  }

  /** How many of `wanted` bytes a read gets. From here on the reader belongs to this generation. */
  #begin(position: number, wanted: number): number {
    this.#checkOpen()
    checkPosition(position, 'position')
    const size = this.#state.life.readableBytes(position, wanted)
    if (size > 0) this.#state.touch.touched = true
    return size
  }

  async #read(position: number, target: Uint8Array): Promise<number> {
    const { life } = this.#state
    const size = this.#begin(position, checkTarget(target).length)
    if (size === 0) return 0
    const isLanded = life.flight === undefined || life.coverage.has(position, position + size)
    return isLanded ? this.#readLanded(position, target, size) : this.#readInFlight(position, target)
  }

  async #readLanded(position: number, target: Uint8Array, size: number): Promise<number> {
    const state = this.#state
    const { life } = state
    const { length } = target
    let got: number
    life.operationBegan()
    try {
      got = await life.driver.read(position, size === target.length ? target : target.subarray(0, size))
    } catch (error) {
      checkKept(target, length) // the bytes are as good as before
      throw state.refusal ?? life.readFailed(position, position + size, error)
    } finally {
      life.operationEnded()
    }
    checkKept(target, length)
    // Closed, discarded or failed meanwhile. Told only now: until here the driver was using `target`.
    const refusal = state.refusal ?? life.failure
    if (refusal !== undefined) throw refusal
    // Dropped, or cut off by a commit, meanwhile: by now it may be a hole.
    got = Math.min(got, life.coverage.coveredEnd(position) - position)
    return got < size ? life.readShort(position, size, got) : got
  }

  #readLandedSync(position: number, target: Uint8Array, size: number): number {
    const { life } = this.#state
    let got: number
    try {
      got = life.driver.readSync?.(position, size === target.length ? target : target.subarray(0, size)) ?? 0
    } catch (error) {
      if (NotSupportedError.is(error)) throw error // the bytes are as good as before
      throw life.readFailed(position, position + size, error)
    }
    return got < size ? life.readShort(position, size, got) : got
  }

  /** What has not landed is copied from where its writer has it; where that is in the midst of it, the landing is waited for. */
  async #readInFlight(position: number, target: Uint8Array): Promise<number> {
    const { life } = this.#state
    const turn = copyTurns.enter(target.length)
    if (turn !== undefined) await turn
    for (;;) {
      const size = this.#begin(position, target.length)
      const { flight } = life
      const landed = life.coverage.coveredEnd(position) - position
      if (flight === undefined || landed >= size) return size === 0 ? 0 : this.#readLanded(position, target, size)
      if (flight.copy(position + landed, target.subarray(landed, size))) {
        const got = landed === 0 ? 0 : await this.#readLanded(position, target, landed)
        return got === landed ? size : got
      }
      await flight.settled
    }
  }

  #readInFlightSync(position: number, target: Uint8Array, size: number): number {
    const { life } = this.#state
    for (let done = 0; done < size; ) {
      const at = position + done
      const landed = Math.min(life.coverage.coveredEnd(at) - at, size - done)
      const flying = Math.min((life.flight?.end ?? at) - at, size - done)
      if (landed > 0) {
        const got = this.#readLandedSync(at, target.subarray(done), landed)
        done += got
        if (got < landed) return done
      } else if (life.flight?.copy(at, target.subarray(done, done + flying))) done += flying
      else return done > 0 ? done : life.readShort(position, size, 0)
    }
    return size
  }

  #tell(position: number, got: number): void {
    const { group } = this.#state
    if (group !== undefined && got > 0) tellRead(group, position, got)
  }

  #waitMilestone(kind: 'length' | 'commit', options: WaitOptions | undefined): Promise<number> {
    const { life } = this.#state
    try {
      this.#checkWait(options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (life.length !== undefined && (kind === 'length' || life.committed)) return Promise.resolve(life.length)
    return this.#wait(kind, 0, 0, options)
  }

  #wait(kind: Wait['kind'], start: number, end: number, options: WaitOptions | undefined): Promise<never> {
    const state = this.#state
    if (kind === 'range' && state.group !== undefined) {
      tellWait(state.group, { start, end })
      try {
        // The hook may have closed this very reader, or ended the wait.
        this.#checkWait(options)
      } catch (error) {
        return Promise.reject(error)
      }
    }
    const wait = new Wait(kind, start, end, state, options, this)
    state.life.place(wait)
    return wait.promise
  }

  #checkWait(options: WaitOptions | undefined): void {
    this.#checkOpen()
    options?.signal?.throwIfAborted()
    const { failure } = this.#state.life
    if (failure !== undefined) throw failure
  }

  #checkOpen(): void {
    const { refusal } = this.#state
    if (refusal !== undefined) throw refusal
  }
}

hookable<ReaderHooks>(ReaderHandle.prototype)

function checkTarget(target: Uint8Array): Uint8Array {
  if (!(target instanceof Uint8Array)) throw new InvalidOptionError('the target of a read must be a Uint8Array')
  return target
}

function checkKept(target: Uint8Array, length: number): void {
  if (target.length !== length) throw new InvalidOptionError('the target of a read was transferred away meanwhile')
}

/**
 * Marks a reader of a `Resource` as idle: kept open by a cache, and not counted in `Resource.readers`. Its clones are
 * not idle. Readers of other makes are left as they are.
 */
export function setIdle(reader: ResourceReader, idle: boolean): void {
  ReaderHandle.setIdle(reader, idle)
}
