import { type Assets, asError, type ResourceKey } from '@cistern/assets'
import {
  type ByteRange,
  CisternError,
  type ReadonlyRangeSet,
  type ResourceReader,
  ResourceRemovedError,
  type ResourceWriter,
} from '@cistern/storage'
import { Arrived } from './arrived.js'
import { Choice, type Chosen } from './choice.js'
import type { Demand } from './demand.js'
import { Demands } from './demands.js'
import { Failures } from './failures.js'
import type { Fetch } from './fetch.js'
import { KnownSource, type KnownSourceHost } from './known-source.js'
import { Passing } from './passing.js'
import { PassingWindow, type WindowBudget } from './passing-window.js'
import type { Source, SourceResponse } from './source.js'
import type { StoreSide } from './types.js'

/** How long what else there is to ask for waits for the first bytes behind their headers. */
const HEAD_START_MS = 20

/** Work that nobody does. */
export interface Work extends Chosen {
  readonly filling: Filling
}

/** What a filling asks of its filler. */
export interface FillingHost {
  readonly chunkSize: number
  readonly backoffMs: number
  readonly retries: number
  readonly windowBudget: WindowBudget
  /** What is to be done next may be something else now. */
  review(): void
  /** So it is in `ms` milliseconds at the latest. */
  reviewWithin(ms: number): void
  /** Nothing of it is to be done any more. `error`: why it was given up. */
  over(filling: Filling, error: Error | undefined): void
}

/** One resource that is being filled: who wants what of it, and what is on its way. */
export class Filling implements KnownSourceHost {
  readonly key: ResourceKey
  readonly source: Source
  readonly window: PassingWindow
  readonly fetches: Set<Fetch> = new Set()
  /** Why it was given up. */
  error: Error | undefined
  isOver = false
  /** Why the store did not take the last bytes that it was given; `undefined` where it did. */
  refusal: Error | undefined
  readonly #store: Assets
  readonly #options: StoreSide
  readonly #host: FillingHost
  readonly #failures: Failures
  readonly #known: KnownSource
  readonly #arrived: Arrived
  readonly #demands: Demands
  readonly #choice: Choice
  readonly #passing: Passing
  #reader: ResourceReader | undefined
  #writer: ResourceWriter | undefined
  #committing: Promise<void> | undefined
  /** The source has said what it is, and nobody has looked yet what that makes of what there is to do. */
  #isJustDeclared = false
  /** A reader went on or left, and nobody has looked yet what that makes of what passes. */
  #isMoved = false

