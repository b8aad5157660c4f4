/** @import { Backend, Driver } from '@cistern/assets' */

/**
 * Bytes in buffers, and nothing more: what a store of 100,000 resources is built over when only its index is of interest.
 * @implements {Backend}
 */
export class MemoryBackend {
  /** @type {Map<string, Buffer>} */
  #files = new Map()

  /**
   * @param {{ readonly name: string, readonly generation: string }} file
   * @returns {Promise<Driver>}
   */
  async open({ name, generation }) {
    const id = `${name} ${generation}`
    return {
      read: async (position, target) => this.#bytes(id).copy(target, 0, position),
      write: async (position, parts) => {
        const end = parts.reduce((sum, part) => sum + part.length, position)
        const before = this.#bytes(id)
        const after = Buffer.concat([before, Buffer.alloc(Math.max(0, end - before.length))])
        let at = position
        for (const part of parts) {
          after.set(part, at)
          at += part.length
        }
        this.#files.set(id, after)
      },
      sync: async () => {},
      truncate: async (length) => void this.#files.set(id, Buffer.from(this.#bytes(id).subarray(0, length))),
      close: async () => {},
    }
  }

  /** @param {string} _name @param {string} _generation @param {number} length */
  async publish(_name, _generation, length) {
    return fingerprintLike(length)
  }

  /** @param {string} name @param {string} generation */
  async remove(name, generation) {
    this.#files.delete(`${name} ${generation}`)
  }

  async *list() {
    for (const id of this.#files.keys()) {
      const [name = '', generation = ''] = id.split(' ')
      yield { name, generation }
    }
  }

  /** @param {string} id */
  #bytes(id) {
    return this.#files.get(id) ?? Buffer.alloc(0)
  }
}

/**
 * As long as the fingerprint of a file on a disk: length, inode and time of change in base 36.
 * @param {number | undefined} length
 */
export function fingerprintLike(length = 0) {
  return `1bml2.${length.toString(36)}.dn01ro21kzod`
}
