import {
  type ByteRange,
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
        const outcome = await this.#waitOnce(start, end, options)
        if (outcome !== undefined) return outcome
      }
    } catch (error) {
      throw this.#told(error)
    } finally {
      over()
    }
  }

  /** `undefined`: something has changed, look again. */
  async #waitOnce(start: number, end: number, options: WaitOptions): Promise<WaitOutcome | undefined> {
    const { error, window } = this.#filling
    if (error && !this.#isMet({ start, end })) throw error
    const { refusal } = this.#filling
    if (refusal && Math.min(end, this.length ?? end) - start > window.limit) throw refusal // it would never be there at once
    if (!window.isEmpty && this.coverage.has(start, Math.min(end, this.length ?? end))) return 'ready'
    return this.#unlessChanged(options, (wait) => this.#inner.waitRange(start, end, wait))
  }

  async waitCommit(options: WaitOptions = {}): Promise<number> {
    try {
      for (;;) {
        const { error } = this.#filling
        if (error && this.#inner.status.state !== 'committed') throw error
        const length = await this.#unlessChanged(options, (wait) => this.#inner.waitCommit(wait))
        if (length !== undefined) return length
      }
    } catch (error) {
      throw this.#told(error)
    }
  }

  /** As long as it is being filled, whoever lets go of the writer is followed by another: that is no end of a wait. */
  async #unlessChanged<T>(options: WaitOptions, wait: (options: WaitOptions) => Promise<T>): Promise<T | undefined> {
    const { isOver, isPassing, window } = this.#filling
    if (isOver) return wait(options)
    const { signal } = options
    signal?.throwIfAborted()
    if (!isPassing) return firstOf(window, () => wait({ signal, whenAbandoned: 'wait' }))
    const over = new AbortController()
    const forget = window.onChange(() => over.abort(changed))
    const forgetSignal = signal && onAbort(signal, () => over.abort(signal.reason))
    try {
      return await wait({ signal: over.signal, whenAbandoned: 'wait' })
    } catch (error) {
      if (error === changed) return undefined
      throw error
    } finally {
      forget()
      forgetSignal?.()
    }
  }

  async readAt(position: number, target: Uint8Array): Promise<number> {
    let got = this.#inner.coverage.has(position, position + 1) ? 0 : this.#filling.window.read(position, target)
    if (got === 0)
      got = await this.#inner.readAt(position, target).catch((error: unknown) => Promise.reject(this.#told(error)))
    this.#demand.read(position + got)
    return got
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

  /** What it was given up for, instead of what follows from that. */
  #told(error: unknown): unknown {
    const { error: reason, isRenewed, name } = this.#filling
    if (reason !== undefined && CisternError.is(error, 'ERR_CISTERN_ABANDONED')) return reason
    if (isRenewed && CisternError.is(error, 'ERR_CISTERN_REMOVED'))
      return new SourceChangedError(`${name}: the source has another version by now: open it again`, { cause: error })
    return error
  }
}

const changed = new Error('something has changed')

/**
 * `undefined` when the window changes first. The wait goes on then, with nobody to hear of it: that happens once, when bytes
 * begin to pass. A thousand readers wait for each piece, and an AbortController for each would cost them more than the bytes.
 */
function firstOf<T>(window: PassingWindow, wait: () => Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const forget = window.onChange(() => {
      forget()
      resolve(undefined)
    })
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
