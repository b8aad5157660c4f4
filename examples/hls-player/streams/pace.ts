import { setImmediate as nextTurn } from 'node:timers/promises'

/** Of work in one go: everybody else who is served by this process waits that long at most. */
const AT_ONCE_MS = 4

/** For long loops: `if (pace.isDue) await pace.rest()` lets whatever else there is to do have its turn. */
export class Pace {
  #began: number = performance.now()

  get isDue(): boolean {
    return performance.now() - this.#began > AT_ONCE_MS
  }

  async rest(): Promise<void> {
    await nextTurn()
    this.#began = performance.now()
  }
}
