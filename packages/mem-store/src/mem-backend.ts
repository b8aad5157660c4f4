import { type Backend, type BackendFile, ResourceKey, type StoredDriver } from '@cistern/assets'
import { MemDriver, NotFoundError } from '@cistern/storage'
import type { Fault } from './fault.js'
import { MemFile } from './mem-file.js'

interface Held {
  readonly generation: string
  readonly bytes: MemDriver
}

/** Bytes by name and generation, as a disk has them: parts, and finished ones under their final name. */
export class MemBackend implements Backend {
  readonly #parts = new Map<string, Held>()
  readonly #finals = new Map<string, Held>()
  readonly #fault: Fault | undefined
  readonly #budget: () => number

  constructor(fault: Fault | undefined, budget: () => number) {
    this.#fault = fault
    this.#budget = budget
  }

  async open({ name, generation, state }: BackendFile): Promise<StoredDriver> {
    if (state === 'new') this.#parts.set(partOf(name, generation), { generation, bytes: this.#empty() })
    const final = this.#finals.get(name)
    const held = this.#parts.get(partOf(name, generation)) ?? (final?.generation === generation ? final : undefined)
    if (held === undefined) throw new NotFoundError(`${name} is not in memory any more`)
    return new MemFile(held.bytes, keyOf(name), this.#fault, this.#budget)
  }

  #empty(): MemDriver {
    return new MemDriver({ maxBytes: Number.MAX_SAFE_INTEGER })
  }

  async publish(name: string, generation: string): Promise<string> {
    await this.#fault?.({ op: 'publish', key: keyOf(name), position: 0, bytes: 0 })
    const part = this.#parts.get(partOf(name, generation))
    if (part) {
      this.#finals.set(name, part)
      this.#parts.delete(partOf(name, generation))
    }
    return generation
  }

  async remove(name: string, generation: string, published: boolean): Promise<void> {
    await this.#fault?.({ op: 'remove', key: keyOf(name), position: 0, bytes: 0 })
    this.#parts.delete(partOf(name, generation))
    // Whatever has the name: that may still be the generation that this one was to take the place of.
    if (published) this.#finals.delete(name)
  }

  exists(name: string): boolean {
    return this.#finals.has(name)
  }

  async *list(): AsyncGenerator<{ readonly name: string; readonly generation: string | undefined }> {
    for (const name of [...this.#finals.keys()].sort()) yield { name, generation: undefined }
    for (const [part, { generation }] of [...this.#parts]) yield { name: part.slice(0, part.indexOf('\0')), generation }
  }
}

const partOf = (name: string, generation: string): string => `${name}\0${generation}`

/** The key whose file this most likely is; one that had to take another name has none. */
function keyOf(name: string): ResourceKey | undefined {
  try {
    return ResourceKey.parse(name)
  } catch {
    return undefined
  }
}
