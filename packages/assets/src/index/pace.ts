import { setImmediate } from 'node:timers/promises'

const BUDGET_MS = 3

/** Tells long synchronous work when to let others run: no stretch of it should hold the event loop for 10 ms. */
export class Pace {
  #since = performance.now()

  get due(): boolean {
    return performance.now() - this.#since > BUDGET_MS
  }

  async rest(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}
