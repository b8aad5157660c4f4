import { type Assets, asError, type ResourceKey } from '@cistern/assets'
import {
  type ByteRange,
  CisternError,
  RangeSet,
  type ReadonlyRangeSet,
  type ResourceReader,
  ResourceRemovedError,
  type ResourceWriter,
  SourceChangedError,
  SourceError,
} from '@cistern/storage'
import { type Demand, RangeDemand, ReaderDemand, type Want } from './demand.js'
import { Failures } from './failures.js'
import type { Fetch } from './fetch.js'
import { PassingWindow, type WindowBudget } from './passing-window.js'
import type { Source, SourceResponse } from './source.js'
import type { StoreSide } from './types.js'

/** A source that answers with yet another version each time is given up after so many. */
const MOST_VERSIONS = 4

/** Work that nobody does: the first byte of it, where it has to end, and how urgent it is. */
export interface Work {
  readonly filling: Filling
  readonly start: number
  /** Where bytes begin that are there, or on their way; `undefined`: nobody knows where it ends. */
  readonly end: number | undefined
  readonly rank: number
  readonly arrival: number
}

/** What a filling asks of its filler. */
export interface FillingHost {
  readonly chunkSize: number
  readonly backoffMs: number
  readonly retries: number
  readonly windowBudget: WindowBudget
  /** What is to be done next may be something else now. */
  review(): void
  /** Nothing of it is to be done any more. `error`: why it was given up. */
  over(filling: Filling, error: Error | undefined): void
}

/** One resource that is being filled: who wants what of it, and what is on its way. */
export class Filling {
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
  readonly #demands = new Set<Demand>()
  /** Written, and not settled. */
  readonly #landing = new RangeSet()
  #reader: ResourceReader | undefined
  #writer: ResourceWriter | undefined
  /** The answers that came are looked at one after the other. */
  #proving: Promise<unknown> = Promise.resolve()
  /** This process has said what the source is. */
  #isDeclared = false
  #versions = 0
  #total: number | undefined
  /** The source begins at 0 whatever it is asked for. */
  #isSequential = false
  #committing: Promise<void> | undefined

  private constructor(store: Assets, key: ResourceKey, source: Source, options: StoreSide, host: FillingHost) {
    this.key = key
    this.source = source
    this.window = new PassingWindow(host.windowBudget)
    this.#store = store
    this.#options = options
    this.#host = host
    this.#failures = new Failures(source.retries ?? host.retries, host.backoffMs)
  }

  /** Rejects with what the store's `acquire` rejects with. */
  static async begin(
    store: Assets,
    key: ResourceKey,
    source: Source,
    options: StoreSide,
    host: FillingHost,
  ): Promise<Filling> {
    const filling = new Filling(store, key, source, options, host)
    await filling.#acquire()
    return filling
  }

  /** For messages. */
  get name(): string {
    return this.key.id
  }

  /** The store takes no more, and readers get their bytes through memory. */
  get isPassing(): boolean {
    return this.refusal !== undefined || !this.window.isEmpty
  }

  /** Source bytes in all, once known. */
  get total(): number | undefined {
    return this.#total
  }

  /** Source bytes that are there. */
  get received(): ReadonlyRangeSet {
    return this.#writer?.coverage ?? this.reader.coverage
  }

  /** What went in is not what comes out: a position in the one says little about the other. */
  get isProcessed(): boolean {
    return this.#options.processor !== undefined
  }

  /** The source had another version than what was there. */
  get isRenewed(): boolean {
    return this.#versions > 0
  }

  /** Bytes of an answer of that version may be written. */
  takes(version: number): boolean {
    return !this.isOver && version === this.#versions
  }

  get version(): number {
    return this.#versions
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
    demand.changed()
    this.#host.review()
  }

  /** Ends with the last of them. */
  drop(demand: Demand): void {
    this.#demands.delete(demand)
    this.#trimWindow()
    this.leaveUnwanted()
    this.#host.review()
  }

  /** A reader went on. */
  moved(): void {
    this.#trimWindow()
    this.window.tellRoom() // what it waits for now may be what waits for room
    this.#host.review()
  }

