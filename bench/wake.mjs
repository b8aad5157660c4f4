// A piece is written and the reader that waits for it goes on, while others wait for what comes behind it.
import { AssetStore } from '@cistern/assets'
import { compareAll } from './harness/compare.mjs'

/** @import { ResourceReader, ResourceWriter } from '@cistern/assets' */
/** @import { Place } from './harness/place.mjs' */
/** @import { Side } from './harness/compare.mjs' */

const PIECE = 4 * 1024
const WRITES = 500

/** @param {Place} place */
export default async function wake(place) {
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  try {
    return await compareAll({
      name: `${WRITES} pieces of 4 KiB written, each wakes one reader`,
      ours: side(store, 10_000),
      others: [
        { ...side(store, 1), ratio: 'ours/theirs', target: { atMost: 1.5 } },
        { ...side(store, 100), ratio: 'ours/theirs', target: { atMost: 1.5 } },
      ],
      bothOurs: true,
      repetitions: 21,
      warmups: 5,
    })
  } finally {
    await store.close()
  }
}

/**
 * @param {AssetStore} store
 * @param {number} waiters
 * @returns {Side}
 */
function side(store, waiters) {
  let turn = 0
  /** @type {Waiting | undefined} */
  let waiting
  return {
    name: `one of ${waiters} waiting`,
    prepare: async () => {
      waiting = await Waiting.begin(store, `${waiters}-${turn++}`, waiters)
      globalThis.gc?.() // what making 10,000 readers leaves to be collected and moved is not what is measured
    },
    run: () => waiting?.writeOn(WRITES),
    settle: () => waiting?.end(),
  }
}

/** Readers of one resource, each waiting for a piece of its own. */
class Waiting {
  /** @type {ResourceWriter} */
  #writer
  /** @type {readonly ResourceReader[]} */
  #readers
  /** @type {Promise<unknown>[]} */
  #waits
  #piece = Buffer.alloc(PIECE, 'one piece')

  /**
   * @param {ResourceWriter} writer
   * @param {readonly ResourceReader[]} readers
   */
  constructor(writer, readers) {
    this.#writer = writer
    this.#readers = readers
    this.#waits = readers.map((_, index) => this.#waitFor(index))
  }

  /**
   * @param {AssetStore} store
   * @param {string} name
   * @param {number} waiters
   */
  static async begin(store, name, waiters) {
    const { writer, reader } = await store.asset('asset').acquire(name)
    if (!writer) throw new Error('somebody writes it already')
    await writer.writeAt(0, Buffer.alloc(PIECE)) // the file is there
    return new Waiting(writer, [reader, ...Array.from({ length: waiters - 1 }, () => reader.clone())])
  }

  /** @param {number} pieces */
  async writeOn(pieces) {
    const count = this.#waits.length
    for (let index = 0; index < pieces; index++) {
      const woken = this.#waits[index % count]
      await this.#writer.writeAt((index + 1) * PIECE, this.#piece)
      if ((await woken) !== 'ready') throw new Error('a reader was not woken by its piece')
      this.#waits[index % count] = this.#waitFor(index + count)
    }
  }

  async end() {
    for (const reader of this.#readers) reader.close()
    await Promise.allSettled(this.#waits)
    await this.#writer.fail(new Error('measured'))
  }

  /** @param {number} index */
  #waitFor(index) {
    const reader = /** @type {ResourceReader} */ (this.#readers[index % this.#readers.length])
    const wait = reader.waitRange((index + 1) * PIECE, (index + 2) * PIECE)
    wait.catch(() => undefined) // those that are left wait in vain
    return wait
  }
}
