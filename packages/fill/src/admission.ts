import { onAbort } from '@cistern/storage'

/**
 * How many may be at it at once, by rank: whoever is let in holds a writer of the store, with its descriptor and its
 * lease, and is looked at for each choice. The others stand in line, first come first served.
 */
export class Admission {
  readonly #most: number
  readonly #inside = new Map<number, number>()
  readonly #lines = new Map<number, Set<() => void>>()

  constructor(most: number) {
    this.#most = most
  }

  /** Resolves with what lets the next one in. Rejects with the signal's reason. */
  async enter(rank: number, signal: AbortSignal | undefined): Promise<() => void> {
    if ((this.#inside.get(rank) ?? 0) >= this.#most) await this.#wait(rank, signal)
    else this.#inside.set(rank, (this.#inside.get(rank) ?? 0) + 1)
    let isInside = true
    return () => {
      if (isInside) this.#leave(rank)
      isInside = false
    }
  }

  /** A place is handed over, never free in between: nobody overtakes. */
  #wait(rank: number, signal: AbortSignal | undefined): Promise<void> {
    const line = this.#lines.get(rank) ?? new Set()
    this.#lines.set(rank, line)
    return new Promise((resolve, reject) => {
      const forget =
        signal &&
        onAbort(signal, () => {
          line.delete(enter)
          reject(signal.reason)
        })
      const enter = (): void => {
        forget?.()
        resolve()
      }
      line.add(enter)
    })
  }

  #leave(rank: number): void {
    for (const next of this.#lines.get(rank) ?? []) {
      this.#lines.get(rank)?.delete(next)
      next()
      return
    }
    this.#inside.set(rank, (this.#inside.get(rank) ?? 1) - 1)
  }
}