  get isReadBy(): boolean {
    for (const demand of this.#demands) if (demand instanceof ReaderDemand) return true
    return false
  }

  /** How urgent the byte at `position` is; `undefined`: nobody wants it. */
  rankAt(position: number): number | undefined {
    let best: number | undefined
    for (const { start, end, rank } of this.#wants())
      if (position >= start && position < end && (best === undefined || rank < best)) best = rank
    return best
  }

  isWanted(start: number, end: number): boolean {
    for (const want of this.#wants()) if (want.start < end && want.end > start) return true
    return false
  }

  #isReadIn(start: number, end: number): boolean {
    for (const demand of this.#demands) {
      if (!(demand instanceof ReaderDemand)) continue
      for (const want of this.#wantsOf(demand)) if (want.start < end && want.end > start) return true
    }
    return false
  }

  /** The most urgent work that nobody does and that may be begun now. */
  best(now: number): Work | undefined {
    if (this.#writer === undefined || this.isOver || this.#committing) return undefined
    if (this.#isSequential && (this.fetches.size > 0 || this.#failures.isBlocked(0, now))) return undefined
    let best: Work | undefined
    for (const demand of this.#demands) {
      for (const want of this.#wantsOf(demand)) {
        if (best !== undefined && !isBefore(want.rank, demand.arrival, best)) continue
        // The first answer tells what there is to ask for; only who waits does not wait for that.
        if (!this.#isDeclared && want.rank > 0 && this.fetches.size > 0) continue
        const start = this.#firstFree(want, now)
        if (start !== undefined) best = this.#workAt(start, want, demand)
      }
    }
    return best
  }

  /** When work that failed may be tried again; `undefined` where none has to wait. */
  nextAt(now: number): number | undefined {
    return this.#demands.size > 0 && !this.isOver ? this.#failures.nextAt(now) : undefined
  }

  #workAt(start: number, want: Want, { arrival }: Demand): Work {
    const { rank } = want
    if (this.#isSequential) return { filling: this, start: 0, end: undefined, rank, arrival }
    const limit = Math.min(want.limit ?? Number.MAX_SAFE_INTEGER, this.#total ?? Number.MAX_SAFE_INTEGER)
    let end = this.received.nextGap(start, limit)?.end ?? limit
    for (const each of [this.#landing, this.window.coverage]) end = each.nextGap(start, end)?.end ?? end
    for (const { position } of this.fetches) if (position > start) end = Math.min(end, position)
    return { filling: this, start, end: end === Number.MAX_SAFE_INTEGER ? undefined : end, rank, arrival }
  }

  *#wants(): Generator<Want> {
    for (const demand of this.#demands) yield* this.#wantsOf(demand)
  }

  /** In source bytes, by whole chunks where nobody waits, and not past the end. */
  *#wantsOf(demand: Demand): Generator<Want> {
    const { chunkSize } = this.#host
    const total = this.#total ?? Number.MAX_SAFE_INTEGER
    for (const want of demand.wants()) {
      // Everything before a byte has to go through the processor first.
      const start = this.isProcessed ? 0 : want.isForLength ? this.#thereUntil(want.start) : want.start
      // A processor says by its end how long it is.
      const isToEnd = want.isForLength && this.isProcessed && this.#isDeclared
      const wanted = isToEnd ? Number.MAX_SAFE_INTEGER - chunkSize : Math.max(want.end, start + 1)
      const ahead = this.isProcessed ? wanted + chunkSize : wanted
      // Or each small step of a reader would ask for as many bytes at the far end.
      const end = want.isAhead ? Math.floor(ahead / chunkSize) * chunkSize : ahead
      if (start < total) yield { ...want, start, end: Math.min(Math.max(end, start + 1), total) }
    }
  }

  #firstFree({ start, end, rank }: Want, now: number): number | undefined {
    const { chunkSize } = this.#host
    for (let at = start; at < end; ) {
      const there = this.#thereUntil(at)
      if (there > at) {
        at = there
        continue
      }
      const chunk = Math.floor(at / chunkSize)
      if (this.#failures.isBlocked(chunk, now)) {
        at = (chunk + 1) * chunkSize
        continue
      }
      let claimed = at
      for (const fetch of this.fetches)
        if (at >= fetch.position && at < fetch.claimedEnd(rank === 0)) claimed = fetch.claimedEnd(rank === 0)
      if (claimed === at) return at
      at = claimed
    }
    return undefined
  }

  #thereUntil(at: number): number {
    const [received, passing] = [this.received.coveredEnd(at), this.window.coverage.coveredEnd(at)]
    return Math.max(received, passing, this.#landing.coveredEnd(at))
  }

  // ── what a fetch brings ──────────────────────────────────────────────────────────────────────────────────────────

  isThere(position: number): boolean {
    return this.#thereUntil(position) > position
  }

  /** What of [start, end) neither is there nor on its way to the store. */
  missing(start: number, end: number): ByteRange[] {
    return [...this.received.gaps(start, end)].flatMap((gap) => [...this.#landing.gaps(gap.start, gap.end)])
  }

  /** The answer, once it is known to be of the version that is there: or of a new one, that takes its place. */
  async ask(fetch: Fetch, signal: AbortSignal): Promise<SourceResponse> {
    const { position, end } = fetch
    const validator = this.#writer?.validator
    const response = await this.source.open({ start: position, end, validator, signal })
    const proved = this.#proving.then(() => this.#prove(fetch, response))
    this.#proving = proved.catch(() => undefined)
    await proved
    return response
  }

  async #prove(fetch: Fetch, response: SourceResponse): Promise<void> {
    const writer = this.#writer
    if (writer === undefined || fetch.isStopped) return
    const { start, total, validator } = response
    if (start !== fetch.position && start !== 0) {
      throw new SourceError(`${this.name}: asked for bytes from ${fetch.position} on, the source began at ${start}`)
    }
    const isOther =
      (writer.validator !== undefined && validator !== writer.validator) ||
      (total !== undefined && this.#total !== undefined && total !== this.#total)
    // Known before anything is told of: or others would be begun that have to be stopped again.
    if (!response.acceptsRanges) this.#isSequential = true
    if (isOther) await this.#renew(fetch, response, writer)
    else if (!this.#isDeclared) await this.#declare(writer, response)
    else if (total !== undefined && this.#total === undefined) await this.#declare(writer, response)
    if (!response.acceptsRanges) {
      // From the beginning to the end, whatever is asked for: one is enough.
      fetch.isSequential = true
      fetch.end = undefined
      for (const other of this.fetches) if (other !== fetch) other.stop()
    } else if (start !== fetch.position) {
      fetch.end = undefined
      if (this.rankAt(start) === undefined) fetch.stop() // another version, and nobody wants its beginning
    } else if (fetch.end !== undefined && total !== undefined) fetch.end = Math.min(fetch.end, total)
    fetch.position = start
  }

  async #declare(writer: ResourceWriter, { total, validator }: SourceResponse): Promise<void> {
    await writer.declare({ length: total ?? null, validator: validator ?? null })
    this.#isDeclared = true
    this.#total = total ?? writer.length
    this.#told()
    this.#host.review()
  }

  /** Another version: nothing of the old one is kept, and nothing that is still on its way gets in. */
  async #renew(fetch: Fetch, response: SourceResponse, writer: ResourceWriter): Promise<void> {
    for (const other of this.fetches) if (other !== fetch) other.stop()
    if (++this.#versions >= MOST_VERSIONS) {
      throw new SourceChangedError(`${this.name}: the source answers with another version each time`)
    }
    this.window.clear()
    await writer.discard()
    this.#total = undefined
    await this.#declare(writer, response)
  }

  /** Rejects with what the store rejects with, where no reader can be given the bytes either. */
  async write(start: number, bytes: Uint8Array, version: number): Promise<void> {
    const end = start + bytes.length
    const writer = this.#writer
    if (writer === undefined) throw new ResourceRemovedError(`${this.name} is not filled any more`)
    this.#landing.insert(start, end)
    try {
      await writer.writeAt(start, bytes)
      this.refusal = undefined
      this.#told()
    } catch (error) {
      if (!isRefusal(error) || this.isProcessed || !this.isReadBy) throw error
      this.refusal = error
      this.#failRanges(error)
      await this.#pass(start, bytes, version)
    } finally {
      this.#landing.delete(start, end)
    }
  }

  /** To those who read, through memory: as fast as they take it. */
  async #pass(start: number, bytes: Uint8Array, version: number): Promise<void> {
    // Whoever waited for room may find that nobody reads any more, or another version.
    while (this.takes(version) && this.isReadBy && !this.window.put(start, bytes)) {
      this.#trimWindow()
      if (this.window.put(start, bytes)) return
      if (this.rankAt(start) !== 0) await this.window.room()
      else {
        this.window.dropOldest()
        this.#host.review() // that is missing again
      }
    }
  }

  #trimWindow(): void {
    // Readers alone: what is to be in the store for good is not met by what passes.
    const madeRoom = this.window.keep((start, end) => this.#isReadIn(start, end))
    if (madeRoom) this.window.tellRoom() // not otherwise: those who wait would wake each other for ever
  }

  /** The source has no more than this: a body that brought bytes ended here. */
  endsAt(position: number): void {
    this.#total ??= position
    this.#told()
  }

  succeeded(start: number): void {
    this.#failures.succeeded(Math.floor(start / this.#host.chunkSize))
  }

  failed(fetch: Fetch, error: unknown): void {
    if (this.isOver) return
    // One that begins at 0 each time fails and is tried again as one.
    const chunk = this.#isSequential ? 0 : Math.floor(fetch.position / this.#host.chunkSize)
    // Who got further has not failed at the same bytes again.
    if (fetch.brought > 0) this.#failures.succeeded(chunk)
    if (!this.#failures.add(chunk, error, performance.now())) this.giveUp(asError(error))
    this.#host.review()
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Commits when all is there. Called whenever something may have come or gone. */
  look(): void {
    const total = this.#total
    const writer = this.#writer
    if (this.isOver || this.#committing || total === undefined || writer === undefined) return
    if (this.#landing.size > 0 || !writer.coverage.has(0, total)) return
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
    if (this.#demands.size === 0) void this.#leave()
  }

  async #leave(): Promise<void> {
    if (this.isOver || this.#committing) return
    this.isOver = true
    for (const fetch of this.fetches) fetch.stop()
    this.#host.over(this, undefined)
    await this.#writer?.release().catch(() => undefined)
    this.#reader?.close()
  }

  #end(error: Error | undefined): void {
    if (this.isOver) return
    this.isOver = true
    for (const demand of this.#demands) {
      if (error) demand.fail(error)
      else demand.changed()
    }
    this.window.clear()
    this.#host.over(this, error)
    this.#reader?.close() // readers have handles of their own
  }

  #told(): void {
    for (const demand of this.#demands) demand.changed()
  }

  #failRanges(error: Error): void {
    for (const demand of this.#demands) {
      if (!(demand instanceof RangeDemand)) continue
      this.#demands.delete(demand)
      demand.fail(error)
    }
  }

  async #acquire(): Promise<void> {
    const got = await this.#store.acquire(this.key, this.#options)
    this.#reader?.close()
    if (this.isOver) {
      got.reader.close()
      return got.writer?.release()
    }
    this.#reader = got.reader
    this.#writer = got.writer
    this.#total = got.writer?.length
    this.#told()
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

/** More urgent, or as urgent and here before. */
export function isBefore(
  rank: number,
  arrival: number,
  other: { readonly rank: number; readonly arrival: number },
): boolean {
  return rank < other.rank || (rank === other.rank && arrival < other.arrival)
}

/** The store has no room for it: that is no reason to keep it from who reads. */
function isRefusal(error: unknown): error is Error {
  return CisternError.is(error, 'ERR_CISTERN_QUOTA_EXCEEDED') || CisternError.is(error, 'ERR_CISTERN_NO_SPACE')
}
