const TICK_MS = 10

/** Lets `perSecond` of those who ask go on in a second, first come first served: bytes arrive as from a network. */
export class Turns {
  /** Let go at one tick. */
  readonly limit: number
  readonly #waiting: (() => void)[] = []
  readonly #timer: NodeJS.Timeout

  constructor(perSecond: number) {
    this.limit = Math.ceil((perSecond * TICK_MS) / 1_000)
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Whoever waits goes on now. */
  close(): void {
    clearInterval(this.#timer)
    for (const go of this.#waiting.splice(0)) go()
  }

  #tick(): void {
    for (const go of this.#waiting.splice(0, this.limit)) go()
  }
}
