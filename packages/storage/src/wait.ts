import { onAbort } from './abort.js'
import type { Life } from './life.js'
import type { WaitOptions } from './types.js'

/** Who waits. */
export interface WaitingReader {
  readonly life: Life
  readonly waits: Set<Wait>
}

/** One pending `waitRange`, `waitLength` or `waitCommit`, and its place in a heap. */
export class Wait {
  /** Where the wait ends: `end`, or the known length before it. Orders the heap. */
  limit: number
  left: Wait | undefined = undefined
  right: Wait | undefined = undefined
  rank = 1
  /** Order of arrival among equal limits. */
  serial = 0
  /** Stands in a cell, where it is left when it is cancelled. */
  inCell = false
  settled = false
  readonly promise: Promise<never>
  readonly patient: boolean
  /** Held only to keep it alive: a reader whose wait is pending is not garbage. */
  readonly handle: object
  #resolve!: (outcome: never) => void
  #reject!: (error: unknown) => void
  #stop: (() => void) | undefined

  constructor(
    readonly kind: 'range' | 'length' | 'commit',
    readonly start: number,
    readonly end: number,
    readonly reader: WaitingReader,
    options: WaitOptions | undefined,
    handle: object,
  ) {
    this.limit = end
    this.patient = options?.whenAbandoned === 'wait'
    this.handle = handle
    this.promise = new Promise<never>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    reader.waits.add(this)
    const signal = options?.signal
    if (signal !== undefined) this.#stop = onAbort(signal, () => this.cancel(signal.reason))
  }

  resolve(outcome: unknown): void {
    if (this.#settle()) this.#resolve(outcome as never)
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error)
  }

  /** Rejects a wait that still stands in a queue. */
  cancel(error: unknown): void {
    if (this.settled) return
    this.reject(error)
    this.reader.life.waiters.cancelled(this)
  }

  #settle(): boolean {
    if (this.settled) return false
    this.settled = true
    this.reader.waits.delete(this)
    this.#stop?.()
    return true
  }
}
