import { RangeSet, type ReadonlyRangeSet, type ResourceWriter } from '@cistern/storage'
import type { ContextIndex } from '../types.js'

/** An asset that is being written, or about to be. */
interface Held {
  holds: number
  /** It was not there when the first of them came, and no room for one more asset was found yet. */
  newcomer: boolean
}

/** The sum over all reservations, and those that add to it: asked for before each write, however many are open. */
interface Tally {
  bytes: number
  readonly granted: Set<Reservation>
}

/**
 * Bytes granted to writes that the index does not count yet, and the assets they belong to. Which of them it counts
 * by now is derived from the writers' coverage: bytes are counted before they are covered.
 */
export class Reservations {
  readonly #index: ContextIndex
  readonly #open: Set<Reservation> = new Set()
  /** In the order they came. */
  readonly #held: Map<string, Held> = new Map()
  /** Bytes granted to copies that the base makes. */
  #copying = 0
  readonly #tally: Tally = { bytes: 0, granted: new Set() }

  constructor(index: ContextIndex) {
    this.#index = index
  }

  /** A bound that costs little: it may still hold bytes that are covered by now. */
  get atMost(): number {
    return this.#copying + this.#tally.bytes
  }

  /** Bytes granted and not covered yet. */
  get outstanding(): number {
    let bytes = this.#copying
    for (const reservation of this.#tally.granted) bytes += reservation.outstanding
    return bytes
  }

  /** Keeps the asset from being evicted until the returned function is called, as its writers do. */
  hold(asset: string): () => void {
    let held = this.#held.get(asset)
    if (held === undefined) {
      held = { holds: 0, newcomer: !this.#isThere(asset) }
      this.#held.set(asset, held)
    }
    held.holds++
    const kept = held
    return () => {
      if (--kept.holds === 0) this.#held.delete(asset)
    }
  }

  holds(asset: string): boolean {
    return this.#held.has(asset)
  }

  open(asset: string, writer: ResourceWriter): Reservation {
    const letGo = this.hold(asset)
    const reservation = new Reservation(asset, writer, this.#tally, () => {
      if (this.#open.delete(reservation)) letGo()
    })
    this.#open.add(reservation)
    return reservation
  }

  /** Counts `bytes` until the returned function is called. */
  reserve(bytes: number): () => void {
    this.#copying += bytes
    return () => {
      this.#copying -= bytes
    }
  }

  /** Bytes of the assets that are being written: eviction passes them by. */
  heldBytes(): number {
    let bytes = 0
    for (const asset of this.#held.keys()) bytes += this.#index.assetStat(asset)?.bytes ?? 0
    return bytes
  }

  /** Assets there are, those included that no index names before their first commit. */
  assets(): number {
    let assets = this.#index.assetCount
    for (const asset of this.#held.keys()) if (!this.#isThere(asset)) assets++
    return assets
  }

  /** Assets that count before this one when it is new: all but newcomers that came later. `undefined` when it is not. */
  assetsBefore(asset: string): number | undefined {
    if (!this.#held.get(asset)?.newcomer) return undefined
    let assets = this.assets()
    let later = false
    for (const [name, { newcomer }] of this.#held) {
      if (later && newcomer) assets--
      if (name === asset) later = true
    }
    return assets
  }

  /** There was room for it: it is no newcomer any more. */
  admit(asset: string): void {
    const held = this.#held.get(asset)
    if (held) held.newcomer = false
  }

  #isThere(asset: string): boolean {
    return (this.#index.assetStat(asset)?.resources ?? 0) > 0
  }
}

/** What one writer was granted. Ends with the writer, so that nothing stays reserved for nobody. */
export class Reservation {
  readonly asset: string
  // Hooks lead here: a strong reference would keep a writer that was dropped unsettled from being collected.
  readonly #writer: WeakRef<ResourceWriter>
  #coverage: ReadonlyRangeSet
  #generation: string
  #granted: RangeSet = new RangeSet()
  readonly #tally: Tally
  readonly #onEnd: () => void

  constructor(asset: string, writer: ResourceWriter, tally: Tally, onEnd: () => void) {
    this.asset = asset
    this.#tally = tally
    this.#onEnd = onEnd
    this.#writer = new WeakRef(writer)
    this.#coverage = writer.coverage
    this.#generation = writer.generation
  }

  /** A failed write stays counted until it is repeated or the writer settles: nobody says which range it was. */
  get outstanding(): number {
    this.#look()
    const granted = new RangeSet()
    for (const { start, end } of this.#granted) {
      for (const gap of this.#coverage.gaps(start, end)) granted.insert(gap.start, gap.end)
    }
    this.#replace(granted)
    return granted.size
  }

  /** Bytes that a write of [start, end) adds to what is there and to what it was granted before. */
  need(start: number, end: number): number {
    this.#look()
    let bytes = 0
    for (const gap of this.#coverage.gaps(start, end)) {
      bytes += gap.end - gap.start - this.#granted.count(gap.start, gap.end)
    }
    return bytes
  }

  grant(start: number, end: number): void {
    const before = this.#granted.size
    this.#granted.insert(start, end)
    this.#tally.bytes += this.#granted.size - before
    if (this.#granted.size > 0) this.#tally.granted.add(this)
  }

  /** The writer settled. Calling it again does nothing. */
  end(): void {
    this.#replace(new RangeSet())
    this.#onEnd()
  }

  #replace(granted: RangeSet): void {
    this.#tally.bytes += granted.size - this.#granted.size
    this.#granted = granted
    if (granted.size === 0) this.#tally.granted.delete(this)
  }

  /** A writer that discarded goes on with other coverage, and nothing granted. */
  #look(): void {
    const writer = this.#writer.deref()
    if (writer === undefined || writer.generation === this.#generation) return
    this.#generation = writer.generation
    this.#coverage = writer.coverage
    this.#replace(new RangeSet())
  }
}
