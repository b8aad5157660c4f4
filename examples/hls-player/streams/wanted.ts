import { onAbort } from '@cistern/storage'

/** Why something ended that nobody waited for any more. */
class Unwanted extends Error {}

/** Who waits for one and the same thing. What is done for all of them ends with the last. */
export class Wanted {
  #waiting = 0
  #control = new AbortController()

  /** Aborts when the last of those who wait now has left. */
  get signal(): AbortSignal {
    return this.#control.signal
  }

  /** What `work` comes to. Who came just as it ended for nobody has it begin again. */
  async wait<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = (): void => {
      if (--this.#waiting > 0) return
      this.#control.abort(new Unwanted('nobody waits for it any more'))
      this.#control = new AbortController()
    }
    for (;;) {
      signal.throwIfAborted()
      this.#waiting++
      const stay = onAbort(signal, leave)
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof Unwanted) || signal.aborted) throw error
      } finally {
        // Who has left by the signal has been counted out already.
        if (!signal.aborted) this.#waiting--
        stay()
      }
    }
  }
}
