import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { AssetRow } from './asset-row.js'
import { entryRecords } from './entry-records.js'
import { errnoOf } from './file.js'
import type { IndexState } from './index-state.js'
import { journalName } from './journal.js'
import type { Leaf } from './leaf.js'
import type { JournalLog } from './log.js'
import { Pace } from './pace.js'
import { encodeRecord, type IndexRecord, type PackedLeaf, type RecordFile } from './record.js'
import { RECORD_FILES } from './recovery.js'
import { writeSnapshot } from './snapshot.js'

export interface CompactionSource {
  readonly dir: string
  readonly storeId: Uint8Array
  readonly session: string
  readonly relaxed: boolean
  readonly state: IndexState
  readonly log: JournalLog
  /** Present snapshots that count, with the sequence each reflects; updated as new ones do. */
  readonly counted: Map<RecordFile, number>
  check(): void
}

/** Assets that are looked at between two looks at the clock. */
const ROWS_AT_ONCE = 256

/** Payloads stay well below a frame's limit; names come on top. */
const PAYLOAD_BYTES = 128 * 1024

/**
 * Writes the three snapshots and deletes the journals that neither they nor their predecessors need. Returns the bytes
 * written. What it encodes is in the journals already, and they are synced before a snapshot takes its name.
 */
export async function compact(source: CompactionSource): Promise<number> {
  const { dir, storeId, session, relaxed, log, counted } = source
  const sequence = await log.rotate()
  const needed = Math.min(...RECORD_FILES.map((kind) => counted.get(kind) ?? 0))
  let bytes = 0
  for (const kind of RECORD_FILES) {
    source.check()
    // Until the new one has been read back, none of this kind counts: it must not become the predecessor.
    const protect = counted.delete(kind)
    const header = { kind, storeId, session, sequence, number: sequence } as const
    const written = await writeSnapshot(dir, header, payloads(kind, source, sequence), {
      sync: !relaxed,
      protect,
      check: () => source.check(),
      beforeRename: () => log.durable(log.pushed),
    })
    counted.set(kind, sequence)
    bytes += written.bytes
  }
  for (const number of log.dropBefore(needed)) {
    source.check()
    // Nothing that looks first, as `rm` does: what it looked at may be another owner's by then.
    await unlink(join(dir, journalName(number))).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error
    })
  }
  return bytes
}

async function* payloads(kind: RecordFile, source: CompactionSource, sequence: number): AsyncGenerator<Uint8Array> {
  const records =
    kind === 'cov' ? coverage(source, sequence) : kind === 'lru' ? recency(source.state) : pins(source.state)
  source.state.isHeldInShape = true
  try {
    for await (const record of records) yield encodeRecord(record, source.session)
  } finally {
    source.state.isHeldInShape = false
  }
}

/**
 * Strays first, then the leaves: whatever became of a generation in between, a replay finds it where the journal takes it
 * on. Each leaf says up to which record it is: blocks that are in it as a commit's checksums cannot be replayed again.
 */
async function* coverage({ state, log }: CompactionSource, sequence: number): AsyncGenerator<IndexRecord> {
  await log.appended(log.pushed)
  yield* state.unnamedRecords()
  const group = new LeafGroup()
  const pace = new Pace() // what fills one group may be the work of many leaves
  // The assets of now: those that come while this runs are in the journal, and are replayed over the snapshot.
  for (const row of [...state.rows.values()]) {
    for (const leaf of row.leaves) {
      if (leaf.count === 0) continue
      while (leaf.sequence > log.appendedSequence) await log.appended(leaf.sequence)
      const packed = packedLeaf(row, leaf, sequence, log.pushed)
      const isLarge = sizeOf(packed) > PAYLOAD_BYTES
      if (!group.isEmpty && (isLarge || group.bytes + sizeOf(packed) > PAYLOAD_BYTES)) yield group.take()
      if (isLarge) yield* spelledOut(row, leaf, packed)
      else group.add(packed)
      if (pace.due) await pace.rest()
    }
  }
  if (!group.isEmpty) yield group.take()
}

/** Leaves that share a frame. */
class LeafGroup {
  bytes = 0
  #leaves: PackedLeaf[] = []

  get isEmpty(): boolean {
    return this.#leaves.length === 0
  }

  add(leaf: PackedLeaf): void {
    this.#leaves.push(leaf)
    this.bytes += sizeOf(leaf)
  }

  take(): IndexRecord {
    const leaves = this.#leaves
    this.#leaves = []
    this.bytes = 0
    return { type: 'leaves', leaves }
  }
}

const sizeOf = ({ asset, first, names, packed }: PackedLeaf): number =>
  names.reduce((sum, name) => sum + name.length + 3, asset.length + first.length + 32) + packed.byteLength

function packedLeaf(row: AssetRow, leaf: Leaf, sequence: number, pushed: number): PackedLeaf {
  const packed = leaf.packed()
  const isPacked = !leaf.isDecoded
  const names = row.names === undefined ? [] : leaf.names()
  if (isPacked) leaf.shrink() // the LRU of decoded leaves knows nothing of it
  const asOf = leaf.sequence > sequence ? pushed : 0
  return { asset: row.name, first: leaf.first, count: leaf.count, stored: leaf.stored, asOf, names, packed }
}

/** Resources of many gigabytes: their checksums fill frames of their own, behind an empty leaf that takes them in. */
function spelledOut({ name }: AssetRow, leaf: Leaf, packed: PackedLeaf): IndexRecord[] {
  const empty = { ...packed, count: 0, stored: 0, names: [], packed: new Uint8Array() }
  return [{ type: 'leaves', leaves: [empty] }, ...leaf.sorted().flatMap((entry) => [...entryRecords(name, entry)])]
}

function* recency(state: IndexState): Generator<IndexRecord> {
  let uses: (readonly [string, number])[] = []
  for (const row of state.recency) {
    uses.push([row.name, row.use])
    if (uses.length < 1000) continue
    yield { type: 'use', uses }
    uses = []
  }
  yield { type: 'use', uses }
}

async function* pins(state: IndexState): AsyncGenerator<IndexRecord> {
  if (state.suspect) yield { type: 'suspect', suspect: true }
  for (const session of state.unproven) yield { type: 'unproven', session }
  let counts: (readonly [string, number])[] = []
  const pace = new Pace()
  let looked = 0
  for (const row of state.rows.values()) {
    if (++looked % ROWS_AT_ONCE === 0 && pace.due) await pace.rest() // few of very many may be pinned
    if (row.pinned) yield { type: 'pin', asset: row.name, pinned: true }
    if (row.leases > 0) {
      state.toldLeased.add(row)
      counts.push([row.name, row.leases])
    }
    if (counts.length < 1000) continue
    yield { type: 'leases', counts }
    counts = []
  }
  if (counts.length > 0) yield { type: 'leases', counts }
}
