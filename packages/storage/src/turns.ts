/** Whoever has more to do than one turn of the event loop has room for. */
export interface Resumable {
  /** Goes on where it stopped, as far as this turn has room. */
  resume(): void
}

/**
 * What one turn of the event loop has room for: all that settles in it has its continuations run before the loop goes on,
 * and a thousand readers that wake up for the same bytes would keep every timer and socket waiting meanwhile. What has no
 * room goes on in the next turn, in order of asking.
 */
export class Turns {
  /** What one turn has room for. */
  readonly perTurn: number
  #left: number
  #due: NodeJS.Immediate | undefined
  readonly #waiting = new Set<Resumable>()

  constructor(perTurn: number) {
    this.perTurn = this.#left = perTurn
  }

  /** Takes a share of this turn; `false`: nothing is left of it. The last share may be larger than what is left. */
  take(share = 1): boolean {
    if (this.#left <= 0) return false
    this.#left -= share
    this.#due ??= setImmediate(() => this.#next())
    return true
  }

  /** Resumes `one` in a turn that has room. Asking twice is asking once. */
  resumeLater(one: Resumable): void {
    this.#waiting.add(one)
    this.#due ??= setImmediate(() => this.#next())
  }

  #next(): void {
    this.#due = undefined
    this.#left = this.perTurn
    // Whoever has still more to do stands behind the others again: a Set is walked in order of adding.
    for (const one of this.#waiting) {
      if (this.#left <= 0) break
      this.#waiting.delete(one)
      one.resume()
    }
    if (this.#waiting.size > 0) this.#due ??= setImmediate(() => this.#next())
  }
}

/** Of all resources of the process together: a woken reader takes some 100 µs until it waits again. */
export const wakeTurns: Turns = new Turns(32)
