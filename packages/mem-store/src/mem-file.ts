import type { ResourceKey, StoredDriver } from '@cistern/assets'
import { type MemDriver, NotSupportedError, QuotaExceededError } from '@cistern/storage'
import type { Fault, FaultPoint } from './fault.js'

/** One opening of bytes in memory. Closing it lets go of nothing: the backend owns the bytes. */
export class MemFile implements StoredDriver {
  readonly #bytes: MemDriver
  readonly #key: ResourceKey | undefined
  readonly #fault: Fault | undefined
  readonly #budget: () => number

  constructor(bytes: MemDriver, key: ResourceKey | undefined, fault: Fault | undefined, budget: () => number) {
    this.#bytes = bytes
    this.#key = key
    this.#fault = fault
    this.#budget = budget
  }

  async read(position: number, target: Uint8Array): Promise<number> {
    if (this.#fault) await this.#fault(this.#point('read', position, target.byteLength))
    return this.#bytes.read(position, target)
  }

  readSync(position: number, target: Uint8Array): number {
    const slow = this.#fault?.(this.#point('read', position, target.byteLength))
    if (slow === undefined) return this.#bytes.readSync(position, target)
    slow.catch(() => undefined) // the caller learns below that it cannot wait for this
    throw new NotSupportedError('the fault hook awaits something, and a synchronous read cannot: use readAt')
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0)
    const budget = this.#budget()
    if (position + bytes > budget) {
      throw new QuotaExceededError(
        `byte ${position + bytes} is beyond the ${budget} bytes that this store in memory may hold: raise maxBytes`,
      )
    }
    if (this.#fault) await this.#fault(this.#point('write', position, bytes))
    await this.#bytes.write(position, parts)
  }

  async sync(): Promise<void> {
    await this.#fault?.(this.#point('sync', 0, 0))
  }

  truncate(length: number): Promise<void> {
    return this.#bytes.truncate(length)
  }

  async close(): Promise<void> {}

  #point(op: FaultPoint['op'], position: number, bytes: number): FaultPoint {
    return { op, key: this.#key, position, bytes }
  }
}
