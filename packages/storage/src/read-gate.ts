/**
 * How many reads of files are with the system at a time, of the whole process. Those that end while the event loop is
 * busy are all told of in one turn, with what their readers do next: a thousand of them would take a tenth of a second.
 * More than the threads can be at brings no byte sooner.
 */
class ReadGate {
  readonly #most: number
  #inside = 0
  #line: (() => void)[] = []
  /** So many of the line have entered: moving the rest each time would cost the square of it. */
  #entered = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Calls `begin` when there is a place: at once, or in order of asking. */
  enter(begin: () => void): void {
    if (this.#inside < this.#most) {
      this.#inside++
      begin()
    } else this.#line.push(begin)
  }

  /** What has entered has ended: its place goes to the next one. */
  leave(): void {
    const next = this.#line[this.#entered]
    if (next === undefined) {
      this.#inside--
      return
    }
    if (++this.#entered * 2 > this.#line.length) {
      this.#line = this.#line.slice(this.#entered)
      this.#entered = 0
    }
    next()
  }
}

/** Twice what a larger thread pool has; the usual one has four. */
export const readGate: ReadGate = new ReadGate(Math.max(32, 2 * (Number(process.env.UV_THREADPOOL_SIZE) || 0)))
