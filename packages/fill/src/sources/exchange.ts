/** One request and its answer: all that can end them, and all that has to be let go of with them. */
export class Exchange {
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal
  readonly #late: (what: string, ms: number) => Error
  readonly #total: NodeJS.Timeout | undefined
  readonly #onAbort = (): void => this.end(this.#caller.reason)
  /** What rejects those who wait. Listeners on the signal, one for each piece, would cost more than the pieces. */
  readonly #waits = new Set<(reason: unknown) => void>()

  /** `late` makes the error of time-outs: it is given what did not come in time. */
  constructor(caller: AbortSignal, totalTimeoutMs: number, late: (what: string, ms: number) => Error) {
    this.#late = late
    this.#caller = caller
    caller.addEventListener('abort', this.#onAbort, { once: true })
    if (totalTimeoutMs !== Number.POSITIVE_INFINITY)
      this.#total = setTimeout(() => this.end(late('an end', totalTimeoutMs)), totalTimeoutMs)
  }

  /** Aborted with the caller's reason, the error of a time-out, or because it was ended. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * What `work` comes to, unless the exchange ends before, or `ms` pass, which ends it: then its reason is thrown,
   * whatever `work` does by then. What comes late is lost, even from one that does not listen to the signal.
   */
  within<T>(work: Promise<T>, what: string, ms: number): Promise<T> {
    const { signal } = this
    return new Promise((resolve, reject) => {
      const timer = ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => this.end(this.#late(what, ms)), ms)
      const over = (reason: unknown): void => {
        clearTimeout(timer)
        this.#waits.delete(over)
        reject(reason)
      }
      if (signal.aborted) over(signal.reason)
      else this.#waits.add(over)
      work.then(
        (value) => {
          clearTimeout(timer)
          this.#waits.delete(over)
          resolve(value)
        },
        (error: unknown) => over(signal.aborted ? signal.reason : error),
      )
    })
  }

  /** Closes the connection where the answer is not through yet, and lets go of all: nobody may be reading who could. */
  end(reason?: unknown): void {
    this.release()
    this.#controller.abort(reason)
    for (const over of this.#waits) over(this.signal.reason)
  }

  /** The answer came to its end by itself, and its connection may serve others. */
  release(): void {
    clearTimeout(this.#total)
    this.#caller.removeEventListener('abort', this.#onAbort)
  }
}
