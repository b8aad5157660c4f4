/** One request and its answer: all that can end them, and all that has to be let go of with them. */
export class Exchange {
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal
  readonly #late: (what: string, ms: number) => Error
  readonly #total: NodeJS.Timeout | undefined
  readonly #onAbort = (): void => this.end(this.#caller.reason)

  /** `late` makes the error of time-outs: it is given what did not come in time. */
  constructor(caller: AbortSignal, totalTimeoutMs: number, late: (what: string, ms: number) => Error) {
    this.#late = late
    this.#caller = caller
    caller.addEventListener('abort', this.#onAbort, { once: true })
    this.#total = this.#timer('an end', totalTimeoutMs)
  }

  /** Aborted with the caller's reason, the error of a time-out, or because it was ended. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * What `work` comes to, unless the exchange ends before, or `ms` pass, which ends it: then its reason is thrown,
   * whatever `work` does by then. What comes late is lost, even from one that does not listen to the signal.
   */
  async within<T>(work: Promise<T>, what: string, ms: number): Promise<T> {
    const { signal } = this
    const timer = this.#timer(what, ms)
    let onAbort: () => void = () => undefined
    const ended = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(signal.reason)
    })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort)
    try {
      return await Promise.race([work, ended])
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Closes the connection where the answer is not through yet, and lets go of all: nobody may be reading who could. */
  end(reason?: unknown): void {
    this.release()
    this.#controller.abort(reason)
  }

  /** The answer came to its end by itself, and its connection may serve others. */
  release(): void {
    clearTimeout(this.#total)
    this.#caller.removeEventListener('abort', this.#onAbort)
  }

  #timer(what: string, ms: number): NodeJS.Timeout | undefined {
    if (ms === Number.POSITIVE_INFINITY) return undefined
    return setTimeout(() => this.end(this.#late(what, ms)), ms)
  }
}
