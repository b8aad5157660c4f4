import { mapIoError } from '@cistern/storage'
import { errnoOf } from './file.js'
import { MAX_PAYLOAD } from './frame.js'
import { Journal } from './journal.js'
import { encodeRecord, type IndexRecord } from './record.js'

/** Where applied records go. */
export interface RecordLog {
  /** Sequence number of the last record pushed. */
  readonly pushed: number
  push(record: IndexRecord): number
  appended(sequence: number): Promise<void>
  durable(sequence: number): Promise<void>
}

export interface VolatileLogOptions {
  readonly onWrite?: (() => void | Promise<void>) | undefined
  onFailure(error: Error): void
  onRestored(): void
}

/** Keeps nothing: what is volatile is as durable as it will ever be. */
export class VolatileLog implements RecordLog {
  pushed = 0
  readonly #options: VolatileLogOptions | undefined

  constructor(options?: VolatileLogOptions) {
    this.#options = options
  }

  push(): number {
    return ++this.pushed
  }

  appended(): Promise<void> {
    return Promise.resolve()
  }

  durable(): Promise<void> {
    return this.#options?.onWrite ? this.#write(this.#options) : Promise.resolve()
  }

  async #write({ onWrite, onFailure, onRestored }: VolatileLogOptions): Promise<void> {
    try {
      await onWrite?.()
    } catch (cause) {
      const error = mapIoError(cause, undefined, 'write the index')
      onFailure(error)
      throw error
    }
    onRestored()
  }
}

export interface JournalLogOptions {
  readonly dir: string
  readonly storeId: Uint8Array
  readonly session: string
  /** No fsync at all: durable means appended. */
  readonly relaxed: boolean
  /** Number and last sequence of the journal that this one goes on from. */
  readonly predecessor: { readonly number: number; readonly sequence: number }
  /** Number of the first journal to create. */
  readonly firstNumber: number
  /** Throws when another process owns the root by now. Asked before each batch, and before anybody is told of it. */
  check(): void
  /** Records that ride with whatever goes next: recency, leases. */
  riders(): readonly IndexRecord[]
  onFailure(error: Error): void
  onRestored(): void
  /** A batch is down; the place to see whether compaction is due. */
  onAppended(): void
}

interface Pending {
  readonly sequence: number
  readonly payload: Uint8Array
}
interface Rotation {
  resolve(sequence: number): void
  reject(error: Error): void
}
interface Waiter {
  readonly sequence: number
  readonly sync: boolean
  resolve(): void
  reject(error: Error): void
}

/**
 * Puts records into journals: in order, many to a write, many waiters to a sync. A journal that failed once is never
 * written again: the next batch begins another, with all that was not synced.
 */
export class JournalLog implements RecordLog {
  readonly #options: JournalLogOptions
  #journal: Journal | undefined
  /** Journals of this log that may still be needed, with the last sequence each can hold. */
  readonly #closed: { readonly number: number; readonly bytes: number; readonly last: number }[] = []
  #nextNumber: number
  #predecessor: { readonly number: number; readonly sequence: number }
  #queue: Pending[] = []
  /** Appended, not synced: appended again should the journal fail. */
  #unsynced: Pending[] = []
  #pushed: number
  #appended: number
  #synced: number
  #waiters: Waiter[] = []
  #rotations: Rotation[] = []
  #running: Promise<void> | undefined
  #failed = false
  #closing = false

  constructor(options: JournalLogOptions) {
    this.#options = options
    this.#nextNumber = options.firstNumber
    this.#predecessor = options.predecessor
    this.#pushed = options.predecessor.sequence
    this.#appended = this.#pushed
    this.#synced = this.#pushed
  }

  get pushed(): number {
    return this.#pushed
  }

  /** Last sequence in the journal; a snapshot encodes nothing beyond it. */
  get appendedSequence(): number {
    return this.#appended
  }

  /** Bytes of all journals that the log holds on to. */
  get bytes(): number {
    return (this.#journal?.size ?? 0) + this.#closed.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Bytes of the journals that hold records beyond `sequence`. */
  bytesBeyond(sequence: number): number {
    return this.#closed.reduce((sum, { bytes, last }) => sum + (last > sequence ? bytes : 0), this.#journal?.size ?? 0)
  }

  /** Journals that the log holds on to. */
  get files(): number {
    return this.#closed.length + (this.#journal ? 1 : 0)
  }

  /** Creates the first journal: before it, nothing may be changed. */
  start(): Promise<void> {
    return this.#ready().then(() => undefined)
  }

  push(record: IndexRecord): number {
    const payload = encodeRecord(record, this.#options.session)
    // Refused here: in the queue it would fail every journal to come.
    if (payload.byteLength > MAX_PAYLOAD)
      throw new RangeError(`a record of type ${record.type} has ${payload.byteLength} bytes, over ${MAX_PAYLOAD}`)
    this.#pushed++
    this.#queue.push({ sequence: this.#pushed, payload })
    return this.#pushed
  }

  appended(sequence: number): Promise<void> {
    return sequence <= this.#appended ? Promise.resolve() : this.#wait(sequence, false)
  }

  durable(sequence: number): Promise<void> {
    return sequence <= this.#synced ? Promise.resolve() : this.#wait(sequence, true)
  }

  #wait(sequence: number, sync: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ sequence, sync, resolve, reject })
      this.#start()
    })
  }

  #start(): void {
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    // One turn of the event loop's microtasks: callers of the same moment share a batch.
    await undefined
    while (this.#waiters.length + this.#rotations.length > 0) {
      try {
        await this.#batch()
        // One asked for in the middle of a batch waits for the next, which syncs.
        if (this.#rotations.length > 0 && this.#appended === this.#synced) await this.#rotate()
        if (this.#failed) {
          this.#failed = false
          this.#options.onRestored()
        }
      } catch (error) {
        await this.#giveUp(error instanceof Error ? error : new Error(String(error)))
      }
    }
    // In the step that found nobody waiting: whoever comes next must not take this run for one that still looks.
    this.#running = undefined
  }

