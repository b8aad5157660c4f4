import { LRUCache } from 'lru-cache'
import { AssetRow, RecencyList } from './asset-row.js'
import { BlockMap } from './blocks.js'
import type { ActiveSlot, CommittedSlot, Entry } from './entry.js'
import { blockRecords } from './entry-records.js'
import { customNames, Leaf, sortKey } from './leaf.js'
import { RecentRows } from './recent-rows.js'
import type { IndexRecord, PackedLeaf, Stray } from './record.js'
import { StrayNames } from './stray-names.js'

/** Decoded leaves kept at once: some 16,000 resources. */
const DECODED_LEAVES = 256
/** An asset is hot when it was among the last to be used. */
const HOT_USES = 4096

/** A generation that no entry names yet, or any more: its blocks wait for the record that takes it in. */
interface Unnamed extends Stray {
  readonly source: BlockMap
  readonly output: BlockMap
}

/**
 * The index in memory: a function of the records applied to it, in order. Knows nothing of files, journals or who is
 * asking; both the durable and the volatile index are this plus a log.
 */
export class IndexState {
  readonly rows: Map<string, AssetRow> = new Map()
  readonly recency: RecencyList = new RecencyList()
  readonly #recent = new RecentRows()
  readonly strays: Map<string, Unnamed> = new Map()
  /** Their generations, by asset. */
  readonly #straysByAsset = new Map<string, Set<string>>()
  readonly #strayNames = new Map<string, StrayNames>()
  readonly unproven: Set<string> = new Set()
  /** Rows of which it is on record that they are leased: that they are not any more has to be, too. */
  readonly toldLeased: Set<AssetRow> = new Set()
  /** Damage was found, now or before, and no whole verification has passed since. */
  suspect = false
  /** While a snapshot walks the leaves, none is split or dropped: it would meet resources twice, or never. */
  isHeldInShape = false
  /** While records are replayed no row goes: a lease may have kept one that was empty for a while, with its last use. */
  isReplayed = false
  /** Last record that a leaf loaded from a snapshot reflects. */
  reflected = 0
  /** Monotonic; grows with each use. */
  clock = 0
  /** Assets that hold at least one resource. */
  assetCount = 0
  resourceCount = 0
  /** Bytes of rows, and of what is hidden but not yet unlinked. */
  totalBytes = 0
  /** Bytes of assets that are pinned or leased. */
  pinnedBytes = 0
  /** Keys whose committed record was refused because its blocks were not on record. */
  readonly #refused = new Set<string>()
  /** The buffer that leaves loaded last lie in. */
  #chunk: Uint8Array | undefined
  /** Output blocks of processed generations that are about to be committed. */
  readonly #output = new Map<string, { readonly asset: string; readonly path: string; readonly blocks: BlockMap }>()
  readonly #decoded = new LRUCache<Leaf, true>({
    max: DECODED_LEAVES,
    dispose: (_, leaf, why) => why === 'evict' && leaf.shrink(),
  })

  /** Commits that name nothing, because their blocks were not on record: a sign of a lost frame. */
  get refused(): number {
    return this.#refused.size
  }

  entry(asset: string, path: string): Entry | undefined {
    const row = this.rows.get(asset)
    if (row === undefined || row.resources === 0) return undefined
    return this.#open(row.leafOf(path)).get(path)
  }

  /** Entries whose lower-cased path starts with `prefix` (lower-cased), in order. */
  *under(asset: string, prefix: string): Generator<Entry> {
    const row = this.rows.get(asset)
    if (row === undefined) return
    for (const leaf of row.leavesFrom(prefix)) {
      for (const entry of this.#open(leaf).sorted(prefix)) {
        if (!sortKey(entry.path).startsWith(prefix)) return
        yield entry
      }
    }
  }

  /** Entries in order; `after`: those behind this path, which need not be there any more. */
  *entriesAfter(asset: string, after?: string): Generator<Entry> {
    const from = after === undefined ? '' : sortKey(after)
    for (const leaf of this.rows.get(asset)?.leavesFrom(from) ?? [])
      for (const entry of this.#open(leaf).sorted(from)) if (entry.path !== after) yield entry
  }

  /** Entries that have a file of this name: by their path, or because that one was taken. */
  *entriesNaming(asset: string, name: string): Generator<Entry> {
    const other = this.rows.get(asset)?.names?.get(name.toLowerCase())
    for (const path of other === undefined || other === name ? [name] : [name, other]) {
      const entry = this.entry(asset, path)
      if (entry) yield entry
    }
  }

  /** The asset's row, for who uses it now: those that are used again and again are found sooner. */
  find(asset: string): AssetRow | undefined {
    let row = this.#recent.get(asset)
    if (row !== undefined) return row
    row = this.rows.get(asset)
    if (row !== undefined && this.clock - row.use < HOT_USES) this.#recent.add(row)
    return row
  }

  /** The asset's row, made if need be, at the newest end. */
  row(asset: string): AssetRow {
    let row = this.find(asset)
    if (row === undefined) {
      row = new AssetRow(asset)
      this.rows.set(asset, row)
      this.recency.moveToNewest(row)
    }
    return row
  }

  /** Forgets a row that nothing holds any more. */
  release(row: AssetRow): void {
    if (!row.isEmpty || this.isReplayed || this.rows.get(row.name) !== row) return
    this.rows.delete(row.name)
    this.#recent.delete(row)
    this.recency.remove(row)
  }

  touch(row: AssetRow): void {
    row.use = ++this.clock
    this.recency.moveToNewest(row)
  }

  /** `asset` undefined: bytes that are hidden already but still on the medium. */
  occupy(asset: string | undefined, bytes: number): void {
    this.totalBytes += bytes
    if (asset === undefined) return
    // Bytes of a generation that no entry names yet are the first that is known of an asset.
    const row = bytes > 0 ? this.row(asset) : this.rows.get(asset)
    if (row === undefined) return
    row.bytes += bytes
    if (row.isHeld) this.pinnedBytes += bytes
    this.release(row)
  }

  /** Changes what holds a row through `change`, and keeps the count of held bytes. */
  hold(row: AssetRow, change: (row: AssetRow) => void): void {
    const held = row.isHeld
    change(row)
    if (row.isHeld !== held) this.pinnedBytes += held ? -row.bytes : row.bytes
    this.release(row)
  }

  /** Counts resources that are there but not on record yet. */
  unrecorded(asset: string, change: 1 | -1): void {
    const row = this.row(asset)
    this.#count(row, 0, change)
    this.release(row)
  }

  apply(record: IndexRecord, sequence: number): void {
    switch (record.type) {
      case 'entry':
        return this.#applyEntry(record, sequence)
      case 'blocks':
        return this.#blocksOf(record, sequence)?.apply(record.runs, record.fragments)
      case 'uncover':
        return this.#blocksOf({ ...record, part: 'source' }, sequence)?.uncover(record.start, record.end)
      case 'remove':
        return this.#applyRemove(record, sequence)
      case 'stray':
        return this.#addStray(record.stray)
      case 'swept':
        for (const generation of record.generations) this.#forgetStray(generation)
        return
      case 'use':
        for (const [asset, use] of record.uses) this.#applyUse(asset, use)
        return
      case 'pin':
        return this.hold(this.row(record.asset), (row) => {
          row.pinned = record.pinned
        })
      case 'unproven':
        this.unproven.add(record.session)
        return
      case 'suspect':
        this.suspect = record.suspect
        return
      case 'leases':
        return // Leases die with their process; they are on record for those who look from outside.
      case 'leaves':
        for (const leaf of record.leaves) this.#load(leaf)
        return
    }
  }

  /** The leaf that a snapshot loaded for this key reflects the record already. */
  #reflects(asset: string, path: string, sequence: number): boolean {
    const leaf = sequence > 0 ? this.rows.get(asset)?.leafOf(path) : undefined
    return leaf !== undefined && leaf.asOf >= sequence
  }

  #applyEntry(record: IndexRecord & { type: 'entry' }, sequence: number): void {
    if (this.#reflects(record.asset, record.path, sequence)) {
      for (const stray of record.strays ?? []) this.#addStray(stray)
      for (const slot of [record.committed, record.active]) if (slot) this.#forgetStray(slot.generation)
      return
    }
    const before = this.entry(record.asset, record.path)
    const source = (generation: string) =>
      before?.active?.generation === generation
        ? before.active.source
        : (this.strays.get(generation)?.source ?? new BlockMap())
    for (const stray of record.strays ?? []) this.#addStray(stray, source(stray.generation))
    const active: ActiveSlot | undefined = record.active && {
      ...record.active,
      source: source(record.active.generation),
    }
    const committed = record.committed && this.#withChecksums(record.committed, before, source)
    const id = `${record.asset}/${record.path}`
    if (record.committed && !committed) this.#refused.add(id)
    else this.#refused.delete(id)
    for (const slot of [committed, active]) if (slot) this.#forgetStray(slot.generation)
    if (committed) this.#output.delete(committed.generation)
    this.#set(record.asset, { path: record.path, committed, active }, sequence)
  }

  /** A commit takes its checksums from the blocks recorded before it; without all of them it names nothing. */
  #withChecksums(
    fields: Omit<CommittedSlot, 'checksums'>,
    before: Entry | undefined,
    source: (generation: string) => BlockMap,
  ): CommittedSlot | undefined {
    const { generation, length } = fields
    if (before?.committed?.generation === generation) return { ...fields, checksums: before.committed.checksums }
    const output = this.#output.get(generation)?.blocks ?? this.strays.get(generation)?.output
    const blocks = output && !output.isEmpty ? output : source(generation)
    const checksums = blocks.checksums(length)
    return checksums && { ...fields, checksums }
  }

  #blocksOf(
    record: { asset: string; path: string; generation: string; part: 'source' | 'output' },
    sequence: number,
  ): BlockMap | undefined {
    const row = this.rows.get(record.asset)
    const active = row && this.entry(record.asset, record.path)?.active
    if (active?.generation !== record.generation) return this.strays.get(record.generation)?.[record.part]
    if (this.#reflects(record.asset, record.path, sequence)) return undefined
    if (record.part === 'source') {
      row?.leafOf(record.path).touch(sequence, record.path)
      return active.source
    }
    const output = this.#output.get(record.generation) ?? {
      asset: record.asset,
      path: record.path,
      blocks: new BlockMap(),
    }
    this.#output.set(record.generation, output)
    return output.blocks
  }

  #applyRemove(record: IndexRecord & { type: 'remove' }, sequence: number): void {
    for (const path of record.paths) {
      if (this.#reflects(record.asset, path, sequence)) continue
      this.#refused.delete(`${record.asset}/${path}`)
      const active = this.entry(record.asset, path)?.active
      for (const stray of record.strays)
        if (stray.generation === active?.generation) this.#output.delete(stray.generation)
      this.#set(record.asset, { path, committed: undefined, active: undefined }, sequence)
    }
    for (const stray of record.strays) this.#addStray(stray)
  }

  #addStray(stray: Stray, source = new BlockMap()): void {
    const known = this.strays.get(stray.generation)
    const siblings = this.#straysByAsset.get(stray.asset) ?? new Set()
    this.#straysByAsset.set(stray.asset, siblings.add(stray.generation))
    const names = this.#strayNames.get(stray.asset) ?? new StrayNames()
    this.#strayNames.set(stray.asset, names)
    if (known) names.delete(known)
    names.add(stray)
    this.strays.set(stray.generation, {
      ...stray,
      published: stray.published || (known?.published ?? false),
      source: known?.source ?? source,
      output: known?.output ?? this.#output.get(stray.generation)?.blocks ?? new BlockMap(),
    })
  }

  #forgetStray(generation: string): void {
    const stray = this.strays.get(generation)
    if (stray === undefined) return
    this.strays.delete(generation)
    const siblings = this.#straysByAsset.get(stray.asset)
    siblings?.delete(generation)
    this.#strayNames.get(stray.asset)?.delete(stray)
    if (siblings?.size !== 0) return
    this.#straysByAsset.delete(stray.asset)
    this.#strayNames.delete(stray.asset)
  }

  #applyUse(asset: string, use: number): void {
    this.clock = Math.max(this.clock, use)
    const row = this.row(asset)
    row.use = use
    this.recency.moveToNewest(row)
  }

  #set(asset: string, entry: Entry, sequence: number): void {
    const row = this.row(asset)
    const leaf = this.#open(row.leafOf(entry.path))
    const before = leaf.get(entry.path)
    const gone = entry.committed === undefined && entry.active === undefined
    if (before === undefined && gone) return this.release(row)
    this.#rename(row, before, gone ? undefined : entry)
    if (gone) leaf.delete(entry.path)
    else leaf.set(entry)
    const change = (gone ? 0 : 1) - (before ? 1 : 0)
    leaf.touch(sequence)
    leaf.count += change
    this.#count(row, change)
    if (change !== 0 && !this.isHeldInShape) row.rebalance(leaf)
    if (gone) this.release(row)
  }

  #rename(row: AssetRow, before: Entry | undefined, after: Entry | undefined): void {
    for (const name of before ? customNames(before) : []) row.names?.delete(name.toLowerCase())
    for (const name of after ? customNames(after) : []) {
      row.names ??= new Map()
      row.names.set(name.toLowerCase(), after?.path ?? '')
    }
  }

  #count(row: AssetRow, recorded: number, unrecorded = 0): void {
    const before = row.resources + row.unrecorded
    row.resources += recorded
    row.unrecorded += unrecorded
    const after = row.resources + row.unrecorded
    this.resourceCount += after - before
    this.assetCount += Number(after > 0) - Number(before > 0)
  }

  #load({ asset, first, count, stored, asOf, names, packed }: PackedLeaf): void {
    const row = this.rows.get(asset) ?? this.row(asset)
    // Views would cost a hundred bytes each: only the buffer they share is kept, and where to look.
    if (this.#chunk?.buffer !== packed.buffer) this.#chunk = new Uint8Array(packed.buffer)
    const leaf = new Leaf(first, count, stored, this.#chunk, packed.byteOffset, packed.byteOffset + packed.byteLength)
    leaf.asOf = asOf
    this.reflected = Math.max(this.reflected, asOf)
    // The leaf that a row begins with makes way for the first one, whose key is '' as well. In place: emptied and pushed to,
    // the array would get room for seventeen.
    if (first === '') row.leaves[0] = leaf
    else row.leaves.push(leaf)
    this.#count(row, count)
    for (let i = 0; i + 1 < names.length; i += 2) {
      row.names ??= new Map()
      row.names.set((names[i] as string).toLowerCase(), names[i + 1] as string)
    }
  }

  #open(leaf: Leaf): Leaf {
    if (!leaf.isDecoded || this.#decoded.get(leaf) === undefined) this.#decoded.set(leaf, true)
    return leaf
  }

  /** Whether a stray of another path has the file name `lower`, is a folder above it, or lies below it. */
  isStraysName(asset: string, lower: string, path: string): boolean {
    return this.#strayNames.get(asset)?.isTaken(lower, path) ?? false
  }

  *straysOf(asset: string): Generator<Stray> {
    for (const generation of this.#straysByAsset.get(asset) ?? []) {
      const stray = this.strays.get(generation)
      if (stray) yield stray
    }
  }

  /** All entries of an asset, by up to 64 of them, as they are when each is asked for; for who removes them meanwhile. */
  *leavesOf(asset: string): Generator<readonly Entry[]> {
    for (const leaf of [...(this.rows.get(asset)?.leaves ?? [])]) yield [...this.#open(leaf).entries.values()]
  }

  /** What no leaf holds: generations without an entry, and output blocks of commits under way. */
  *unnamedRecords(): Generator<IndexRecord> {
    for (const { source, output, ...stray } of this.strays.values()) {
      yield { type: 'stray', stray }
      yield* blockRecords(stray.asset, '', stray.generation, 'source', source)
      yield* blockRecords(stray.asset, '', stray.generation, 'output', output)
    }
    for (const [generation, { asset, path, blocks }] of this.#output)
      yield* blockRecords(asset, path, generation, 'output', blocks)
  }

  /** After recovery, once for each row: what it occupies follows from its leaves. */
  count(row: AssetRow): void {
    const before = row.bytes
    row.bytes = row.leaves.reduce((sum, leaf) => sum + leaf.stored, 0)
    this.totalBytes += row.bytes - before
    if (row.isHeld) this.pinnedBytes += row.bytes - before
  }
}
