// A place for bytes that is not a file: numbered blocks in a key-value store. Here that is a Map; it might be Redis or LMDB.
import type { Backend } from '@cistern/assets'
import { type Driver, NotFoundError, RangeNotAvailableError } from '@cistern/storage'

const BLOCK = 64 * 1024

/** Blocks by number: those of one generation of one resource. */
type Blocks = Map<number, Uint8Array>
/** By name and generation. A generation is never used twice, so nothing here is ever overwritten by another life of a key. */
export type Shelf = Map<string, Blocks>

/** Keeps bytes on `shelf`, in blocks of 64 KiB. */
export function blockBackend(shelf: Shelf): Backend {
  const place = (name: string, generation: string) => `${name}@${generation}`
  return {
    async open({ name, generation, state }) {
      const at = place(name, generation)
      const blocks = state === 'new' ? new Map<number, Uint8Array>() : shelf.get(at)
      if (!blocks) throw new NotFoundError(`nothing is stored as ${at}`)
      shelf.set(at, blocks)
      return new BlockDriver(blocks)
    },
    // Blocks have their place for good from the start: publishing only says how they will be recognised.
    publish: async (_name, generation, length) => `${generation}:${length}`,
    async remove(name, generation) {
      shelf.delete(place(name, generation))
    },
    async *list() {
      for (const at of shelf.keys()) {
        const cut = at.lastIndexOf('@')
        yield { name: at.slice(0, cut), generation: at.slice(cut + 1) }
      }
    },
  }
}

/** Positional reads and writes over blocks. Coverage, waiting and the life cycle are the library's. */
class BlockDriver implements Driver {
  readonly #blocks: Blocks

  constructor(blocks: Blocks) {
    this.#blocks = blocks
  }

  async read(position: number, target: Uint8Array): Promise<number> {
    for (let done = 0; done < target.length; ) {
      const { number, offset, size } = within(position + done, target.length - done)
      const block = this.#blocks.get(number)
      // Coverage says that it is there. A hole in spite of that is reported; it is never read as zeros.
      if (!block) throw new RangeNotAvailableError(`no block for position ${position + done}`)
      target.set(block.subarray(offset, offset + size), done)
      done += size
    }
    return target.length
  }

  /** Copies: `parts` are only borrowed. */
  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(parts)
    for (let done = 0; done < bytes.length; ) {
      const { number, offset, size } = within(position + done, bytes.length - done)
      const block = this.#blocks.get(number) ?? new Uint8Array(BLOCK)
      block.set(bytes.subarray(done, done + size), offset)
      this.#blocks.set(number, block)
      done += size
    }
  }

  async truncate(length: number): Promise<void> {
    for (const number of this.#blocks.keys()) if (number * BLOCK >= length) this.#blocks.delete(number)
  }

  async sync(): Promise<void> {} // a Map forgets nothing while it lives

  async close(): Promise<void> {} // and holds nothing open
}

/** The block of `position`, and how much of `wanted` lies in it. */
function within(position: number, wanted: number) {
  const offset = position % BLOCK
  return { number: (position - offset) / BLOCK, offset, size: Math.min(wanted, BLOCK - offset) }
}
