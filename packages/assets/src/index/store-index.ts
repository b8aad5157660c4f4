import { createHmac } from 'node:crypto'
import { NotFoundError, RangeSet, type ReadonlyRangeSet } from '@cistern/storage'
import { ResourceKey } from '../key.js'
import { decodeMetadata, encodeMetadata } from '../metadata.js'
import type { AssetStat, Durability, Recovery, ResourceStat } from '../types.js'
import type { AssetRow } from './asset-row.js'
import type { Entry } from './entry.js'
import { Flusher } from './flusher.js'
import type { IndexState } from './index-state.js'
import type { RecordLog } from './log.js'
import { isNameFree } from './names.js'
import type { IndexRecord, Stray } from './record.js'
import type { Flushable, HiddenAsset, LiveView, StoreIndex } from './records.js'

export interface StoreIndexParts {
  readonly state: IndexState
  readonly log: RecordLog
  readonly session: string
  /** Salt of sealed identities. */
  readonly storeId: Uint8Array
  readonly durability: Durability
  readonly flushMs: number
  readonly recovery: Recovery
  check(): void
  /** After the last flush. */
  close(): Promise<void>
}

/** Recency and leases alone force no sync: they ride with the next flush, or go after this long. */
const RIDE_MS = 5000
const USES_PER_RECORD = 1000
/** Sooner when so many assets are to go: to put more of them into records at once would hold the event loop. */
const RIDERS_AT_ONCE = 8 * USES_PER_RECORD

type StateListener = (state: 'degraded' | 'restored' | 'readonly', error: Error | undefined) => void

/** The index that a store works with: state and log, overlaid with what is open now. */
export class MainIndex implements StoreIndex {
  readonly session: string
  readonly durability: Durability
  readonly recovery: Recovery
  readonly #parts: StoreIndexParts
  readonly #state: IndexState
  readonly #log: RecordLog
  readonly #flusher: Flusher
  readonly #live = new Map<string, Map<string, LiveView>>()
  /** Assets whose removal is under way: on record, and seen by nobody. */
  readonly #hidden = new Set<string>()
  /** Ids of resources that are there but not on record yet. */
  readonly #unrecorded = new Set<string>()
  /** Generations that bytes were taken off, with the last record that says so, while that is not durable. */
  readonly #uncovered = new Map<string, number>()
  /** Removals under way. */
  readonly #background = new Set<Promise<void>>()
  readonly #usedRows = new Set<AssetRow>()
  readonly #leasedRows = new Set<AssetRow>()
  readonly #goneListeners = new Set<(key: ResourceKey, generation: string) => void>()
  #stateListener: StateListener = () => undefined
  #status: 'ok' | 'degraded' | 'readonly' = 'ok'
  #generations = 0
  #checked = false
  #rideTimer: NodeJS.Timeout | undefined
  #closed: Promise<void> | undefined

  constructor(parts: StoreIndexParts) {
    this.#parts = parts
    this.#state = parts.state
    this.#log = parts.log
    this.session = parts.session
    this.durability = parts.durability
    this.recovery = parts.recovery
    this.#flusher = new Flusher({ flushMs: parts.flushMs, durable: () => this.durable() })
  }

  // ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get suspect(): boolean {
    return this.#state.suspect
  }
  get assetCount(): number {
    let hidden = 0
    for (const asset of this.#hidden) if (this.#state.rows.get(asset)?.resources) hidden++
    return this.#state.assetCount - hidden
  }
  get resourceCount(): number {
    return this.#state.resourceCount
  }
  get totalBytes(): number {
    return this.#state.totalBytes
  }
  get pinnedBytes(): number {
    return this.#state.pinnedBytes
  }
  get unflushed(): number {
    return this.#flusher.size
  }
  get state(): 'ok' | 'degraded' | 'readonly' {
    return this.#status
  }

  generation(key: ResourceKey): string | undefined {
    const live = this.#liveOf(key)
    if (live) return live.generation
    const entry = this.entry(key)
    return entry?.committed?.generation ?? entry?.active?.generation
  }

  stat(key: ResourceKey): ResourceStat | undefined {
    const live = this.#liveOf(key)
    if (live) return liveStat(key, live)
    const entry = this.entry(key)
    return entry && recordedStat(key, entry)
  }

  assetStat(asset: string): AssetStat | undefined {
    const row = this.#state.rows.get(asset)
    return row && this.#shown(row)
  }

  *assets(): Generator<AssetStat> {
    for (const row of this.#state.recency) {
      const shown = this.#shown(row)
      if (shown) yield shown
    }
  }

  /** Of a hidden asset only what holds its name: pins and leases. */
  #shown(row: AssetRow): AssetStat | undefined {
    if (!this.#hidden.has(row.name)) return assetStat(row)
    return row.isHeld ? { ...assetStat(row), resources: 0 } : undefined
  }

  *resources(asset: string): Generator<ResourceStat> {
    const live = this.#live.get(asset)
    const seen = new Set<string>()
    for (const { path } of [...this.#state.under(asset, '')]) {
      seen.add(path)
      const stat = this.stat(ResourceKey.of(asset, path))
      if (stat) yield stat
    }
    for (const path of [...(live?.keys() ?? [])]) {
      const stat = seen.has(path) ? undefined : this.stat(ResourceKey.of(asset, path))
      if (stat) yield stat
    }
  }

  entry(key: ResourceKey): Entry | undefined {
    return this.#hidden.has(key.asset) ? undefined : this.#state.entry(key.asset, key.path)
  }

  hideAsset(asset: string): HiddenAsset | undefined {
    if (this.#hidden.has(asset) || !this.#state.rows.get(asset)?.resources) return undefined
    this.#hidden.add(asset)
    return {
      leaves: () => this.#state.leavesOf(asset),
      done: () => this.#hidden.delete(asset),
    }
  }

  entries(asset: string, after?: string): Iterable<Entry> {
    return this.#state.entriesAfter(asset, after)
  }

  entriesNaming(asset: string, name: string): Iterable<Entry> {
    return this.#state.entriesNaming(asset, name)
  }

  isNameFree(key: ResourceKey, name: string): boolean {
    return isNameFree(this.#state, key.asset, key.path, name)
  }

  strays(asset?: string): Iterable<Stray> {
    return asset === undefined ? this.#state.strays.values() : this.#state.straysOf(asset)
  }

  pinned(asset: string): boolean {
    return this.#state.rows.get(asset)?.pinned ?? false
  }

  unproven(session: string): boolean {
    return this.#state.unproven.has(session)
  }

  seal(identity: string): string {
    return createHmac('sha256', this.#parts.storeId).update(identity).digest('base64url').slice(0, 22)
  }

  // ── recording ────────────────────────────────────────────────────────────────────────────────────────────────────

  nextGeneration(): string {
    return `${this.session}-${(++this.#generations).toString(36)}`
  }

  record(record: IndexRecord): number {
    this.#state.apply(record, this.#log.pushed + 1)
    // After that: an asset whose only resource was counted as unrecorded must not be forgotten in between.
    if (record.type === 'entry') this.#recorded(record.asset, record.path)
    const sequence = this.#log.push(record)
    if (record.type === 'uncover') this.#uncovered.set(record.generation, sequence)
    this.#ride()
    return sequence
  }

  durable(sequence: number = this.#log.pushed): Promise<void> {
    const done = this.#log.durable(sequence)
    return this.#uncovered.size === 0 ? done : done.then(() => this.#forgetUncovered(sequence))
  }

  uncovered(generation: string): Promise<void> | undefined {
    const sequence = this.#uncovered.get(generation)
    return sequence === undefined ? undefined : this.durable(sequence)
  }

  #forgetUncovered(durable: number): void {
    for (const [generation, sequence] of this.#uncovered) if (sequence <= durable) this.#uncovered.delete(generation)
  }

  appended(sequence: number = this.#log.pushed): Promise<void> {
    return this.#log.appended(sequence)
  }

  check(): void {
    this.#parts.check()
  }

  attach(key: ResourceKey, live: LiveView): void {
    let byPath = this.#live.get(key.asset)
    if (byPath === undefined) {
      byPath = new Map()
      this.#live.set(key.asset, byPath)
    }
    byPath.set(key.path, live)
    if (this.#unrecorded.has(key.id) || this.entry(key) !== undefined) return
    this.#unrecorded.add(key.id)
    this.#state.unrecorded(key.asset, 1)
  }

  detach(key: ResourceKey, live: LiveView): void {
    const byPath = this.#live.get(key.asset)
    if (byPath?.get(key.path) !== live) return
    byPath.delete(key.path)
    if (byPath.size === 0) this.#live.delete(key.asset)
    this.#recorded(key.asset, key.path)
  }

  #recorded(asset: string, path: string): void {
    if (this.#unrecorded.size > 0 && this.#unrecorded.delete(`${asset}/${path}`)) this.#state.unrecorded(asset, -1)
  }

  occupy(asset: string | undefined, bytes: number): void {
    this.#state.occupy(asset, bytes)
  }

  dirty(flushable: Flushable, instead?: Flushable): void {
    this.#flusher.add(flushable, instead)
  }

  clean(flushable: Flushable): void {
    this.#flusher.forget(flushable)
  }

  flush(thorough: boolean): Promise<void> {
    return this.#flusher.flush(thorough)
  }

  during(work: Promise<void>): void {
    this.#background.add(work)
    void work.finally(() => this.#background.delete(work))
  }

  gone(key: ResourceKey, generation: string): void {
    for (const listener of this.#goneListeners) listener(key, generation)
  }

  onGone(listener: (key: ResourceKey, generation: string) => void): () => void {
    this.#goneListeners.add(listener)
    return () => this.#goneListeners.delete(listener)
  }

  // ── using and pinning ────────────────────────────────────────────────────────────────────────────────────────────

  touch(asset: string): void {
    const row = this.#state.find(asset)
    if (row === undefined) return
    this.#state.touch(row)
    this.#usedRows.add(row)
    this.#ride()
  }

  holdLease(asset: string): () => void {
    const row = this.#state.row(asset)
    this.#changeLease(row, 1)
    let held = true
    return () => {
      if (held) this.#changeLease(row, -1)
      held = false
    }
  }

  #changeLease(row: AssetRow, change: 1 | -1): void {
    this.#leasedRows.add(row)
    this.#state.hold(row, () => {
      row.leases += change
    })
    this.#ride()
  }

  /** Once for all that is recorded in one step: the journal's batch looks again before it writes, and after it. */
  #checkOnce(): void {
    if (this.#checked) return
    this.check()
    this.#checked = true
    queueMicrotask(() => {
      this.#checked = false
    })
  }

  pin(asset: string): Promise<void> {
    this.#checkOnce()
    return this.durable(this.record({ type: 'pin', asset, pinned: true }))
  }

  unpin(asset: string): Promise<void> {
    this.#checkOnce()
    return this.durable(this.record({ type: 'pin', asset, pinned: false }))
  }

  async setMetadata(key: ResourceKey, metadata: object): Promise<void> {
    const encoded = encodeMetadata(metadata)
    this.#checkOnce()
    const live = this.#liveOf(key)
    if (live) live.setMetadata(encoded)
    else this.#setRecordedMetadata(key, encoded)
    await (this.durability === 'strict' ? this.durable() : this.appended(this.#log.pushed))
  }

  #setRecordedMetadata(key: ResourceKey, metadata: Uint8Array): void {
    const entry = this.entry(key)
    if (entry === undefined)
      throw new NotFoundError(`${key.id} is not in the store: there is nothing to set metadata of`)
    const { committed, active } = entry
    this.record({
      type: 'entry',
      asset: key.asset,
      path: key.path,
      committed: committed && { ...committed, metadata },
      active: active && (committed ? active : { ...active, metadata }),
    })
  }

  /** Recency and leases that changed since they were last recorded. */
  riders(): IndexRecord[] {
    clearTimeout(this.#rideTimer)
    this.#rideTimer = undefined
    const alive = (rows: Set<AssetRow>) => [...rows].filter((row) => this.#state.recency.has(row))
    // In order of use: replaying them must leave the same order.
    const uses = alive(this.#usedRows)
      .map((row) => [row.name, row.use] as const)
      .sort((a, b) => a[1] - b[1])
    const counts = [...this.#leasedRows]
      .filter((row) => this.#isNews(row))
      .map((row) => [row.name, row.leases] as const)
    this.#usedRows.clear()
    this.#leasedRows.clear()
    const records: IndexRecord[] = []
    for (let i = 0; i < uses.length; i += USES_PER_RECORD)
      records.push({ type: 'use', uses: uses.slice(i, i + USES_PER_RECORD) })
    for (let i = 0; i < counts.length; i += USES_PER_RECORD)
      records.push({ type: 'leases', counts: counts.slice(i, i + USES_PER_RECORD) })
    return records
  }

  /** Leased and given back in between, it is none. */
  #isNews(row: AssetRow): boolean {
    const { toldLeased } = this.#state
    if (row.leases === 0) return toldLeased.delete(row)
    toldLeased.add(row)
    return true
  }

  #sendRiders(): void {
    for (const rider of this.riders()) this.#log.push(rider) // in memory they stand already
    this.appended(this.#log.pushed).catch(() => undefined) // reported as `degraded`
  }

  #ride(): void {
    if (this.#closed !== undefined) return
    if (Math.max(this.#usedRows.size, this.#leasedRows.size) >= RIDERS_AT_ONCE) return this.#sendRiders()
    if (this.#rideTimer !== undefined) return
    this.#rideTimer = setTimeout(() => this.#sendRiders(), RIDE_MS)
    this.#rideTimer.unref()
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  onState(listener: StateListener): void {
    this.#stateListener = listener
  }

  /** Told by the log and the ownership. */
  enter(status: 'ok' | 'degraded' | 'readonly', error?: Error): void {
    if (this.#status === status || this.#status === 'readonly') return
    this.#status = status
    this.#stateListener(status === 'ok' ? 'restored' : status, error)
  }

  async checkpoint(): Promise<void> {
    this.check()
    await this.flush(true)
    // What was unlinked meanwhile is on record too.
    await Promise.all(this.#background)
    await this.durable()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    try {
      if (this.#status !== 'readonly') await this.flush(true)
    } finally {
      this.#flusher.stop()
      clearTimeout(this.#rideTimer)
      await this.#parts.close()
    }
  }

  #liveOf(key: ResourceKey): LiveView | undefined {
    return this.#live.get(key.asset)?.get(key.path)
  }
}

const assetStat = (row: AssetRow): AssetStat => ({
  asset: row.name,
  bytes: row.bytes,
  resources: row.resources + row.unrecorded,
  pinned: row.pinned,
  leases: row.leases,
})

function liveStat(key: ResourceKey, live: LiveView): ResourceStat {
  const { generation, state, writing, readers, length, coverage, received, committedAt, processor, metadata } = live
  const storedBytes = coverage.size + (received === coverage ? 0 : received.size)
  return {
    key,
    generation,
    state,
    writing,
    readers,
    length,
    coverage,
    received,
    storedBytes,
    committedAt,
    processor,
    metadata: metadata && decodeMetadata(metadata),
  }
}

function recordedStat(key: ResourceKey, entry: Entry): ResourceStat {
  const slot = entry.committed ?? entry.active
  const received = entry.committed ? whole(entry.committed.length) : (entry.active?.source.coverage() ?? new RangeSet())
  // What was recorded of a processed resource is its source; its readable bytes are made anew by whoever goes on.
  const coverage: ReadonlyRangeSet = !entry.committed && slot?.processor !== undefined ? new RangeSet() : received
  return {
    key,
    generation: slot?.generation ?? '',
    state: entry.committed ? 'committed' : 'active',
    writing: false,
    readers: 0,
    length: entry.committed?.length ?? (slot?.processor === undefined ? entry.active?.length : undefined),
    coverage,
    received,
    storedBytes: received.size,
    committedAt: entry.committed && new Date(entry.committed.committedAt),
    metadata: slot?.metadata && decodeMetadata(slot.metadata),
    processor: slot?.processor,
  }
}

function whole(length: number): RangeSet {
  const covered = new RangeSet()
  if (length > 0) covered.insert(0, length)
  return covered
}
