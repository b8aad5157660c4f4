import { EventEmitter } from 'node:events'
import {
  type Assets,
  checkOptions,
  type IndexView,
  type ResourceKey,
  tellListener,
  untilAborted,
} from '@cistern/assets'
import { type ByteRange, onAbort, type ResourceReader, StoreClosedError } from '@cistern/storage'
import { Admission } from './admission.js'
import { Bandwidth } from './bandwidth.js'
import { RangeDemand } from './demand.js'
import { FilledReader } from './filled-reader.js'
import { Filling, type FillingHost } from './filling.js'
import { FILL_OPTIONS, FILLER_OPTIONS, PREFETCH_OPTIONS } from './options.js'
import { WindowBudget } from './passing-window.js'
import { type Priority, priorityOf, rankOf } from './priority.js'
import { Schedule } from './schedule.js'
import type { Source } from './source.js'
import type {
  CompleteOptions,
  FillerEvents,
  FillerOptions,
  FillerStats,
  FillOptions,
  PrefetchOptions,
  StoreSide,
} from './types.js'

const MIB = 1024 * 1024
/** Of one priority: enough to have the next at hand when one ends. */
const ADMITTED_PER_SLOT = 4
const WHOLE: readonly ByteRange[] = [{ start: 0, end: Number.MAX_SAFE_INTEGER }]

/** A filling whose writer is being acquired: that may take as long as a processor's key takes to come. */
interface Beginning {
  readonly filling: Promise<Filling>
  readonly control: AbortController
  /** Those who wait for it. */
  waiting: number
  isPending: boolean
}

/**
 * Pulls what is missing of a store's resources from their sources, what is wanted most first. What there is to do is
 * never kept: it follows from what is there and from who reads, each time that either changes.
 */
export class Filler extends EventEmitter<FillerEvents> implements AsyncDisposable {
  readonly #store: Assets & IndexView
  readonly #fillings = new Set<Filling>()
  readonly #byKey = new Map<string, Beginning>()
  /** To be fetched to their ends, whoever leaves. */
  readonly #finishing = new WeakSet<Filling>()
  readonly #schedule: Schedule
  readonly #host: FillingHost
  readonly #admission: Admission
  readonly #lookahead: number
  readonly #whenLeft: 'stop' | 'finish'
  readonly #forgetSignal: (() => void) | undefined
  #requests = 0
  #bytes = 0
  #closed: Promise<void> | undefined

