import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { largeIndex } from './large-index.mjs'
import { appendJournal, RECORDS_A_RESOURCE } from './large-journal.mjs'
import { onceARun } from './once-a-run.mjs'
import { sameContent } from './same-content.mjs'

/** @import { Place } from './place.mjs' */
/** @import { Start } from './open-child.mjs' */
/** @import { Shape } from './large-index.mjs' */

const child = fileURLToPath(new URL('./open-child.mjs', import.meta.url))

/** Starts over one large index, each in a process of its own and over the same files. */
export class Starts {
  /** Of each start so far: bytes in memory a resource. @type {number[]} */
  bytesEach = []
  #folder
  #what
  #shape
  #journal

  /**
   * @param {Place} place
   * @param {'store' | 'unpack'} what
   * @param {Shape} shape
   * @param {Parameters<typeof appendJournal>[2]} [journal] What is in the journal.
   */
  constructor(place, what, shape, journal) {
    this.#folder = place.folder({ inMemory: true })
    this.#what = what
    this.#shape = shape
    this.#journal = journal
  }

  /** A start leaves a journal behind, and a lock: the next finds neither. */
  async prepare() {
    if (this.#what === 'unpack') return
    const { assets, perAsset } = this.#shape
    const journal = this.#journal
    const pristine = await onceARun(`journal ${assets} ${perAsset} ${JSON.stringify(journal)}`, async (folder) => {
      cpSync(await largeIndex(this.#shape), folder, { recursive: true })
      if (journal) await appendJournal(folder, this.#shape, journal)
    })
    rmSync(`${this.#folder}/_index`, { recursive: true, force: true })
    cpSync(pristine, this.#folder, { recursive: true })
  }

  /** One start: its time in milliseconds. */
  async run() {
    const where = this.#what === 'store' ? this.#folder : await sameContent(this.#shape)
    const process = fork(child, [this.#what, where], { execArgv: ['--expose-gc'] })
    const ended = once(process, 'exit')
    const [told] = await Promise.race([once(process, 'message'), ended.then(() => [undefined])])
    await ended
    const { ms, bytes, resources } = /** @type {Partial<Start>} */ (told ?? {})
    const taken = this.#journal?.of === 'new' ? this.#journal.records / RECORDS_A_RESOURCE : 0
    const expected = this.#shape.assets * this.#shape.perAsset + taken
    if (ms === undefined || bytes === undefined || resources !== expected)
      throw new Error(`${this.#what} found ${resources} resources`)
    this.bytesEach.push(bytes / expected)
    return ms
  }
}
