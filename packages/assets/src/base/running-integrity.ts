import { type Driver, IntegrityError } from '@cistern/storage'
import { type Integrity, IntegrityCheck, parseIntegrity } from '../integrity.js'

const READ_BYTES = 1024 * 1024

/** Hashes a resource while it arrives in order, and reads back what did not. */
export class RunningIntegrity {
  readonly #expected: Integrity
  #check: IntegrityCheck
  #end = 0

  constructor(integrity: string | Integrity) {
    this.#expected = typeof integrity === 'string' ? parseIntegrity(integrity) : integrity
    this.#check = new IntegrityCheck(this.#expected)
  }

  /** The same demand, of a generation that begins. */
  anew(): RunningIntegrity {
    return new RunningIntegrity(this.#expected)
  }

  /** Bytes went into the driver. */
  follow(position: number, parts: readonly Uint8Array[]): void {
    // Overwriting what was hashed makes the hash worthless; a gap only ends the run.
    if (position < this.#end) this.#restart()
    if (position !== this.#end) return
    for (const part of parts) {
      this.#check.update(part)
      this.#end += part.byteLength
    }
  }

  #restart(): void {
    this.#check = new IntegrityCheck(this.#expected)
    this.#end = 0
  }

  /** Rejects with `IntegrityError` unless [0, length) is what was asked for. */
  async verify(driver: Driver, length: number): Promise<void> {
    if (this.#end > length) this.#restart()
    const buffer = new Uint8Array(Math.min(READ_BYTES, length - this.#end))
    while (this.#end < length) {
      const read = await driver.read(this.#end, buffer.subarray(0, Math.min(buffer.byteLength, length - this.#end)))
      if (read === 0) throw new RangeError(`the storage ends at ${this.#end}, before ${length}`)
      this.#check.update(buffer.subarray(0, read))
      this.#end += read
    }
    if (this.#check.matches()) return
    throw new IntegrityError(
      `the bytes are ${this.#check.actual}, which the integrity option does not allow: fetch them again, or correct the option`,
    )
  }
}