  /** Throws `InvalidOptionError`. The store stays the caller's: close the filler first. */
  constructor(store: Assets & IndexView, options?: FillerOptions) {
    super()
    const checked = checkOptions('Filler', options, FILLER_OPTIONS)
    const { concurrency = 3, chunkSize = 2 * MIB, maxBytesPerSecond } = checked
    this.#store = store
    this.#admission = new Admission(ADMITTED_PER_SLOT * concurrency)
    this.#lookahead = checked.lookahead ?? 10
    this.#whenLeft = checked.whenLeft ?? 'stop'
    this.#schedule = new Schedule(this.#fillings, {
      concurrency,
      chunkSize,
      perOrigin: checked.perOrigin ?? concurrency,
      bandwidth: maxBytesPerSecond === undefined ? undefined : new Bandwidth(maxBytesPerSecond),
      requested: ({ filling: { key }, position, end, rank }) => {
        this.#requests++
        this.emit('request', { key, start: position, end, priority: priorityOf(rank) })
      },
      received: ({ filling }, bytes) => {
        this.#bytes += bytes
        if (this.listenerCount('progress') > 0)
          this.emit('progress', { key: filling.key, received: filling.received.size, total: filling.total })
      },
    })
    this.#host = {
      chunkSize,
      backoffMs: checked.backoffMs ?? 250,
      retries: checked.retries ?? 3,
      windowBudget: new WindowBudget(checked.windowBytes ?? 8 * MIB),
      review: () => this.#schedule.review(),
      reviewWithin: (ms) => this.#schedule.reviewWithin(ms),
      over: (filling, error) => this.#over(filling, error),
    }
    const { signal } = checked
    this.#forgetSignal = signal && onAbort(signal, () => void this.close())
  }

  /**
   * A reader whose waits and reads say what is fetched; nothing is before the first of them. Those who open the same key
   * share what is fetched. Waits reject with `SourceError` where the source fails for good, or `SourceChangedError`.
   * Rejects with what the store's `acquire` rejects with, `StoreClosedError`, or the signal's reason.
   */
  async open(key: ResourceKey, source: Source, options?: FillOptions): Promise<ResourceReader> {
    const checked = checkOptions('open', options, FILL_OPTIONS)
    const { signal, priority = 'critical', lookahead = this.#lookahead, whenLeft = this.#whenLeft } = checked
    signal?.throwIfAborted()
    if (this.#isCommitted(key)) return this.#store.open(key, { signal })
    const filling = await this.#fill(key, source, checked, signal)
    if (filling.isOver) return this.open(key, source, options)
    if (whenLeft === 'finish') this.#finish(filling)
    return new FilledReader(filling.reader.clone(), filling, {
      priority,
      lookahead: lookahead * this.#schedule.chunkSize,
    })
  }

  /** Resolves once the ranges, or all of it, are there. Rejects as waits do. */
  async prefetch(key: ResourceKey, source: Source, options?: PrefetchOptions): Promise<void> {
    const { ranges, priority = 'medium', signal, ...store } = checkOptions('prefetch', options, PREFETCH_OPTIONS)
    signal?.throwIfAborted()
    if (this.#isCommitted(key)) return
    const leave = await this.#admission.enter(rankOf(priority), signal)
    try {
      await this.#want(key, source, store, { ranges, priority, signal })
    } finally {
      leave()
    }
  }

  /** Fetches all that is missing while nothing else is to be done, and resolves once it is committed. */
  async complete(key: ResourceKey, source: Source, options?: CompleteOptions): Promise<void> {
    await this.prefetch(key, source, { priority: 'low', ...options })
  }

  /** How it stands: a snapshot. */
  stats(): FillerStats {
    const running = [...this.#schedule.running].map(({ filling, position, end, rank }) => ({
      key: filling.key,
      origin: filling.source.origin,
      position,
      end,
      priority: priorityOf(filling.rankAt(position) ?? rank),
    }))
    return { running, requests: this.#requests, bytes: this.#bytes, filling: this.#fillings.size }
  }

  /** Ends all requests, and lets go of all writers. What arrived stays in the store. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * A listener that throws keeps nothing from going on, and none of the others from being told: its error surfaces as
   * the host's own `uncaughtException`.
   */
  override emit<K>(
    name: keyof FillerEvents | K,
    ...values: K extends keyof FillerEvents ? FillerEvents[K] : never
  ): boolean {
    for (const listener of this.rawListeners(name)) tellListener(listener, this, values)
    return this.listenerCount(name) > 0
  }

  async #close(): Promise<void> {
    this.#forgetSignal?.()
    this.#schedule.close()
    const error = new StoreClosedError('the filler is closed')
    const beginnings = [...this.#byKey.values()]
    for (const { control } of beginnings) control.abort(error)
    await Promise.allSettled(beginnings.map(({ filling }) => filling))
    await Promise.all([...this.#fillings].map((filling) => filling.close(error)))
  }

  async #want(
    key: ResourceKey,
    source: Source,
    store: StoreSide,
    wanted: Pick<PrefetchOptions, 'ranges' | 'signal'> & { readonly priority: Priority },
  ): Promise<void> {
    const { ranges, priority, signal } = wanted
    signal?.throwIfAborted()
    if (this.#isCommitted(key)) return
    const filling = await this.#fill(key, source, store, signal)
    if (filling.isOver) return this.#want(key, source, store, wanted)
    const isMet = (): boolean => {
      if (filling.isCommitted || ranges === undefined) return filling.isCommitted
      const { received, total = Number.MAX_SAFE_INTEGER } = filling
      return ranges.every(({ start, end }) => start >= total || received.has(start, Math.min(end, total)))
    }
    const demand = new RangeDemand(priority, ranges ?? WHOLE, isMet)
    const forget = signal && onAbort(signal, () => demand.fail(signal.reason))
    if (signal?.aborted) demand.fail(signal.reason)
    filling.add(demand)
    try {
      await demand.done
    } finally {
      forget?.()
      filling.drop(demand)
    }
  }

  #isCommitted(key: ResourceKey): boolean {
    return this.#store.stat(key)?.state === 'committed'
  }

  /** Once, however many of its readers ask for it. */
  #finish(filling: Filling): void {
    if (this.#finishing.has(filling)) return
    this.#finishing.add(filling)
    const demand = new RangeDemand('low', WHOLE, () => filling.isCommitted)
    filling.add(demand)
    const over = (): void => {
      this.#finishing.delete(filling)
      filling.drop(demand)
    }
    demand.done.then(over, over)
  }

  /** Who leaves meanwhile wants nothing: what was begun for nobody else ends. */
  async #fill(key: ResourceKey, source: Source, store: StoreSide, signal: AbortSignal | undefined): Promise<Filling> {
    const beginning = this.#begin(key, source, store)
    beginning.waiting++
    try {
      const filling = await untilAborted(
        signal,
        () => beginning.filling,
        () => undefined,
      )
      signal?.throwIfAborted() // since it was there
      beginning.waiting--
      return filling
    } catch (error) {
      if (--beginning.waiting === 0) this.#unwanted(key, beginning)
      throw error
    }
  }

  #unwanted(key: ResourceKey, beginning: Beginning): void {
    if (beginning.isPending) {
      this.#forget(key, beginning) // who comes now begins anew
      beginning.control.abort(nobodyWaits)
    } else
      beginning.filling.then(
        (filling) => filling.leaveUnwanted(),
        () => undefined, // there is none
      )
  }

  /** One filling for all who want a key at the same time. */
  #begin(key: ResourceKey, source: Source, { processor, metadata, integrity }: StoreSide): Beginning {
    if (this.#closed) throw new StoreClosedError('the filler is closed')
    const known = this.#byKey.get(key.id)
    if (known) return known
    const control = new AbortController()
    const store = { processor, metadata, integrity }
    const begun = Filling.begin(this.#store, key, source, store, this.#host, control.signal)
    const beginning: Beginning = { filling: begun, control, waiting: 0, isPending: true }
    this.#byKey.set(key.id, beginning)
    begun.then(
      (filling) => {
        beginning.isPending = false
        if (beginning.waiting === 0) filling.leaveUnwanted() // it was there before it could be told
        if (filling.isOver) this.#forget(key, beginning)
        else this.#fillings.add(filling)
        this.#schedule.review()
      },
      () => {
        beginning.isPending = false
        this.#forget(key, beginning)
      },
    )
    return beginning
  }

  #over(filling: Filling, error: Error | undefined): void {
    // One that is over before it counts is forgotten where it was begun: by then the key may be another's.
    if (this.#fillings.delete(filling)) this.#byKey.delete(filling.key.id)
    this.#schedule.review()
    if (error && !this.#closed) this.emit('fail', { key: filling.key, error })
  }

  #forget(key: ResourceKey, beginning: Beginning): void {
    if (this.#byKey.get(key.id) === beginning) this.#byKey.delete(key.id)
  }
}

const nobodyWaits = new Error('nobody waits for this resource any more')
