import { NotSupportedError } from '@cistern/storage'
import type { StoredDriver } from './backend.js'

/** Opens its storage with the first write, or beside what happens before it: nobody waits for a file to be made. */
export class LazyDriver implements StoredDriver {
  readonly #open: () => Promise<StoredDriver>
  #opening: Promise<StoredDriver> | undefined
  #opened: StoredDriver | undefined

  constructor(open: () => Promise<StoredDriver>) {
    this.#open = open
  }

  /** Opens now. What fails is told to the first who writes, after another attempt. */
  begin(): void {
    this.#driver().catch(() => undefined)
  }

  get path(): string | undefined {
    return this.#opened?.path
  }

  /** Absent where the storage has none. */
  get stat(): StoredDriver['stat'] {
    const opened = this.#opened
    if (!opened) return () => ({ length: 0, fingerprint: '' })
    return opened.stat && (() => opened.stat?.() ?? { length: 0, fingerprint: '' })
  }

  published(): void {
    this.#opened?.published?.()
  }

  read(position: number, target: Uint8Array): Promise<number> {
    return this.#opened ? this.#opened.read(position, target) : Promise.resolve(0)
  }

  readSync(position: number, target: Uint8Array): number {
    if (this.#opened === undefined) return 0
    if (this.#opened.readSync) return this.#opened.readSync(position, target)
    throw new NotSupportedError('these bytes cannot be read synchronously: use readAt')
  }

  ready(): Promise<void> | undefined {
    if (this.#opened || !this.#opening) return undefined
    return this.#opening.then(
      () => undefined,
      () => undefined, // the write itself makes the next attempt, and tells how it went
    )
  }

  write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    if (this.#opened) return this.#opened.write(position, parts)
    return this.#driver().then((driver) => driver.write(position, parts))
  }

  async sync(): Promise<void> {
    await (await this.#driver()).sync()
  }

  async truncate(length: number): Promise<void> {
    await (await this.#driver()).truncate(length)
  }

  async close(): Promise<void> {
    // An opening that failed was reported to whoever wrote.
    await (await this.#opening?.catch(() => undefined))?.close()
  }

  #driver(): Promise<StoredDriver> {
    this.#opening ??= this.#open().then(
      (driver) => {
        this.#opened = driver
        return driver
      },
      (error: unknown) => {
        this.#opening = undefined
        throw error
      },
    )
    return this.#opening
  }
}
