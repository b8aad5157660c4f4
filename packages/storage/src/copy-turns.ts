import { type Resumable, Turns } from './turns.js'

/** Copying so many bytes takes a few milliseconds. */
const turnBytes = 4 * 1024 * 1024
/** What a call costs besides, in bytes copied: small ones add up too. */
const callBytes = 4 * 1024

interface Standing {
  readonly bytes: number
  go(): void
}

/**
 * Promises alone let no timer or socket have a turn: whoever copies memory takes a share of one turn of the event loop,
 * or stands in line for the next.
 */
class CopyTurns implements Resumable {
  readonly #turns = new Turns(turnBytes)
  #line: Standing[] = []

  /** `undefined`: at once. */
  enter(bytes: number): Promise<void> | undefined {
    if (this.#line.length === 0 && this.#turns.take(bytes + callBytes)) return undefined
    this.#turns.resumeLater(this)
    return new Promise((resolve) => {
      this.#line.push({ bytes, go: resolve })
    })
  }

  resume(): void {
    let gone = 0
    for (const { bytes, go } of this.#line) {
      if (!this.#turns.take(bytes + callBytes)) break
      go()
      gone++
    }
    this.#line = this.#line.slice(gone)
    if (this.#line.length > 0) this.#turns.resumeLater(this)
  }
}

/** Over all of the memory there is: each resource by itself may be small. */
export const copyTurns: CopyTurns = new CopyTurns()
