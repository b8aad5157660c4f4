import { ReaderClosedError } from './errors.js'
import { addGroup, type HookGroup, leaveGroup, type ReaderHooks } from './hooks.js'
import type { Leakable } from './leaks.js'
import type { Life } from './life.js'
import type { Wait } from './wait.js'

/** Whether a byte of the generation was read. Shared by a reader and the streams it made: they are one consumer. */
export interface Touch {
  touched: boolean
}

/** What a resource knows of a reader. It must not reference the handle, or no dropped handle would ever be collected. */
export class ReaderState implements Leakable {
  life: Life
  readonly touch: Touch
  readonly waits: Set<Wait> = new Set()
  /** Kept open by a cache: not counted among the readers. */
  idle = false
  group: HookGroup | undefined
  #closed = false
  #refusal: Error | undefined

  constructor(life: Life, touch: Touch, group: HookGroup | undefined) {
    this.life = life
    this.touch = touch
    this.group = group
    if (group !== undefined) group.refs++
    life.readers.add(this)
  }

  /** Why calls are refused. Made when asked for: most readers are closed without anyone calling again. */
  get refusal(): Error | undefined {
    return this.#refusal ?? (this.#closed ? new ReaderClosedError('the reader is closed') : undefined)
  }

  addHooks(hooks: ReaderHooks): void {
    if (this.#closed) hooks.onClose?.()
    else this.group = addGroup(hooks, this.group)
  }

  close(): void {
    if (this.#closed) return
    if (this.waits.size > 0) this.refuse(new ReaderClosedError('the reader was closed while it waited'))
    this.#leave()
  }

  /** The store closed under it: counts as closed. */
  shutdown(error: Error): void {
    this.refuse(error)
    this.#leave()
  }

  /** Every pending and further call rejects with `error`. */
  refuse(error: Error): void {
    this.#refusal ??= error
    for (const wait of this.waits) wait.cancel(error)
  }

  /** The generation is gone: a reader that read nothing of it goes on with the next one. False for one that did. */
  goOn(next: Life): boolean {
    this.life.readers.delete(this)
    if (this.touch.touched) return false
    this.life = next
    next.readers.add(this)
    return true
  }

  /** Whoever read of a generation that is gone must not go on with the next one, and counts as closed. */
  supersede(error: Error): void {
    this.refuse(error)
    this.#leave()
  }

  collected(): void {
    if (this.#closed) return
    // Nobody called us: an owner's hook that throws here must not end the process, nor keep the reader open.
    quietly(() => this.life.hooks.leaked?.('reader'))
    quietly(() => this.close())
  }

  #leave(): void {
    if (this.#closed) return
    this.#closed = true
    leaveGroup(this.group)
    this.life.readerLeft(this)
  }
}

function quietly(step: () => void): void {
  try {
    step()
  } catch {}
}
