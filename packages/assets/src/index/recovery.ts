import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Frame } from './frame.js'
import { type FileHeader, MAX_HEADER } from './header.js'
import { IndexState } from './index-state.js'
import {
  type JournalContent,
  type JournalHead,
  journalName,
  listJournals,
  readJournal,
  readJournalHead,
} from './journal.js'
import { Pace } from './pace.js'
import { decodeRecord, fileOf, type RecordFile } from './record.js'
import {
  previousSnapshotName,
  readSnapshot,
  readSnapshotHeader,
  type SnapshotContent,
  snapshotName,
} from './snapshot.js'

export const RECORD_FILES: readonly RecordFile[] = ['pins', 'lru', 'cov']

export interface Recovered {
  readonly state: IndexState
  readonly storeId: Uint8Array
  /** The newest journal of the chain and the last sequence read from it: what the next journal goes on from. */
  readonly tip: { readonly number: number; readonly sequence: number }
  /** No journal has this number or a higher one. */
  readonly nextNumber: number
  /** Damaged or missing records found. */
  readonly dropped: number
  readonly suspect: boolean
  /** Present snapshots that were read whole, with the last sequence each reflects. */
  readonly snapshots: ReadonlyMap<RecordFile, number>
  readonly snapshotBytes: number
  readonly journals: readonly { readonly number: number; readonly bytes: number; readonly last: number }[]
  /** Nothing was there: a new store. */
  readonly isNew: boolean
}

interface Chosen {
  readonly kind: RecordFile
  readonly content: SnapshotContent
  /** Last sequence it reflects. */
  readonly sequence: number
  readonly damaged: boolean
  /** It is the present one, and it is whole: the next snapshot keeps it as its predecessor. */
  readonly isCurrent: boolean
}

/**
 * Rebuilds the index: the newest good snapshot of each kind, then the journals from its number on, along the chain of
 * owners that leads to `session` (of the last one). `holdsFiles`: there are files that records ought to name; an index
 * without any record has lost them. Reads only: nothing is synced, deleted or written here.
 */
export async function recover(dir: string, session: string | undefined, holdsFiles = false): Promise<Recovered> {
  const numbers = await listJournals(dir)
  const current = new Map<RecordFile, SnapshotContent>()
  for (const kind of RECORD_FILES) current.set(kind, await readSnapshot(join(dir, snapshotName(kind)), { kind }))
  const storeId = await findStoreId(dir, [...current.values()], numbers)
  const chosen: Chosen[] = []
  for (const [kind, content] of current) chosen.push(await choose(dir, kind, content, storeId))
  const state = new IndexState()
  state.isReplayed = true
  const from = new Map(chosen.map(({ kind, sequence }) => [kind, sequence]))
  const pace = new Pace()
  let dropped = 0
  // Recency first: assets then stand in order of use, and those without a use on record behind them, as the latest.
  for (const kind of ['lru', 'cov', 'pins'] as const) {
    for (const payload of chosen.find((c) => c.kind === kind)?.content.payloads ?? []) {
      const decoded = decodeRecord(payload)
      if (decoded === undefined) dropped++
      else state.apply(decoded.record, 0)
      if (pace.due) await pace.rest()
    }
  }
  const floor = Math.min(...from.values())
  const heads: JournalHead[] = []
  for (const number of numbers) heads.push(await readJournalHead(dir, number, storeId))
  const chain = await followChain(heads, session, floor, (number) =>
    readJournal(join(dir, journalName(number)), storeId),
  )
  dropped += chosen.filter((c) => c.damaged).length
  let last = floor
  for (const { frames, begins, isDamaged, limit } of chain) {
    // Damage that the snapshots are past has taken nothing.
    if (isDamaged && limit > floor) dropped++
    // What a journal goes on from was there once, whether or not one of its own records says so.
    if (begins > last) dropped += begins - last
    last = Math.max(last, begins)
    for (const { sequence, payload } of frames) {
      if (sequence <= last) continue
      dropped += sequence - last - 1
      last = sequence
      const decoded = decodeRecord(payload)
      // Leaves are for snapshots: over a state that is there already they would be counted twice.
      if (decoded === undefined || decoded.record.type === 'leaves') dropped++
      else if (sequence > (from.get(fileOf(decoded.record)) ?? 0)) state.apply(decoded.record, sequence)
      if (pace.due) await pace.rest()
    }
  }
  // A snapshot is past what is left of the journals: what others of their records said is lost, and no new record may
  // have the number of one that it reflects.
  dropped += Math.max(0, state.reflected - last)
  last = Math.max(last, state.reflected)
  state.isReplayed = false
  for (const row of state.rows.values()) {
    state.release(row)
    state.count(row)
    if (pace.due) await pace.rest()
  }
  const newest = chain[chain.length - 1]
  const isNew = storeId === undefined && numbers.length === 0 && chosen.every((c) => c.content.missing)
  const suspect = dropped > 0 || state.refused > 0 || (isNew && holdsFiles)
  return {
    state,
    storeId: storeId ?? new Uint8Array(randomBytes(16)),
    tip: { number: newest?.number ?? 0, sequence: Math.max(last, floor, ...chosen.map((c) => c.sequence)) },
    nextNumber: (numbers[numbers.length - 1] ?? 0) + 1,
    dropped: dropped + state.refused,
    suspect,
    snapshots: new Map(chosen.filter((c) => c.isCurrent).map((c) => [c.kind, c.sequence])),
    snapshotBytes: chosen.reduce((sum, { content }) => sum + content.bytes, 0),
    // What was not read lies before the snapshots, or on no chain.
    journals: heads.map(({ number, bytes }) => ({ number, bytes, last: lastOf(chain, number) ?? floor })),
    isNew,
  }
}

