import { MemDriver } from '@cistern/storage'
import type { StoredDriver } from './backend.js'

/** Raw bytes held in memory before they go to their part. */
const SPILL_BYTES = 4 * 1024 * 1024

/**
 * Holds what is written in memory, and moves it to its storage when a flush asks for that, when bytes come out of order,
 * or past 4 MiB: a segment that arrives and commits between two flushes never reaches the disk undecrypted.
 */
export class SpillDriver implements StoredDriver {
  readonly #open: () => Promise<StoredDriver>
  #held: MemDriver | undefined = new MemDriver({ maxBytes: Number.MAX_SAFE_INTEGER })
  #end = 0
  #spilling: Promise<StoredDriver> | undefined
  #storage: StoredDriver | undefined

  constructor(open: () => Promise<StoredDriver>) {
    this.#open = open
  }

  get path(): string | undefined {
    return this.#storage?.path
  }

  /** Something of it is, or may be, on the medium. */
  get hasSpilled(): boolean {
    return this.#spilling !== undefined
  }

  stat(): { readonly length: number; readonly fingerprint: string } {
    return this.#storage?.stat?.() ?? { length: this.#end, fingerprint: '' }
  }

  read(position: number, target: Uint8Array): Promise<number> {
    return (this.#held ?? (this.#storage as StoredDriver)).read(position, target)
  }

  readSync(position: number, target: Uint8Array): number {
    return (this.#held ?? this.#storage)?.readSync?.(position, target) ?? 0
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0)
    const inOrder = position === this.#end
    if (this.#spilling === undefined && inOrder && this.#end + bytes <= SPILL_BYTES) {
      // In this very step: a spill that begins next must take these bytes, too.
      this.#held?.writeSync(position, parts)
      this.#end += bytes
      return
    }
    await (await this.#spill()).write(position, parts)
    this.#end = Math.max(this.#end, position + bytes)
  }

  async spill(): Promise<void> {
    await this.#spill()
  }

  async sync(): Promise<void> {
    await (await this.#spill()).sync()
  }

  async truncate(length: number): Promise<void> {
    if (this.#held) await this.#held.truncate(length)
    if (this.#spilling) await (await this.#spilling).truncate(length)
    this.#end = Math.min(this.#end, length)
  }

  async close(): Promise<void> {
    await this.#held?.close()
    await this.#spilling?.catch(() => undefined) // told to whoever wrote or synced; its descriptor is open all the same
    await this.#storage?.close()
  }

  #spill(): Promise<StoredDriver> {
    this.#spilling ??= this.#moveOut().catch((error: unknown) => {
      this.#spilling = undefined // what is held is still held; the next attempt begins anew
      throw error
    })
    return this.#spilling
  }

  async #moveOut(): Promise<StoredDriver> {
    this.#storage ??= await this.#open()
    const held = this.#held
    const end = this.#end
    for (let at = 0; held && at < end; ) {
      const chunk = new Uint8Array(Math.min(1024 * 1024, end - at))
      await held.read(at, chunk)
      await this.#storage.write(at, [chunk])
      at += chunk.byteLength
    }
    this.#held = undefined // not closed: a read of it may be waiting for its turn
    return this.#storage
  }
}
