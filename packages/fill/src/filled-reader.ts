import {
  type ByteRange,
  type Bytes,
  CisternError,
  NotSupportedError,
  onAbort,
  RangeSet,
  ReaderBase,
  type ReadonlyRangeSet,
  type ResourceReader,
  type ResourceStatus,
  SourceChangedError,
  type WaitOptions,
  type WaitOutcome,
} from '@cistern/storage'
import { ReaderDemand } from './demand.js'
import type { Filling } from './filling.js'
import type { PassingWindow } from './passing-window.js'
import type { Priority } from './priority.js'

/** How a reader makes itself felt. */
export interface ReaderUrgency {
  readonly priority: Priority
  /** Bytes ahead of where it reads. */
  readonly lookahead: number
}

/** A reader whose waits and reads say what is to be fetched next. */
export class FilledReader extends ReaderBase {
  readonly #inner: ResourceReader
  readonly #filling: Filling
  readonly #urgency: ReaderUrgency
  readonly #demand: ReaderDemand
  #isClosed = false

  constructor(inner: ResourceReader, filling: Filling, urgency: ReaderUrgency) {
    super()
    this.#inner = inner
    this.#filling = filling
    this.#urgency = urgency
    this.#demand = new ReaderDemand(urgency.priority, urgency.lookahead, () => filling.moved())
    filling.add(this.#demand)
  }

  get generation(): string {
    return this.#inner.generation
  }

  get status(): ResourceStatus {
    const { error } = this.#filling
    return error === undefined ? this.#inner.status : { state: 'failed', error }
  }

  get length(): number | undefined {
    return this.#inner.length
  }

  get coverage(): ReadonlyRangeSet {
    const { window } = this.#filling
    if (window.isEmpty) return this.#inner.coverage
    const both = RangeSet.fromFlat(this.#inner.coverage.toFlat())
    for (const { start, end } of window.coverage) both.insert(start, end)
    return both
  }

  get path(): string | undefined {
    return this.#inner.path
  }

  async waitRange(start: number, end: number, options: WaitOptions = {}): Promise<WaitOutcome> {
    if (this.#isMet({ start, end })) return this.#inner.waitRange(start, end, options)
    const over = this.#demand.wait(start, end)
    try {
      for (;;) {
        options.signal?.throwIfAborted()
        const outcome = await this.#waitOnce({ start, end }, options)
        if (outcome !== undefined) return outcome
      }
    } catch (error) {
      throw this.#told(error)
    } finally {
      over()
    }
  }

  /** `undefined`: something has changed, look again. */
  async #waitOnce(range: ByteRange, options: WaitOptions): Promise<WaitOutcome | undefined> {
    const { error } = this.#filling
    if (error && !this.#isMet(range)) throw error
    const refusal = this.#refusalOf(range)
    if (refusal) throw refusal
    if (this.#passes(range)) return 'ready'
    const isMet = () => this.#refusalOf(range) !== undefined || this.#passes(range)
    return this.#unlessChanged(options, isMet, (wait) => this.#inner.waitRange(range.start, range.end, wait))
  }

  async waitCommit(options: WaitOptions = {}): Promise<number> {
    try {
      for (;;) {
        const { error } = this.#filling
        if (error && this.#inner.status.state !== 'committed') throw error
        const isMet = () => false
        const length = await this.#unlessChanged(options, isMet, (wait) => this.#inner.waitCommit(wait))
        if (length !== undefined) return length
      }
    } catch (error) {
      throw this.#told(error)
    }
  }

  /**
   * `undefined` where the filling is over, or `isMet` by what passes. As long as it is being filled, whoever lets go of the
   * writer is followed by another: that is no end of a wait.
   */
  async #unlessChanged<T>(
    options: WaitOptions,
    isMet: () => boolean,
    wait: (options: WaitOptions) => Promise<T>,
  ): Promise<T | undefined> {
    const { isOver, isPassing, window } = this.#filling
    if (isOver) return wait(options)
    const { signal } = options
    signal?.throwIfAborted()
    if (!isPassing) return firstOf(window, isMet, () => wait({ signal, whenAbandoned: 'wait' }))
    // What passes would leave a wait at the store's reader for each of its pieces.
    const over = new AbortController()
    const forget = signal && onAbort(signal, () => over.abort(signal.reason))
    try {
      return await firstOf(window, isMet, () => wait({ signal: over.signal, whenAbandoned: 'wait' }))
    } finally {
      forget?.()
      over.abort(heard)
    }
  }

  async readAt(position: number, target: Uint8Array): Promise<number> {
    let got = this.#inner.coverage.has(position, position + 1) ? 0 : this.#filling.window.read(position, target)
    if (got === 0)
      got = await this.#inner.readAt(position, target).catch((error: unknown) => Promise.reject(this.#told(error)))
    this.#demand.read(position + got)
    return got
  }

  async readShared(position: number, size: number): Promise<Bytes> {
    const { coverage } = this.#inner
    if (!this.#inner.readShared || (!coverage.has(position, position + 1) && !this.#filling.window.isEmpty)) {
      const target = new Uint8Array(size)
      return target.subarray(0, await this.readAt(position, target))
    }
    const chunk = await this.#inner
      .readShared(position, size)
      .catch((error: unknown) => Promise.reject(this.#told(error)))
    this.#demand.read(position + chunk.length)
    return chunk
  }

  readAtSync(position: number, target: Uint8Array): number {
    if (!this.#inner.coverage.has(position, position + 1) && this.#filling.window.coverage.has(position, position + 1))
      throw new NotSupportedError('these bytes are passing through memory: use readAt')
    const got = this.#inner.readAtSync(position, target)
    this.#demand.read(position + got)
    return got
  }

  clone(): ResourceReader {
    return new FilledReader(this.#inner.clone(), this.#filling, this.#urgency)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#inner.close()
    this.#filling.drop(this.#demand)
  }

  #isMet({ start, end }: ByteRange): boolean {
    const { length } = this
    if (this.#isClosed || start < 0 || start >= end) return true // refused, or empty: the store's reader says so
    return (
      this.#inner.status.state === 'committed' ||
      this.#inner.coverage.has(start, Math.min(end, length ?? end)) ||
      (length !== undefined && start >= length)
    )
  }

  /** More than can ever pass at once will never be there at once. */
  #refusalOf({ start, end }: ByteRange): Error | undefined {
    const { refusal, window } = this.#filling
    return Math.min(end, this.length ?? end) - start > window.limit ? refusal : undefined
  }

  /** All of it is there, what passes taken with what the store has. */
  #passes({ start, end }: ByteRange): boolean {
    const { window } = this.#filling
    const limit = Math.min(end, this.length ?? end)
    for (let at = start; !window.isEmpty && at < limit; ) {
      const next = Math.max(window.coverage.coveredEnd(at), this.#inner.coverage.coveredEnd(at))
      if (next === at) return false
      at = next
    }
    return !window.isEmpty
  }

  /** What it was given up for, instead of what follows from that. */
  #told(error: unknown): unknown {
    const { error: reason, isRenewed, name } = this.#filling
    if (reason !== undefined && CisternError.is(error, 'ERR_CISTERN_ABANDONED')) return reason
    if (isRenewed && CisternError.is(error, 'ERR_CISTERN_REMOVED'))
      return new SourceChangedError(`${name}: the source has another version by now: open it again`, { cause: error })
    return error
  }
}

/** What came first ends the other wait; one for all, since making one costs more than the wait. */
const heard = new Error('nobody waits for this any more')

/** `undefined` when what passes through the window comes first; who is not heard any more goes on waiting. */
function firstOf<T>(window: PassingWindow, isMet: () => boolean, wait: () => Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const forget = window.wait({ isMet, look: () => resolve(undefined) })
    wait().then(
      (outcome) => {
        forget()
        resolve(outcome)
      },
      (error: unknown) => {
        forget()
        reject(error)
      },
    )
  })
}
