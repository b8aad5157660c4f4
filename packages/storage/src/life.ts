import type { Driver } from './driver.js'
import {
  mapIoError,
  RangeNotAvailableError,
  ResourceAbandonedError,
  ResourceRemovedError,
  StorageIoError,
} from './errors.js'
import { Flight } from './flight.js'
import { RangeSet } from './range-set.js'
import type { ReaderState } from './reader-state.js'
import type { ResourceHooks } from './resource-hooks.js'
import { SharedChunks } from './shared-chunks.js'
import type { ResourceStatus } from './types.js'
import type { Wait } from './wait.js'
import { type Verdict, Waiters, type WaitJudge } from './waiters.js'
import { WriteQueue, type WriteTarget } from './write-queue.js'
import type { WriterState } from './writer-state.js'

export interface LifeOptions {
  readonly generation: string
  readonly driver: Driver
  readonly coverage?: RangeSet | undefined
  readonly length?: number | undefined
  readonly validator?: string | undefined
  readonly committed?: boolean | undefined
  readonly hooks?: ResourceHooks | undefined
  readonly path?: (() => string | undefined) | undefined
  readonly renew?: (() => Promise<Life>) | undefined
}

/** What `Resource` and its handles share: one generation's state, coverage and waits. Handles go from one life to the next. */
export class Life implements WriteTarget, WaitJudge {
  readonly generation: string
  readonly driver: Driver
  /** What the driver has. */
  readonly coverage: RangeSet
  /** What readers can have: also what is being written. */
  readonly readable: RangeSet
  readonly hooks: ResourceHooks
  readonly path: () => string | undefined
  readonly renew: (() => Promise<Life>) | undefined
  readonly waiters: Waiters = new Waiters(this)
  readonly queue: WriteQueue = new WriteQueue(this)
  readonly readers: Set<ReaderState> = new Set()
  /** Writers that are not done settling: a second may begin while the first one's `released` hook runs. */
  readonly writers: Set<WriterState> = new Set()
  /** The one that may write. */
  writer: WriterState | undefined
  committed: boolean
  length: number | undefined
  validator: string | undefined
  /** Why the last writer left. */
  abandonedBy: Error | undefined
  failure: Error | undefined
  removal: Error | undefined
  /** Shut down: nothing works any more. */
  end: Error | undefined
  /** The write that is under way. */
  flight: Flight | undefined
  /** What waits are told while nobody writes. One for all: its stack costs twenty times what a wait does. */
  #abandonment: Error | undefined
  #shared: SharedChunks | undefined
  #operations = 0
  #drained: (() => void)[] = []

  constructor(options: LifeOptions) {
    this.generation = options.generation
    this.driver = options.driver
    this.coverage = options.coverage ?? new RangeSet()
    this.length = options.length
    this.validator = options.validator
    this.committed = options.committed ?? false
    this.readable = this.committed ? this.coverage : RangeSet.fromFlat(this.coverage.toFlat())
    this.hooks = options.hooks ?? {}
    this.path = options.path ?? (() => undefined)
    this.renew = options.renew
    if (this.committed) this.length ??= this.coverage.end
  }

  get status(): ResourceStatus {
    if (this.failure !== undefined) return { state: 'failed', error: this.failure }
    if (this.committed) return { state: 'committed', length: this.length as number } // a commit sets the length
    return { state: 'active', writing: this.writer !== undefined }
  }

  /** What its readers have in common. */
  get shared(): SharedChunks {
    this.#shared ??= new SharedChunks(this)
    return this.#shared
  }

