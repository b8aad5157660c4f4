import { type Acquisition, type AssetStore, CisternError, ResourceKey, type ResourceReader } from '@cistern/assets'
import { randomInteger, randomNumbers } from '../../helpers/bytes.js'
import { bytesOf, isRight } from './content.js'
import type { Turns } from './turns.js'

const PER_ASSET = 10
const PIECE = 8 * 1024
const JUST_NOW = 250 // ms: what can be evicted since then could perhaps not be when a write was refused
const [SHORTEST, LONGEST] = [8 * 1024, 56 * 1024]

/** What came of it. */
export interface Counts {
  assets: number
  resources: number
  written: number
  read: number
  /** Opens of what was finished before, and of what was evicted by then. */
  again: number
  evicted: number
  refused: number
}

/**
 * `slots` assets of ten resources that are filled at once, each with a reader that follows; where one asset is done, the
 * next begins. Every byte that a reader gets is looked at.
 */
export class Traffic {
  readonly counts: Counts = { assets: 0, resources: 0, written: 0, read: 0, again: 0, evicted: 0, refused: 0 }
  readonly violations: string[] = []
  readonly #store: AssetStore
  readonly #turns: Turns
  readonly #random: () => number
  readonly #lengths = new Map<number, number>()
  /** When an asset's last handle was closed. */
  readonly #leftAt = new Map<string, number>()
  #next = 0
  #stopping = false

  constructor(store: AssetStore, turns: Turns, seed: number) {
    this.#store = store
    this.#turns = turns
    this.#random = randomNumbers(seed)
  }

  /** Resolves once all that was begun is done, after `stop`. */
  async run(slots: number): Promise<void> {
    await Promise.all(Array.from({ length: slots }, (_, slot) => this.#slot((slot + 1) / slots)))
  }

  stop(): void {
    this.#stopping = true
  }

  /** `share` of the usual length for the first asset: or all would be done, and begin anew, at the same time. */
  async #slot(share: number): Promise<void> {
    for (let scale = share; !this.#stopping; scale = 1) {
      const asset = this.#next++
      const first = asset * PER_ASSET
      await Promise.all(Array.from({ length: PER_ASSET }, (_, index) => this.#resource(asset, first + index, scale)))
      this.counts.assets++
      await this.#again(asset)
    }
  }

  async #resource(asset: number, n: number, scale: number): Promise<void> {
    const length = Math.ceil(randomInteger(this.#random, SHORTEST, LONGEST) * scale)
    this.#lengths.set(n, length)
    try {
      await using got = await this.#store.acquire(keyOf(asset, n))
      const reading = this.#follow(got.reader, n)
      await this.#fill(got, n, length)
      await reading
      this.counts.resources++
      this.#left(asset) // before its handles are closed
    } catch (error) {
      if (!this.#stopping) this.#violation(`${asset}/${n}`, error)
    }
  }

  async #fill({ writer }: Acquisition, n: number, length: number): Promise<void> {
    if (!writer) throw new Error('a new key gave no writer')
    for (let start = 0; start < length && !this.#stopping; start += PIECE) {
      await this.#turns.next()
      const bytes = bytesOf(n, start, Math.min(start + PIECE, length))
      try {
        await writer.writeAt(start, bytes)
      } catch (error) {
        if (!CisternError.is(error, 'ERR_CISTERN_QUOTA_EXCEEDED')) throw error
        return this.#refused(writer.release(error), bytes.length)
      }
      this.counts.written += bytes.length
    }
    if (this.#stopping) return writer.release()
    await writer.commit(length)
  }

  /** Only when nothing is left to evict, or what is left would not be enough. */
  #refused(released: Promise<void>, bytes: number): Promise<void> {
    this.counts.refused++
    const { limits, pinnedBytes } = this.#store.stats()
    const free = [...this.#store.assets()].filter((stat) => stat.leases === 0 && !stat.pinned && stat.bytes > 0)
    const evictable = free.filter(({ asset }) => !this.#isJustLeft(asset))
    const kept = free.reduce((sum, stat) => sum + (this.#isJustLeft(stat.asset) ? stat.bytes : 0), pinnedBytes)
    const underWay = this.#turns.waiting === 0 ? 0 : this.#turns.limit * PIECE
    if (evictable.length > 0 && kept + underWay + bytes <= (limits.maxBytes ?? 0))
      this.violations.push(`refused ${bytes} bytes with ${evictable.length} assets to evict and ${kept} bytes kept`)
    return released
  }

  #left(asset: number): void {
    this.#leftAt.set(keyOf(asset, 0).asset, performance.now())
  }

  #isJustLeft(asset: string): boolean {
    return performance.now() - (this.#leftAt.get(asset) ?? 0) < JUST_NOW
  }

  /** Reads what comes until the writer is done with it, well or not. */
  async #follow(reader: ResourceReader, n: number): Promise<void> {
    let position = 0
    try {
      for await (const chunk of reader.chunks()) {
        if (!isRight(n, position, chunk)) this.violations.push(`${n}: wrong bytes at ${position}`)
        position += chunk.length
        this.counts.read += chunk.length
      }
    } catch (error) {
      if (!CisternError.is(error, 'ERR_CISTERN_ABANDONED')) this.#violation(`reading ${n}`, error)
      return
    }
    if (position !== this.#lengths.get(n)) this.violations.push(`${n} ended at ${position}`)
  }

  /** One of those before, if it is still there: a use, so that eviction has an order to keep. */
  async #again(asset: number): Promise<void> {
    const before = Math.max(0, asset - randomInteger(this.#random, 0, 400))
    const n = before * PER_ASSET + randomInteger(this.#random, 0, PER_ASSET)
    if (this.#store.stat(keyOf(before, n))?.state !== 'committed') return void this.counts.evicted++
    try {
      using reader = await this.#store.open(keyOf(before, n))
      const bytes = await reader.bytes()
      if (bytes.length !== this.#lengths.get(n) || !isRight(n, 0, bytes)) this.violations.push(`${n}: wrong bytes`)
      this.counts.again++
      this.#left(before)
    } catch (error) {
      // Evicted between the look and the open.
      if (CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) this.counts.evicted++
      else this.#violation(`opening ${n} again`, error)
    }
  }

  #violation(what: string, error: unknown): void {
    if (this.violations.length < 20) {
      this.violations.push(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }
}

function keyOf(asset: number, n: number): ResourceKey {
  return ResourceKey.of(`asset-${asset}`, `${n}.ts`)
}
