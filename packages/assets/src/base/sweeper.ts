import { mapIoError } from '@cistern/storage'
import type { Stray } from '../index/record.js'
import type { IndexRecords } from '../index/records.js'
import { ResourceKey } from '../key.js'
import type { Backend } from './backend.js'

/** Files removed at once: unlinking is slow and runs elsewhere. */
const AT_ONCE = 8
const SWEPT_PER_RECORD = 1000

/** Removes files that no entry names, once the record that says so is durable; their bytes count as used until then. */
export class Sweeper {
  readonly #records: IndexRecords
  readonly #backend: Backend
  readonly #queue: (key: ResourceKey, step: () => Promise<void>) => Promise<void>
  /** Bytes of hidden generations. */
  readonly #hidden = new Map<string, number>()
  readonly #flushedFor = new Set<string>()
  readonly #running = new Set<Promise<void>>()
  #active = 0
  readonly #waiting: (() => void)[] = []

  constructor(
    records: IndexRecords,
    backend: Backend,
    queue: (key: ResourceKey, step: () => Promise<void>) => Promise<void>,
  ) {
    this.#records = records
    this.#backend = backend
    this.#queue = queue
  }

  /** A generation is not to be seen any more; its bytes are still there. */
  hide(asset: string, generation: string, bytes: number): void {
    this.#records.occupy(asset, -bytes)
    this.#records.occupy(undefined, bytes)
    this.#hidden.set(generation, (this.#hidden.get(generation) ?? 0) + bytes)
  }

  /** It is seen again, with all that is on record of it: what was to take its place is gone. */
  reveal(asset: string, generation: string, bytes: number): void {
    this.#records.occupy(undefined, -(this.#hidden.get(generation) ?? 0))
    this.#records.occupy(asset, bytes)
    this.#hidden.delete(generation)
  }

  /** The bytes of a hidden generation leave with those of another hidden one, whose name they have. */
  join(generation: string, other: string): void {
    const bytes = this.#hidden.get(generation) ?? 0
    this.#hidden.delete(generation)
    this.#hidden.set(other, (this.#hidden.get(other) ?? 0) + bytes)
  }

  isHidden(generation: string): boolean {
    return this.#hidden.has(generation)
  }

  freed(generation: string): void {
    this.#records.occupy(undefined, -(this.#hidden.get(generation) ?? 0))
    this.#hidden.delete(generation)
    this.#flushedFor.delete(generation)
  }

  /** Resolves once all are unlinked; rejects with the first failure. What failed stays on record for the next start. */
  async sweep(strays: readonly Stray[]): Promise<void> {
    if (strays.length === 0) return
    const work = this.#sweep(strays)
    const quiet = work.catch(() => undefined)
    this.#running.add(quiet)
    quiet.finally(() => this.#running.delete(quiet))
    this.#records.during(quiet)
    await work
  }

  async #sweep(strays: readonly Stray[]): Promise<void> {
    try {
      await this.#records.durable()
    } catch (error) {
      // The record stays with the log, and so do the files with it: they go when a new journal took it.
      this.#records.dirty({
        prepare: async () => false,
        settle: async () => void this.sweep(strays).catch(() => undefined),
      })
      throw error
    }
    const swept: string[] = []
    const failures: unknown[] = []
    const left = strays.values()
    const worker = async (): Promise<void> => {
      for (const stray of left) {
        await this.#limited(() => this.#remove(stray)).then(
          () => swept.push(stray.generation),
          (error: unknown) => failures.push(error),
        )
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    for (let i = 0; i < swept.length; i += SWEPT_PER_RECORD)
      this.#records.record({ type: 'swept', generations: swept.slice(i, i + SWEPT_PER_RECORD) })
    if (failures.length > 0) throw failures[0]
  }

  #remove({ asset, path, name, generation, published, isRenamed }: Stray): Promise<void> {
    const key = ResourceKey.of(asset, path)
    return this.#queue(key, async () => {
      const present = this.#records.entry(key)?.committed
      // A newer generation of the key has the name by now, or takes it with a rename that may be done or not: after a
      // crash nobody knows. Either way nothing but that generation is to be left there.
      const isFinal = published && (present?.name !== name || present.generation === generation)
      this.#records.check()
      await this.#backend.remove(`${asset}/${name}`, generation, isFinal, isRenamed).catch((error: unknown) => {
        throw mapIoError(error, `${asset}/${name}`, 'remove')
      })
      this.freed(generation)
    })
  }

  async #limited(step: () => Promise<void>): Promise<void> {
    if (this.#active >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#active++
    try {
      await step()
    } finally {
      this.#active--
      this.#waiting.shift()?.()
    }
  }

  /** Resolves when the next of what is being removed is gone; `undefined` when nothing is. */
  next(): Promise<void> | undefined {
    if (this.#running.size > 0) return Promise.race(this.#running)
    // What a rename is going to replace goes with the next flush; each is waited for once, however that ends.
    const replaced = [...this.#hidden.keys()].filter((generation) => !this.#flushedFor.has(generation))
    if (replaced.length === 0) return undefined
    for (const generation of replaced) this.#flushedFor.add(generation)
    return this.#records.flush(false).catch(() => undefined)
  }

  /** Resolves once nothing is being removed. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}
