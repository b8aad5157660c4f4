import { Pace } from './pace.js'
import type { Flushable } from './records.js'

export interface FlusherOptions {
  readonly flushMs: number
  /** Resolves once all records so far are as durable as the mode promises. */
  durable(): Promise<void>
}

/** Syncs at once; more only queue in the kernel, and slow the writers down. */
const AT_ONCE = 2
const SETTLED_AT_ONCE = 64
/** Longest pause between attempts while the journal cannot be written. */
const RETRY_MS = 1000

/**
 * Makes what is dirty durable: data first, two files at a time, then the records that name it in one append and one sync,
 * then whatever waited for those. Runs `flushMs` after the first byte, and at once when asked.
 */
export class Flusher {
  readonly #options: FlusherOptions
  readonly #dirty = new Set<Flushable>()
  /** Prepared, but the records are not durable. */
  readonly #prepared = new Set<Flushable>()
  /** With runs inside incomplete blocks, which only a thorough flush records. */
  readonly #rest = new Set<Flushable>()
  /** What the flush under way has yet to prepare. */
  #queue: { readonly flushable: Flushable; readonly isLate: boolean }[] | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #nextThorough = false
  #delayMs: number

  constructor(options: FlusherOptions) {
    this.#options = options
    this.#delayMs = options.flushMs
  }

  /** Generations with something to flush. */
  get size(): number {
    return new Set([...this.#dirty, ...this.#prepared, ...this.#rest]).size
  }

  /** `instead`: where the flush under way was to make that one durable, it does this one, too. */
  add(flushable: Flushable, instead?: Flushable): void {
    if (instead && this.#queue && this.#prepared.has(instead)) {
      this.#prepared.add(flushable)
      this.#queue.push({ flushable, isLate: true })
      return
    }
    this.#dirty.add(flushable)
    this.#arm()
  }

  /** Nothing of it is to be flushed any more. */
  forget(flushable: Flushable): void {
    this.#dirty.delete(flushable)
    this.#prepared.delete(flushable)
    this.#rest.delete(flushable)
  }

  /** Resolves after a flush that began after this call. */
  flush(thorough: boolean): Promise<void> {
    this.#nextThorough ||= thorough
    this.#next ??= this.#begin()
    return this.#next
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    // Keeps a process alive for at most one flush: what was written is not lost by forgetting to close.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.flush(false).catch(() => undefined) // reported as `degraded`; what is dirty stays so
    }, this.#delayMs)
  }

  async #begin(): Promise<void> {
    if (this.#running) await this.#running.catch(() => undefined)
    else await undefined
    const thorough = this.#nextThorough
    this.#nextThorough = false
    this.#running = this.#next
    this.#next = undefined
    try {
      await this.#run(thorough)
      this.#delayMs = this.#options.flushMs
    } catch (error) {
      this.#delayMs = Math.max(this.#options.flushMs, RETRY_MS)
      throw error
    } finally {
      this.#running = undefined
      if (this.#dirty.size + this.#prepared.size > 0) this.#arm()
    }
  }

  async #run(thorough: boolean): Promise<void> {
    this.stop()
    const work = new Set(thorough ? [...this.#dirty, ...this.#rest] : this.#dirty)
    this.#dirty.clear()
    if (thorough) this.#rest.clear()
    for (const flushable of work) this.#prepared.add(flushable)
    const queue = [...work].map((flushable) => ({ flushable, isLate: false }))
    this.#queue = queue
    const worker = async () => {
      for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
        const { flushable, isLate } = one
        if (!this.#prepared.has(flushable)) continue // forgotten since: its descriptor is closed
        if (await flushable.prepare(thorough, isLate)) this.#rest.add(flushable)
        else this.#rest.delete(flushable)
      }
    }
    while (queue.length > 0) await Promise.all(Array.from({ length: AT_ONCE }, worker))
    this.#queue = undefined
    await this.#options.durable()
    const prepared = [...this.#prepared]
    for (const flushable of prepared) this.#prepared.delete(flushable)
    const pace = new Pace() // each renames, sweeps or closes files, and there may be thousands
    while (prepared.length > 0) {
      await Promise.all(prepared.splice(0, SETTLED_AT_ONCE).map((flushable) => flushable.settle()))
      if (pace.due) await pace.rest()
    }
  }
}