  get refusal(): Error | undefined {
    return this.end ?? this.failure ?? this.removal
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** How many of `wanted` bytes can be read at `position`; 0 at the end of the file. Throws where there is nothing. */
  readableBytes(position: number, wanted: number): number {
    if (this.failure !== undefined) throw this.failure
    if (wanted === 0) return 0
    const covered = this.readable.coveredEnd(position) - position
    if (covered > 0) return Math.min(covered, wanted)
    if (this.length !== undefined && position >= this.length) return 0
    throw this.#notAvailable(position)
  }

  operationBegan(): void {
    this.#operations++
  }

  operationEnded(): void {
    this.#operations--
    this.drained()
  }

  /** A read of covered bytes gave fewer, `got`. What it may return; throws when the storage has lost them. */
  readShort(position: number, wanted: number, got: number): number {
    if (this.length !== undefined && position + got >= this.length) return got
    if (!this.coverage.has(position, position + wanted)) {
      // They were dropped, or are being cut off by a commit: the storage is not to blame.
      if (got > 0) return got
      throw this.#notAvailable(position)
    }
    throw this.readFailed(
      position + got,
      position + wanted,
      new StorageIoError(
        `${this.driver.path ?? 'the storage'} ends at ${position + got}, before bytes that were written`,
        {
          path: this.driver.path,
        },
      ),
    )
  }

  /** Bytes that were there cannot be read: they do not count as covered any more. Gives the error to tell. */
  readFailed(start: number, end: number, cause: unknown): Error {
    const error = this.#ioError(cause, 'read', start, end)
    if (this.refusal === undefined || this.refusal === this.removal) this.#lose(start, end, error)
    return error
  }

  // ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Settles `wait` or has it stand where the next write finds it. */
  place(wait: Wait): void {
    const verdict = this.judge(wait)
    if (verdict === undefined) this.stand(wait)
    else if ('error' in verdict) wait.reject(verdict.error)
    else wait.resolve(verdict.outcome)
  }

  /** Looks at all waits anew: the length became known, coverage shrank, or nobody writes any more. */
  placeAll(): void {
    if (this.waiters.size > 0) this.waiters.lookAnew()
  }

  judge(wait: Wait): Verdict | undefined {
    if (this.failure !== undefined) return { error: this.failure }
    return wait.kind === 'range' ? this.#judgeRange(wait) : this.#judgeMilestone(wait)
  }

  stand(wait: Wait): void {
    if (wait.kind === 'range') this.waiters.add(wait, this.readable.coveredEnd(wait.start))
    else this.waiters.addMilestone(wait)
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  beforeRun(start: number, end: number): void | Promise<void> {
    return this.hooks.beforeWrite?.(start, end)
  }

  write(start: number, parts: readonly Uint8Array[]): Promise<void> {
    return this.driver.write(start, parts)
  }

  ready(): Promise<void> | undefined {
    return this.driver.ready?.()
  }

  launched(start: number, parts: readonly Uint8Array[]): void {
    this.flight = new Flight(start, parts, this.coverage)
    this.#shared?.forget(start, this.flight.end)
    this.#show(start, this.flight.end)
    this.hooks.writing?.(start, parts)
  }

  landed(start: number, end: number, parts: readonly Uint8Array[]): void {
    // Bytes of a generation that is gone are nobody's; those of a store that closes are still worth keeping.
    if (this.failure !== undefined || this.removal !== undefined) return this.#flightOver()
    if (this.hooks.written !== undefined) {
      this.hooks.written(start, parts, end - start - this.coverage.count(start, end))
    }
    this.coverage.insert(start, end)
    this.#flightOver()
    this.#show(start, end) // it may have been dropped meanwhile
  }

  missed(start: number, end: number, cause: unknown): Error {
    const error = this.#ioError(cause, 'write', start, end)
    if (this.failure === undefined && this.removal === undefined) this.#lose(start, end, error)
    this.#flightOver()
    return error
  }

  /** Resolves once no driver operation is queued or in flight. */
  whenDrained(): Promise<void> {
    if (!this.queue.busy && this.#operations === 0) return Promise.resolve()
    return new Promise((resolve) => this.#drained.push(resolve))
  }

  drained(): void {
    if (this.#drained.length === 0 || this.queue.busy || this.#operations > 0) return
    for (const resolve of this.#drained.splice(0)) resolve()
  }

  drop(start: number, end: number): void {
    if (this.#uncover(start, end)) this.placeAll()
  }

  // ── handles ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get handles(): number {
    return this.readers.size + this.writers.size
  }

  readerLeft(reader: ReaderState): void {
    if (this.readers.delete(reader)) this.tellUnused()
  }

  writerLeft(writer: WriterState): void {
    if (this.writers.delete(writer)) this.tellUnused()
  }

  tellUnused(): void {
    if (this.handles > 0) return
    this.#shared?.clear()
    this.hooks.unused?.()
  }

  /** `next` takes over: what was not touched goes on there. */
  supersede(next: Life): void {
    const error = new ResourceRemovedError(`generation ${this.generation} was discarded by its writer`)
    this.removal ??= error
    this.queue.clear(error)
    // First: readers that leave may close others, in either life, and `next` must not look unused to them.
    if (this.writer !== undefined) {
      this.writers.delete(this.writer)
      this.writer.life = next
      next.writers.add(this.writer)
      next.writer = this.writer
      this.writer = undefined
    }
    // Then all that go on, with their waits: a reader that leaves may close one of them, whose waits must stand where it looks.
    const left = [...this.readers].filter((reader) => !reader.goOn(next))
    for (const wait of this.waiters.takeAll()) {
      if (wait.reader.life === next) next.place(wait)
      else wait.reject(error)
    }
    for (const reader of left) reader.supersede(error)
    this.tellUnused()
  }

  fail(error: Error): void {
    if (this.failure !== undefined || this.end !== undefined) return
    this.failure = error
    this.queue.clear(error)
    this.writer?.dismiss('fail', error)
    this.placeAll()
  }

  remove(error: Error): void {
    if (this.removal !== undefined) return
    this.removal = error
    this.queue.clear(error)
    this.writer?.dismiss('release', error)
    this.placeAll()
  }

  shutdown(error: Error): void {
    if (this.end !== undefined) return
    this.end = error
    this.queue.clear(error)
    this.writer?.dismiss('release', error)
    for (const reader of this.readers) reader.shutdown(error)
    // Readers of a discarded generation are not in the set; they are refused already.
  }

  /** The writer let go: those who wait learn that nobody writes. */
  abandon(writer: WriterState, cause: Error | undefined): void {
    if (this.writer !== writer) return
    this.writer = undefined
    this.abandonedBy = cause
    this.#abandonment = undefined
    this.placeAll()
  }

  #judgeRange(wait: Wait): Verdict | undefined {
    const { length } = this
    wait.limit = length === undefined ? wait.end : Math.min(wait.end, length)
    if (length !== undefined && wait.start >= length) return { outcome: 'eof' }
    if (this.readable.coveredEnd(wait.start) >= wait.limit) return { outcome: 'ready' }
    return this.#refused(wait)
  }

  #judgeMilestone(wait: Wait): Verdict | undefined {
    const isReached = wait.kind === 'length' ? this.length !== undefined : this.committed
    return isReached ? { outcome: this.length } : this.#refused(wait)
  }

  /** The end of a wait that nobody will meet. */
  #refused(wait: Wait): Verdict | undefined {
    if (this.removal !== undefined) return { error: this.removal }
    if (this.writer !== undefined || wait.patient) return undefined
    this.#abandonment ??= abandonment(this.abandonedBy)
    return { error: this.#abandonment }
  }

  #lose(start: number, end: number, error: Error): void {
    const bytes = this.coverage.count(start, end)
    if (bytes === 0) return
    this.#uncover(start, end)
    this.hooks.lost?.(start, end, error, bytes)
    this.placeAll()
  }

  #uncover(start: number, end: number): boolean {
    this.#shared?.forget(start, end)
    const isLess = this.coverage.delete(start, end)
    // Also what is being written: those who wait behind it have that in their way again.
    return (this.readable !== this.coverage && this.readable.delete(start, end)) || isLess
  }

  #show(start: number, end: number): void {
    if (this.readable.insert(start, end)) this.waiters.wake(start, this.readable.coveredEnd(start))
  }

  /** What did not land cannot be read any more. */
  #flightOver(): void {
    const { flight } = this
    if (flight === undefined) return
    this.flight = undefined
    flight.over()
    // Who read beside an overwrite may have got what was there before.
    if (flight.overwrites) this.#shared?.forget(flight.start, flight.end)
    let isLess = false
    for (const { start, end } of this.coverage.gaps(flight.start, flight.end)) {
      this.#shared?.forget(start, end)
      isLess = this.readable.delete(start, end) || isLess
    }
    if (isLess) this.placeAll()
  }

  #ioError(cause: unknown, verb: 'read' | 'write', start: number, end: number): Error {
    const { path } = this.driver
    return mapIoError(cause, path, `${verb} bytes ${start}-${end}${path === undefined ? '' : ' of'}`)
  }

  #notAvailable(position: number): Error {
    const nextCovered = this.readable.nextCovered(position)
    const next = nextCovered === undefined ? 'nothing' : `${nextCovered.start}-${nextCovered.end}`
    return new RangeNotAvailableError(`nothing was written at ${position}; covered next: ${next}`, {
      position,
      nextCovered,
    })
  }
}

function abandonment(cause: Error | undefined): Error {
  const why = cause === undefined ? 'nobody is writing this resource' : `the writer gave up: ${cause.message}`
  return new ResourceAbandonedError(why, { cause })
}
