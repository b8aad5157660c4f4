import { StorageIoError } from '@cistern/storage'
import type { BlockMap } from '../index/blocks.js'
import type { CommittedSlot } from '../index/entry.js'
import { blockRecords } from '../index/entry-records.js'
import type { Stray } from '../index/record.js'
import type { Flushable } from '../index/records.js'
import type { BaseCore } from './base-core.js'
import type { LiveGeneration } from './live-generation.js'

/** How one generation becomes durable: its data first, then the record that names it, then its final name. */
export class Flushing implements Flushable {
  readonly #core: BaseCore
  readonly #live: LiveGeneration
  /** Files that the commit's record orphaned. */
  #strays: readonly Stray[] = []
  #waiting: { resolve(): void; reject(error: Error): void }[] = []
  /** Bytes came since the last thorough flush. */
  #changed = false
  #preparing = false
  /** The final name could not be given: left to the next who opens it. */
  #unpublished = false

  constructor(core: BaseCore, live: LiveGeneration) {
    this.#core = core
    this.#live = live
  }

  /** Bytes were written. */
  written(): void {
    this.#changed = true
    if (this.#live.purpose === 'fill') this.#core.records.dirty(this)
  }

  /** A flush would find bytes to record. */
  get isPending(): boolean {
    return this.#changed && this.#live.purpose === 'fill'
  }

  /** A flush has hold of the descriptor, or has yet to sweep what its record orphaned. */
  get isRunning(): boolean {
    return this.#preparing || this.#strays.length > 0
  }

  /** Its descriptor is needed for a commit that is not on the medium, or not under its name. */
  get isOwed(): boolean {
    const { stage } = this.#live
    return (
      stage === 'committed' || (stage === 'recorded' && !this.#unpublished) || (stage === 'filling' && this.isPending)
    )
  }

  prepare(thorough: boolean, isLate: boolean): Promise<boolean> {
    if (!isLate) return this.#prepare(thorough)
    // Who is quicker to commit than a disk is to sync would keep a flush for ever: none of the key begins meanwhile.
    return this.#core.keys.queue(this.#live.key, async (state) => {
      const isLeft = await this.#prepare(thorough)
      // Writers that had begun before are few, and each commits once.
      for (let last = this.#live, next = state.committed; next && next !== last; last = next, next = state.committed)
        await next.flushing.#prepare(thorough)
      return isLeft
    })
  }

  async #prepare(thorough: boolean): Promise<boolean> {
    const live = this.#live
    this.#preparing = true
    try {
      if (live.stage === 'committed') await this.#recordCommit()
      else if (live.stage === 'filling' && live.isNamed)
        await this.#recordProgress(thorough || !live.source.resource.writing)
    } finally {
      this.#preparing = false
    }
    return live.stage === 'filling' && this.isPending
  }

  async #recordProgress(thorough: boolean): Promise<void> {
    const live = this.#live
    const { resource, tracker, driver } = live.source
    // What a writer left behind when its last write failed is not under way any more.
    if (!resource.writing) tracker.idle()
    const batch = tracker.take(resource.coverage, resource.length, thorough)
    if (thorough) this.#changed = false
    try {
      if (batch.pieces.length > 0 || (live.unsynced && this.#syncs)) {
        const { blocks, finish } = await tracker.seal(batch, driver, this.#syncs)
        if (this.#syncs) live.unsynced = false
        // It may have been removed meanwhile: nothing is to be said of it then.
        const { isNamed } = live
        if (isNamed) this.#recordBlocks('source', blocks)
        finish(isNamed)
      }
    } catch (error) {
      this.#changed = true
      this.#core.unsynced(live, error)
      return
    }
    const isLeft = thorough && live.stage === 'filling' && !resource.writing && !this.#changed
    if (isLeft && live.isNamed) live.record(driver.stat?.().fingerprint)
  }

  async #recordCommit(): Promise<void> {
    const live = this.#live
    const { resource, tracker, driver } = live.output
    const length = resource.length ?? 0
    tracker.idle()
    const batch = tracker.take(resource.coverage, length, true)
    try {
      // Synced even if no block is new: the truncation may be.
      const { blocks, finish } = await tracker.seal(batch, driver, this.#syncs)
      let isRecorded = false
      try {
        await this.#syncName()
        if (live.stage !== 'committed') return
        this.#recordBlocks(live.raw ? 'output' : 'source', blocks)
        this.recordCommitted(length)
        isRecorded = true
      } finally {
        finish(isRecorded)
      }
    } catch (error) {
      this.#core.unsynced(live, error)
    }
  }

  get #syncs(): boolean {
    return this.#core.records.durability !== 'relaxed'
  }

  async #syncName(): Promise<void> {
    const { records, backend } = this.#core
    if (records.durability === 'strict') await backend.syncName?.(this.#live.file)
  }

  #recordBlocks(part: 'source' | 'output', blocks: BlockMap): void {
    const { key, generation } = this.#live
    for (const record of blockRecords(key.asset, key.path, generation, part, blocks)) this.#core.records.record(record)
  }