/** All files of a store carry its id. One brought here from another store must not outvote the others. */
async function findStoreId(
  dir: string,
  snapshots: readonly SnapshotContent[],
  journals: readonly number[],
): Promise<Uint8Array | undefined> {
  const votes = new Map<string, number>()
  const count = (header: FileHeader | undefined): void => {
    const id = header && Buffer.from(header.storeId).toString('hex')
    if (id !== undefined) votes.set(id, (votes.get(id) ?? 0) + 1)
  }
  for (const { header } of snapshots) count(header)
  for (const number of [...journals].reverse()) count((await readJournalHead(dir, number, undefined)).header)
  if (votes.size !== 1) {
    for (const kind of RECORD_FILES) count((await readSnapshot(join(dir, previousSnapshotName(kind)), { kind })).header)
  }
  const [most] = [...votes].sort((a, b) => b[1] - a[1])
  return most && Uint8Array.from(Buffer.from(most[0], 'hex'))
}

async function choose(
  dir: string,
  kind: RecordFile,
  current: SnapshotContent,
  storeId: Uint8Array | undefined,
): Promise<Chosen> {
  const isOurs =
    current.header !== undefined && storeId !== undefined && Buffer.compare(current.header.storeId, storeId) === 0
  if (current.whole && isOurs) {
    const chosen = { kind, content: current, sequence: current.header.sequence, damaged: false }
    const before = await readSnapshotHeader(join(dir, previousSnapshotName(kind)), { storeId, kind })
    if ((before?.sequence ?? 0) <= chosen.sequence) return { ...chosen, isCurrent: true }
  }
  // Either damaged, or older than its predecessor: then it got its name from an owner who had lost the root while he was
  // at that rename, and the journals that it would need may be gone.
  const previous = await readSnapshot(join(dir, previousSnapshotName(kind)), { storeId, kind })
  // The predecessor's journals are kept as long as it is: nothing is lost by going back to it.
  if (previous.whole)
    return { kind, content: previous, sequence: previous.header?.sequence ?? 0, damaged: false, isCurrent: false }
  if (current.missing && previous.missing)
    return { kind, content: current, sequence: 0, damaged: false, isCurrent: false }
  const best = isOurs && current.payloads.length >= previous.payloads.length ? current : previous
  return { kind, content: best, sequence: best.header?.sequence ?? 0, damaged: true, isCurrent: false }
}

interface Link {
  readonly number: number
  readonly frames: readonly Frame[]
  /** Sequence that it goes on from; 0 where its header is lost. */
  readonly begins: number
  /** Last sequence that counts in it. */
  readonly limit: number
  readonly isDamaged: boolean
}

/**
 * The journals that lead to the last owner, oldest first, each cut where its successor says it ended: what a process
 * that had lost its lock still appended is beyond that, or in a journal that nobody goes on from. Those whose records
 * all lie at or before `floor` are not read.
 */
async function followChain(
  heads: readonly JournalHead[],
  session: string | undefined,
  floor: number,
  read: (number: number) => Promise<JournalContent>,
): Promise<Link[]> {
  const links: Link[] = []
  let limit = Number.POSITIVE_INFINITY
  for (let at = newestOf(heads, session); at !== undefined && limit > floor; ) {
    const { number } = at
    const content = await read(number)
    const { header, damage } = content
    const frames = content.frames.filter((frame) => frame.sequence <= limit)
    // A tail cut off at a crash is normal. Behind a known end it is too: its successor wrote those records again.
    const isDamaged = damage === 'middle' || (damage === 'header' && !isUnborn(content))
    links.unshift({ number, frames, begins: header?.sequence ?? 0, limit, isDamaged })
    // With its header lost, a journal goes on from the record before its first.
    limit = Math.min(limit, header ? (header.predecessor?.sequence ?? 0) : (frames[0]?.sequence ?? limit + 1) - 1)
    at = header && header.predecessor === undefined ? undefined : before(heads, at, session)
  }
  return links
}

const lastOf = (chain: readonly Link[], number: number): number | undefined => {
  const link = chain.find((one) => one.number === number)
  return link && (link.frames[link.frames.length - 1]?.sequence ?? 0)
}

/** Its process died before the header was there, and no record comes before that. */
const isUnborn = ({ frames, bytes }: JournalContent): boolean => frames.length === 0 && bytes <= MAX_HEADER

/** The last journal of that owner, or one behind it whose header, and with it its owner, is lost. */
function newestOf(journals: readonly JournalHead[], session: string | undefined): JournalHead | undefined {
  const isOwn = ({ header }: JournalHead) => header?.session === session
  if (session === undefined || !journals.some(isOwn)) return journals[journals.length - 1]
  return journals.filter((journal) => isOwn(journal) || journal.header === undefined).pop()
}

/** The predecessor that the header names; where it or the header is gone, the nearest one before it. */
function before(
  journals: readonly JournalHead[],
  { number, header }: JournalHead,
  session: string | undefined,
): JournalHead | undefined {
  const predecessor = header?.predecessor?.number
  const named = journals.find((journal) => journal.number === predecessor)
  if (named && named.number < number) return named
  const below = journals.filter((journal) => journal.number < (predecessor ?? number) && journal.number < number)
  // One whose owner is lost counts as that owner's where there are others of his: it alone says nothing of him.
  const isOwn = ({ header: of }: JournalHead): boolean => of !== undefined && of.session === session
  if (!below.some(isOwn)) return below.pop()
  return below.filter((journal) => isOwn(journal) || journal.header === undefined).pop()
}
