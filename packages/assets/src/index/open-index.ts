import { lstat, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { mapIoError, StorageIoError } from '@cistern/storage'
import { checkOptions, DEFAULTS, INDEX_OPTIONS } from '../options.js'
import type { Durability } from '../types.js'
import { compact } from './compaction.js'
import { errnoOf, syncDirectory, syncFile } from './file.js'
import { FrameFile } from './frame-file.js'
import { journalName } from './journal.js'
import { JournalLog } from './log.js'
import { lockedError } from './owner-record.js'
import { type Ownership, readOwner, takeOwnership } from './ownership.js'
import type { StoreIndex } from './records.js'
import { RECORD_FILES, type Recovered, recover } from './recovery.js'
import { removeStrays, snapshotName } from './snapshot.js'
import { MainIndex } from './store-index.js'

/** Options of {@link openIndex}. */
export interface IndexOptions {
  /** Default `'ordered'`. */
  readonly durability?: Durability | undefined
  /** Milliseconds between flushes while there is something to flush. Default 100. */
  readonly flushMs?: number | undefined
}

/** Journals below this are not worth a snapshot. */
const COMPACT_BYTES = 1024 * 1024
/** Every opening begins a journal: a store that is opened often and changed little should not be read from hundreds. */
const COMPACT_FILES = 32

/**
 * Opens the index in folder `dir`, made if need be, and takes ownership of it: pins, recency and coverage, in snapshots
 * and the journals between them.
 *
 * Rejects with `StoreLockedError` naming the owner, `IndexVersionError` for files of a newer version (nothing is
 * touched), `StorageIoError` where the folder cannot be read or written.
 */
export function openIndex(dir: string, options: IndexOptions = {}): Promise<StoreIndex> {
  return openIndexOver(dir, false, options)
}

/** As `openIndex`. `holdsFiles`: as for `recover`. */
export async function openIndexOver(dir: string, holdsFiles: boolean, options: IndexOptions = {}): Promise<StoreIndex> {
  const { durability = DEFAULTS.durability, flushMs = DEFAULTS.flushMs } = checkOptions(
    'openIndex',
    options,
    INDEX_OPTIONS,
  )
  const began = performance.now()
  await prepareFolder(dir)
  await refuseOtherVersions(dir).catch((error: unknown) => {
    throw mapIoError(error, dir, 'read')
  })
  let index: MainIndex | undefined
  let keeper: IndexKeeper | undefined
  const ownership = await takeOwnership(dir, { onLost: (error) => index?.enter('readonly', error) })
  try {
    const recovered = await recover(dir, ownership.previous?.owner?.session, holdsFiles)
    const recovery = {
      resources: recovered.state.resourceCount,
      droppedRecords: recovered.dropped,
      suspect: recovered.suspect || recovered.state.suspect,
      ms: 0,
    }
    const kept = new IndexKeeper(dir, durability, ownership, recovered, () => index)
    keeper = kept
    index = new MainIndex({
      state: recovered.state,
      log: kept.log,
      session: ownership.session,
      storeId: recovered.storeId,
      durability,
      flushMs,
      recovery,
      check: () => ownership.check(),
      close: () => kept.close(),
    })
    await kept.start(index)
    recovery.ms = performance.now() - began
    return index
  } catch (error) {
    // Why opening failed matters more than what fails after it.
    await keeper?.log.abandon().catch(() => undefined)
    const { lost } = ownership
    await ownership.release().catch(() => undefined)
    if (lost) throw lockedError(dir, await readOwner(dir).catch(() => undefined))
    throw error
  }
}

/** Owns the files of an open index: its journals, when to compact them, and the lock. */
class IndexKeeper {
  readonly log: JournalLog
  readonly #dir: string
  readonly #relaxed: boolean
  readonly #ownership: Ownership
  readonly #recovered: Recovered
  readonly #counted: Map<'pins' | 'lru' | 'cov', number>
  #snapshotBytes: number
  #compacting: Promise<void> | undefined
  /** After a compaction failed, journals grow by as much again before the next is tried. */
  #compactAbove = 0
  #compactAboveFiles = COMPACT_FILES
  /** Until a snapshot is past it, each start would find the same damage again. */
  #isDamaged: boolean
  #closing = false

  constructor(
    dir: string,
    durability: Durability,
    ownership: Ownership,
    recovered: Recovered,
    index: () => MainIndex | undefined,
  ) {
    this.#dir = dir
    this.#relaxed = durability === 'relaxed'
    this.#ownership = ownership
    this.#recovered = recovered
    this.#counted = new Map(recovered.snapshots)
    this.#snapshotBytes = recovered.snapshotBytes
    this.#isDamaged = recovered.suspect
    this.log = new JournalLog({
      dir,
      storeId: recovered.storeId,
      session: ownership.session,
      relaxed: this.#relaxed,
      predecessor: recovered.tip,
      firstNumber: recovered.nextNumber,
      check: () => ownership.check(),
      riders: () => index()?.riders() ?? [],
      onFailure: (error) => index()?.enter(ownership.lost ? 'readonly' : 'degraded', error),
      onRestored: () => index()?.enter('ok'),
      onAppended: () => this.#compactWhenDue(),
    })
    this.log.adopt(recovered.journals)
  }

  async start(index: MainIndex): Promise<void> {
    // What was read becomes the ground that new records stand on: it must not vanish in a power cut.
    if (!this.#relaxed) await this.#syncWhatWasRead()
    await removeStrays(this.#dir, () => this.#ownership.check())
    await this.log.start()
    const { previous } = this.#ownership
    if (previous?.owner && !previous.provedDead) index.record({ type: 'unproven', session: previous.owner.session })
    if (this.#recovered.suspect) index.record({ type: 'suspect', suspect: true })
    // Whoever comes after a crash of this process only knows this process to be dead.
    await this.log.durable(this.log.pushed)
    this.#ownership.check() // of what was lost meanwhile nobody could be told
  }

  async #syncWhatWasRead(): Promise<void> {
    for (const { number } of this.#recovered.journals) await syncFile(join(this.#dir, journalName(number)))
    // Written in relaxed mode, they were never synced.
    for (const kind of this.#recovered.snapshots.keys()) await syncFile(join(this.#dir, snapshotName(kind)))
    await syncDirectory(this.#dir)
  }

  /** What a start would read beyond the snapshots; what their predecessors need does not count. */
  get #bytesToReplay(): number {
    return this.log.bytesBeyond(Math.min(...RECORD_FILES.map((kind) => this.#counted.get(kind) ?? 0)))
  }

  #compactWhenDue(): void {
    const due = Math.max(COMPACT_BYTES, this.#snapshotBytes / 4, this.#compactAbove)
    const isDue = this.#isDamaged || this.#bytesToReplay > due || this.log.files > this.#compactAboveFiles
    if (this.#compacting || this.#closing || !isDue) return
    this.#compacting = this.#compact().finally(() => {
      this.#compacting = undefined
    })
  }

  async #compact(): Promise<void> {
    try {
      this.#snapshotBytes = await compact({
        dir: this.#dir,
        storeId: this.#recovered.storeId,
        session: this.#ownership.session,
        relaxed: this.#relaxed,
        state: this.#recovered.state,
        log: this.log,
        counted: this.#counted,
        check: () => this.#ownership.check(),
      })
      this.#isDamaged = false
      this.#compactAbove = 0
      this.#compactAboveFiles = this.log.files + COMPACT_FILES
    } catch {
      // The snapshots that counted still do, and their journals are there: nothing is lost, only not yet saved.
      this.#isDamaged = false
      this.#compactAbove = this.#bytesToReplay * 2
      this.#compactAboveFiles = this.log.files * 2
    }
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#compacting
    try {
      if (
        this.#ownership.lost === undefined &&
        this.#bytesToReplay > Math.max(COMPACT_BYTES / 4, this.#snapshotBytes / 16)
      ) {
        // The next start reads snapshots faster than it replays journals.
        await this.#compact()
      }
      await (this.#ownership.lost ? this.log.abandon() : this.log.close())
    } finally {
      await this.#ownership.release()
    }
  }
}

async function prepareFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw mapIoError(error, dir, 'create the index folder')
    const stat = await lstat(dir)
    if (!stat.isDirectory())
      throw new StorageIoError(`${dir} is not a folder: an index cannot live there`, { path: dir })
  }
}

/** Before anything is written, the lock included: files of a newer version stay as they are. */
async function refuseOtherVersions(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!/^(journal-\d+\.log|(pins|lru|cov)(\.prev)?\.bin)$/.test(name)) continue
    await refuseOtherVersion(join(dir, name)).catch((error: unknown) => {
      // Its owner has just compacted it away.
      if (errnoOf(error) !== 'ENOENT') throw error
    })
  }
}

async function refuseOtherVersion(path: string): Promise<void> {
  const file = await FrameFile.open(path)
  try {
    await file?.header()
  } finally {
    await file?.close()
  }
}