  async #batch(): Promise<void> {
    this.#options.check()
    for (const rider of this.#closing ? [] : this.#options.riders()) this.push(rider)
    const journal = await this.#ready()
    if (this.#queue.length > 0) {
      const batch = this.#queue
      this.#queue = []
      this.#unsynced = this.#unsynced.concat(batch)
      await journal.append(batch)
      // What a suspended process appended after another took over is on nobody's record.
      this.#options.check()
      this.#appended = batch[batch.length - 1]?.sequence ?? this.#appended
    }
    this.#settle((waiter) => !waiter.sync && waiter.sequence <= this.#appended)
    if (this.#options.relaxed) this.#markSynced(this.#appended)
    else if (this.#mustSync()) {
      const reached = this.#appended
      await journal.sync()
      this.#options.check()
      this.#markSynced(reached)
    }
    this.#settle((waiter) => waiter.sequence <= (waiter.sync ? this.#synced : this.#appended))
    this.#options.onAppended()
  }

  #mustSync(): boolean {
    return (
      this.#rotations.length > 0 || this.#waiters.some((waiter) => waiter.sync && waiter.sequence <= this.#appended)
    )
  }

  #markSynced(sequence: number): void {
    this.#synced = sequence
    const kept = this.#unsynced.findIndex((record) => record.sequence > sequence)
    this.#unsynced = kept < 0 ? [] : this.#unsynced.slice(kept)
  }

  #settle(met: (waiter: Waiter) => boolean): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) {
      if (met(waiter)) waiter.resolve()
      else this.#waiters.push(waiter)
    }
  }

  /** The journal is closed for ever; what was not synced goes into the next. */
  async #giveUp(error: Error): Promise<void> {
    const journal = this.#journal
    this.#journal = undefined
    if (journal) {
      await journal.close().catch(() => undefined) // it failed already, and that is what is reported
      this.#closed.push({ number: journal.number, bytes: journal.size, last: this.#synced })
      this.#predecessor = { number: journal.number, sequence: this.#synced }
    }
    this.#queue = [...this.#unsynced, ...this.#queue]
    this.#unsynced = []
    this.#appended = this.#synced
    this.#failed = true
    const waiters = [...this.#waiters, ...this.#rotations]
    this.#waiters = []
    this.#rotations = []
    this.#options.onFailure(error)
    for (const waiter of waiters) waiter.reject(error)
  }

  async #ready(): Promise<Journal> {
    this.#journal ??= await this.#create(this.#predecessor)
    return this.#journal
  }

  async #create(predecessor: { readonly number: number; readonly sequence: number }): Promise<Journal> {
    const { dir, storeId, session, relaxed } = this.#options
    const number = this.#nextNumber++
    const header = { kind: 'journal', storeId, number, session, sequence: predecessor.sequence, predecessor } as const
    try {
      return await Journal.create(dir, header, { sync: !relaxed })
    } catch (error) {
      // Made by an owner who had lost the root and did not know it yet: nobody goes on from that one.
      if (errnoOf(error) !== 'EEXIST') throw error
      this.#options.check() // or by the one who took it from us
      return this.#create(predecessor)
    }
  }

  /**
   * Ends the present journal after all pushed so far, so that a snapshot of it makes the journals before it needless.
   * Returns the last sequence that it holds.
   */
  rotate(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#rotations.push({ resolve, reject })
      this.#start()
    })
  }

  /** Between two batches: all that was appended is synced, and nothing is under way. */
  async #rotate(): Promise<void> {
    const rotations = this.#rotations
    this.#rotations = []
    const journal = this.#journal
    if (journal) {
      const predecessor = { number: journal.number, sequence: this.#synced }
      try {
        this.#journal = await this.#create(predecessor)
      } catch (error) {
        // No room for one file more, say. This journal has not failed: it goes on, and takes the removals that make room.
        for (const { reject } of rotations) reject(error instanceof Error ? error : new Error(String(error)))
        return
      }
      this.#predecessor = predecessor
      this.#closed.push({ number: journal.number, bytes: journal.size, last: this.#synced })
      await journal.close().catch(() => undefined) // synced, and never written again
    }
    for (const { resolve } of rotations) resolve(this.#synced)
  }

  /** Journals whose records all lie at or before `sequence`; they are forgotten here. */
  dropBefore(sequence: number): number[] {
    const gone = this.#closed.filter(({ last }) => last <= sequence)
    for (const journal of gone) this.#closed.splice(this.#closed.indexOf(journal), 1)
    return gone.map(({ number }) => number)
  }

  /** Closed journals of earlier sessions, still needed by a snapshot before the present one. */
  adopt(journals: readonly { readonly number: number; readonly bytes: number; readonly last: number }[]): void {
    this.#closed.push(...journals)
  }

  /** Closes without another byte: the files are somebody else's by now. */
  async abandon(): Promise<void> {
    while (this.#running) await this.#running
    await this.#journal?.close()
    this.#journal = undefined
  }

  /** Appends and syncs what is queued, then closes. */
  async close(): Promise<void> {
    for (const rider of this.#options.riders()) this.push(rider)
    this.#closing = true
    try {
      await this.durable(this.#pushed)
    } finally {
      while (this.#running) await this.#running
      await this.#journal?.close()
      this.#journal = undefined
    }
  }
}

/** Room that a record's names and numbers leave for lists of blocks in one frame. */
export const LIST_BYTES: number = MAX_PAYLOAD - 16 * 1024
