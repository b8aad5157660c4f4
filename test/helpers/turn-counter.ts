/** Counts what happens in each turn of the event loop while it is open. */
export class TurnCounter implements Disposable {
  readonly #counts = new Map<number, number>()
  #turn = 0
  #isOver = false

  constructor() {
    const next = (): void => {
      this.#turn++
      if (!this.#isOver) setImmediate(next)
    }
    setImmediate(next)
  }

  readonly count = (): void => {
    this.#counts.set(this.#turn, (this.#counts.get(this.#turn) ?? 0) + 1)
  }

  /** Turns that began since it was made. */
  get turns(): number {
    return this.#turn
  }

  get most(): number {
    return Math.max(...this.#counts.values())
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  [Symbol.dispose](): void {
    this.#isOver = true
  }
}