  private constructor(store: Assets, key: ResourceKey, source: Source, options: StoreSide, host: FillingHost) {
    const { chunkSize } = host
    this.key = key
    this.source = source
    this.window = new PassingWindow(host.windowBudget)
    this.#store = store
    this.#options = options
    this.#host = host
    this.#failures = new Failures(source.retries ?? host.retries, host.backoffMs)
    this.#known = new KnownSource(this)
    this.#arrived = new Arrived(this.window, () => this.received)
    const of = { chunkSize, source: this.#known, arrived: this.#arrived }
    this.#demands = new Demands({ ...of, isProcessed: this.isProcessed })
    this.#choice = new Choice({ ...of, demands: this.#demands, failures: this.#failures, fetches: this.fetches })
    this.#passing = new Passing(this.window, this.#demands, {
      takes: (version) => this.takes(version),
      review: () => host.review(),
    })
  }

  /** Rejects with what the store's `acquire` rejects with, and with the signal's reason, which ends the call alone. */
  static async begin(
    store: Assets,
    key: ResourceKey,
    source: Source,
    options: StoreSide,
    host: FillingHost,
    signal: AbortSignal,
  ): Promise<Filling> {
    const filling = new Filling(store, key, source, options, host)
    await filling.#acquire(signal)
    return filling
  }

  /** For messages. */
  get name(): string {
    return this.key.id
  }

  get writer(): ResourceWriter | undefined {
    return this.#writer
  }

  /** The store takes no more, and readers get their bytes through memory. */
  get isPassing(): boolean {
    return this.refusal !== undefined || !this.window.isEmpty
  }

  /** Source bytes in all, once known. */
  get total(): number | undefined {
    return this.#known.total
  }

  /** Source bytes that are there. */
  get received(): ReadonlyRangeSet {
    return this.#writer?.coverage ?? this.reader.coverage
  }

  get arrivedEnd(): number {
    return this.#arrived.end
  }

  /** What went in is not what comes out: a position in the one says little about the other. */
  get isProcessed(): boolean {
    return this.#options.processor !== undefined
  }

  /** The source had another version than what was there. */
  get isRenewed(): boolean {
    return this.version > 0
  }

  /** Bytes of an answer of that version may be written. */
  takes(version: number): boolean {
    return !this.isOver && version === this.version
  }

  get version(): number {
    return this.#known.version
  }

  get isCommitted(): boolean {
    return this.reader.status.state === 'committed'
  }

  /** Has read nothing, so that it goes along when the source turns out to have another version. */
  get reader(): ResourceReader {
    if (this.#reader === undefined) throw new Error('not acquired')
    return this.#reader
  }

  // ── who wants what ───────────────────────────────────────────────────────────────────────────────────────────────

  add(demand: Demand): void {
    this.#demands.add(demand)
    this.#host.review()
  }

  /** Ends with the last of them. */
  drop(demand: Demand): void {
    this.#demands.delete(demand)
    this.leaveUnwanted()
    this.moved()
  }

  /** A reader went on. */
  moved(): void {
    this.#isMoved = true
    this.#host.review()
  }

  /** Once for all who went on in one turn of the event loop. */
  settleMoves(): void {
    if (!this.#isMoved) return
    this.#isMoved = false
    this.#passing.trim()
    this.window.tellRoom() // what they wait for now may be what waits for room
  }

  /** How urgent the byte at `position` is; `undefined`: nobody wants it. */
  rankAt(position: number): number | undefined {
    return this.#demands.rankAt(position)
  }

  isWanted(start: number, end: number): boolean {
    return this.#demands.isWanted(start, end)
  }

  isWantedAt(position: number): boolean {
    return this.rankAt(position) !== undefined
  }

  /** The most urgent work that nobody does and that may be begun now. */
  best(now: number): Work | undefined {
    if (this.#writer === undefined || this.isOver || this.#committing) return undefined
    const chosen = this.#choice.best(now)
    return chosen && { ...chosen, filling: this }
  }

  /** When work that failed may be tried again; `undefined` where none has to wait. */
  nextAt(now: number): number | undefined {
    return this.#demands.isEmpty || this.isOver ? undefined : this.#failures.nextAt(now)
  }

  // ── what a fetch brings ──────────────────────────────────────────────────────────────────────────────────────────

  isThere(position: number): boolean {
    return this.#arrived.until(position) > position
  }

  /** What of [start, end) neither is there nor on its way to the store. */
  missing(start: number, end: number): ByteRange[] {
    return this.#arrived.missing(start, end)
  }

  /** The answer, once it is proved. */
  ask(fetch: Fetch, signal: AbortSignal): Promise<SourceResponse> {
    return this.#known.ask(fetch, signal)
  }

  /** What else there is to ask for is asked for behind the first bytes: a request takes as long as they do. */
  declared(): void {
    this.#demands.tell()
    this.#isJustDeclared = true
    this.#host.reviewWithin(HEAD_START_MS)
  }

  dropped(): void {
    this.window.clear()
  }

  /** Rejects with what the store rejects with, where no reader can be given the bytes either. */
  async write(start: number, bytes: Uint8Array, version: number): Promise<void> {
    const end = start + bytes.length
    const writer = this.#writer
    if (writer === undefined) throw new ResourceRemovedError(`${this.name} is not filled any more`)
    const { landing } = this.#arrived
    landing.insert(start, end)
    if (this.#isJustDeclared) this.#host.review()
    this.#isJustDeclared = false
    try {
      await writer.writeAt(start, bytes)
      this.refusal = undefined
      this.#demands.tell()
    } catch (error) {
      if (!isRefusal(error) || this.isProcessed || !this.#demands.isReadBy) throw error
      this.refusal = error
      this.#demands.fail(error)
      await this.#passing.pass(start, bytes, version)
    } finally {
      landing.delete(start, end)
    }
  }

  /** The source has no more than this: a body that brought bytes ended here. */
  endsAt(position: number): Promise<void> {
    return this.#known.endsAt(position)
  }

  succeeded(start: number): void {
    this.#failures.succeeded(Math.floor(start / this.#host.chunkSize))
  }

  failed(fetch: Fetch, error: unknown): void {
    if (this.isOver) return
    // One that begins at 0 each time fails and is tried again as one.
    const chunk = this.#known.isSequential ? 0 : Math.floor(fetch.position / this.#host.chunkSize)
    // Who got further has not failed at the same bytes again.
    if (fetch.brought > 0) this.#failures.succeeded(chunk)
    if (!this.#failures.add(chunk, error, performance.now())) this.giveUp(asError(error))
    this.#host.review()
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Commits when all is there. Called whenever something may have come or gone. */
  look(): void {
    const { total } = this.#known
    const writer = this.#writer
    if (this.isOver || this.#committing || total === undefined || writer === undefined) return
    if (this.#arrived.landing.size > 0 || !writer.coverage.has(0, total)) return
    this.#committing = this.#commit(writer, total).finally(() => {
      this.#committing = undefined
    })
  }

  async #commit(writer: ResourceWriter, total: number): Promise<void> {
    for (const fetch of this.fetches) fetch.stop()
    try {
      await writer.commit(total)
      this.#end(undefined)
    } catch (error) {
      if (!CisternError.is(error, 'ERR_CISTERN_INCOMPLETE')) return this.giveUp(asError(error))
      // Bytes that could not be read back: they are fetched again, for who is still there.
      this.#committing = undefined
      this.leaveUnwanted()
      this.#host.review()
    }
  }

  /** Those who wait are told; what is there stays. */
  giveUp(error: Error): void {
    if (this.isOver) return
    this.error = error
    for (const fetch of this.fetches) fetch.stop()
    this.#writer?.release(error).catch(() => undefined) // settled by what it failed with
    this.#end(error)
  }

  async close(error: Error): Promise<void> {
    if (this.isOver) return
    this.error = error
    for (const fetch of this.fetches) fetch.stop()
    await this.#writer?.release(error).catch(() => undefined)
    this.#end(error)
  }

  /** Ends it where nobody wants anything of it any more. */
  leaveUnwanted(): void {
    if (this.#demands.isEmpty) void this.#leave()
  }

  async #leave(): Promise<void> {
    if (this.isOver || this.#committing) return
    this.isOver = true
    for (const fetch of this.fetches) fetch.stop()
    this.window.clear()
    this.#host.over(this, undefined)
    await this.#writer?.release().catch(() => undefined)
    this.#reader?.close()
  }

  #end(error: Error | undefined): void {
    if (this.isOver) return
    this.isOver = true
    if (error) this.#demands.fail(error)
    else this.#demands.tell()
    this.window.clear()
    this.#host.over(this, error)
    this.#reader?.close() // readers have handles of their own
  }

  async #acquire(signal?: AbortSignal): Promise<void> {
    const got = await this.#store.acquire(this.key, { ...this.#options, signal })
    this.#reader?.close()
    if (this.isOver) {
      got.reader.close()
      return got.writer?.release()
    }
    this.#reader = got.reader
    this.#writer = got.writer
    this.#known.total = got.writer?.length
    this.#demands.tell()
    if (!this.isCommitted) void this.#follow(got.reader)
    this.look()
  }

  /** Hears what becomes of it by others: who fills it commits, or has given up; it is removed, or its store closed. */
  async #follow(reader: ResourceReader): Promise<void> {
    const isOurs = this.#writer !== undefined
    try {
      await reader.waitCommit({ whenAbandoned: isOurs ? 'wait' : 'reject' })
      if (!isOurs) this.#end(undefined) // what is committed here has to last first
    } catch (error) {
      if (this.isOver) return
      if (!CisternError.is(error, 'ERR_CISTERN_ABANDONED')) return this.giveUp(asError(error))
      await this.#acquire().catch((failure: unknown) => this.giveUp(asError(failure)))
      this.#host.review()
    }
  }
}

/** The store has no room for it: that is no reason to keep it from who reads. */
function isRefusal(error: unknown): error is Error {
  return CisternError.is(error, 'ERR_CISTERN_QUOTA_EXCEEDED') || CisternError.is(error, 'ERR_CISTERN_NO_SPACE')
}
