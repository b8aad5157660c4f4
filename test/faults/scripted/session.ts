import { createCipheriv } from 'node:crypto'
import {
  AssetStore,
  aes128Cbc,
  type Durability,
  type Processor,
  type ResourceKey,
  type ResourceReader,
  type ResourceWriter,
} from '@cistern/assets'
import { randomBytes } from '../../helpers/bytes.js'
import { complaint, contentOf } from '../content.js'
import type { Held, Report } from '../report.js'
import { heldIn, same } from '../survivors.js'
import { KEYS } from './keys.js'

type Content = NonNullable<Held>
export type Range = readonly [start: number, end: number]

const CIPHER = { key: randomBytes(21, 16), iv: randomBytes(22, 16) }

/** The store under test, and what its steps have in common: each says what it is about to do, does it, and says so. */
export class Session {
  readonly #root: string
  readonly #durability: Durability
  readonly #say: (report: Report) => void
  #open: AssetStore | undefined
  /** What a writer of the session's own gives up with. */
  readonly broken: Error = new Error('the source turned out to be broken')
  #nonce = 0
  /** What was said last of each key. */
  readonly #said = new Map<string, Held>()

  constructor(root: string, durability: Durability, say: (report: Report) => void) {
    this.#root = root
    this.#durability = durability
    this.#say = say
  }

  get store(): AssetStore {
    if (this.#open === undefined) throw new Error('no store is open')
    return this.#open
  }

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** No flush by the clock: each run makes the same calls, in the same order. */
  async open(): Promise<void> {
    const options = { root: this.#root, durability: this.#durability, minFreeBytes: 0, flushMs: 600_000 }
    const store = await AssetStore.open(options)
    this.#open = store
    store.on('fail', ({ key, error }) => {
      if (error !== this.broken) this.#say({ is: 'failed', key: key.id })
      this.#look(key)
    })
    store.on('remove', ({ asset }) => this.#left(asset))
    store.on('degraded', () => this.#say({ is: 'degraded' }))
    store.on('restored', () => this.#say({ is: 'restored' }))
  }

  async close(): Promise<void> {
    const { store } = this
    this.#open = undefined
    this.#say({ is: 'begin-checkpoint' })
    await store.close()
    this.#say({ is: 'done-checkpoint' })
  }

  async checkpoint(): Promise<void> {
    this.#say({ is: 'begin-checkpoint' })
    await this.store.checkpoint()
    this.#say({ is: 'done-checkpoint' })
  }

  /** Says what the store holds where that is not what was said of it. */
  look(): void {
    if (this.isOpen) for (const key of KEYS) this.#look(key)
  }

  #look(key: ResourceKey): void {
    if (!this.isOpen) return
    const held = heldIn(this.store.stat(key))
    if (same(held, this.#said.get(key.id) ?? null)) return
    this.#said.set(key.id, held)
    this.#say({ is: 'holds', key: key.id, held })
  }

  /** An asset, or some of it, goes or went by eviction: nothing says that this is durable. */
  leaves(asset: string): void {
    for (const { asset: of, id } of KEYS) if (of === asset) this.#say({ is: 'begin', key: id, held: null })
  }

  #left(asset: string): void {
    for (const key of KEYS) {
      if (key.asset !== asset || this.held(key) !== null) continue
      this.#say({ is: 'begin', key: key.id, held: null })
      this.#look(key)
    }
  }

  fresh(length: number): Content {
    return { nonce: ++this.#nonce, length }
  }

  /** What is committed there; a step that needs it has nothing to do where an earlier one failed. */
  held(key: ResourceKey): Held {
    return heldIn(this.store.stat(key))
  }

  /** Says that `change` begins, runs it, and says that it is done. */
  async changes(
    outcomes: readonly (readonly [key: ResourceKey, held: Held])[],
    change: () => Promise<unknown>,
    synced = false,
  ): Promise<void> {
    for (const [{ id }, held] of outcomes) this.#say({ is: 'begin', key: id, held })
    try {
      await change()
    } catch (error) {
      for (const [{ id }] of outcomes) this.#say({ is: 'undone', key: id, why: String(error) })
      throw error
    }
    for (const [{ id }, held] of outcomes) {
      this.#said.set(id, held)
      this.#say({ is: 'done', key: id, held, synced })
    }
  }

  async declare(writer: ResourceWriter, held: Content): Promise<void> {
    await writer.declare({ length: held.length, validator: `${held.nonce}` })
    writer.setMetadata(held)
  }

  async write(writer: ResourceWriter, key: ResourceKey, { nonce, of }: Content, ...pieces: Range[]): Promise<void> {
    for (const [start, end] of pieces) await writer.writeAt(start, contentOf(of ?? key.id, nonce, start, end))
  }

  commit(writer: ResourceWriter, key: ResourceKey, held: Content, length?: number): Promise<void> {
    return this.changes([[key, held]], () => writer.commit(length))
  }

  put(key: ResourceKey, held: Content, processor?: Processor): Promise<void> {
    const body = contentOf(key.id, held.nonce, 0, held.length)
    return this.changes([[key, held]], () =>
      this.store.put(key, processor ? encrypted(body) : body, { metadata: held, processor }),
    )
  }

  pin(asset: string, pinned: boolean): Promise<void> {
    return this.pinning(asset, pinned, () => (pinned ? this.store.pin(asset) : this.store.unpin(asset)))
  }

  async pinning(asset: string, pinned: boolean, change: () => Promise<void>): Promise<void> {
    this.#say({ is: 'begin-pin', asset, pinned })
    await change()
    this.#say({ is: 'done-pin', asset, pinned })
  }

  /** Every byte that a reader has, against what was written. */
  async compare(key: ResourceKey, reader: ResourceReader, { nonce, of }: Content): Promise<void> {
    for (const { start, end } of [...reader.coverage]) {
      const wrong = complaint(of ?? key.id, nonce, start, await reader.bytes({ start, end }))
      if (wrong) this.#say({ is: 'violation', what: `while it lived: ${wrong}` })
    }
  }
}

export const decrypting: Processor = aes128Cbc(CIPHER)

export function encrypted(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv('aes-128-cbc', CIPHER.key, CIPHER.iv)
  return Uint8Array.from(Buffer.concat([cipher.update(plain), cipher.final()]))
}