  /** Moves the key to this generation; its blocks are on record. */
  recordCommitted(length: number): void {
    const { records } = this.#core
    const live = this.#live
    const { asset, path } = live.key
    const before = records.entry(live.key)
    const active = before?.active?.generation === live.generation ? undefined : before?.active
    const strays = live.raw ? live.files.slice(1) : []
    const displaced = before?.committed
    // Under the same name, the rename takes its place; until then it stands for what a crash would bring back.
    if (displaced?.fingerprint !== undefined && displaced.name === live.name) live.replaces.push(displaced.generation)
    // Without a fingerprint it has either of its names: its rename is under way, or was cut off by a crash.
    else if (displaced)
      strays.push({ asset, path, name: displaced.name, generation: displaced.generation, published: true })
    this.#strays = strays
    live.stage = 'recorded'
    records.record({ type: 'entry', asset, path, committed: live.committedFields(length), active, strays })
  }

  async settle(): Promise<void> {
    let failure: Error | undefined
    // Whatever became of the generation since: the record that orphaned them is durable.
    this.#core.sweep(this.#strays)
    this.#strays = []
    if (this.#live.stage === 'recorded') {
      failure = await this.#core.keys
        .queue(this.#live.key, () => this.#publish())
        .then(
          () => undefined,
          (error: unknown) => (error instanceof Error ? error : new StorageIoError(String(error))),
        )
      this.#unpublished = failure !== undefined
      // Source bytes that never left memory are of no more use.
      await this.#live.raw?.close(() => true).catch(() => undefined)
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const one of waiting) {
      if (failure === undefined) one.resolve()
      else one.reject(failure)
    }
    this.#core.unused(this.#live)
  }

  /** The final name. What fails here is tried again by the next who opens it: the bytes are safe under the part's name. */
  async #publish(): Promise<void> {
    const { records, backend } = this.#core
    const live = this.#live
    if (!this.#slot) return
    records.check()
    const fingerprint = await backend.publish(live.file, live.generation, live.output.resource.length ?? 0)
    await this.#syncName()
    const { driver } = live.output
    // Its part went from outside, and what it was to replace is there still.
    if (driver.stat && driver.stat().fingerprint !== fingerprint)
      throw new StorageIoError(`${live.file} is not the file that was written`, { path: driver.path })
    for (const generation of live.replaces.splice(0)) this.#core.freed(generation)
    const slot = this.#slot
    if (slot === undefined || live.stage !== 'recorded') return
    live.stage = 'published'
    live.output.driver.published?.()
    const { asset, path } = live.key
    records.record({
      type: 'entry',
      asset,
      path,
      committed: { ...slot, fingerprint },
      active: records.entry(live.key)?.active,
    })
  }

  /** Its own record as a committed generation. */
  get #slot(): CommittedSlot | undefined {
    const slot = this.#core.records.entry(this.#live.key)?.committed
    return slot?.generation === this.#live.generation ? slot : undefined
  }

  /** Resolves once the commit is durable and under its final name; rejects with what keeps it from that. */
  async durable(): Promise<void> {
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    done.catch(() => undefined) // the flush's own failure is thrown first
    await this.#core.records.flush(false)
    await done
  }

  /** What waits for its durability will not get it. */
  giveUp(error: Error): void {
    for (const one of this.#waiting.splice(0)) one.reject(error)
  }
}
