import fs from 'node:fs/promises'
import { basename, join } from 'node:path'
import { StorageIoError } from '@cistern/storage'
import { attempt, IndexFile, syncDirectory } from './file.js'
import { type Damage, encodeFrames, FRAME_OVERHEAD, type Frame, MAX_PAYLOAD } from './frame.js'
import { FrameFile } from './frame-file.js'
import { encodeHeader, type FileHeader } from './header.js'

export { syncDirectory, syncFile } from './file.js'

// Encoded and written in one go; more goes in several, so that encoding does not hold the event loop.
const WRITE_BYTES = 512 * 1024

/**
 * What changed since the snapshots: append-only, and closed for ever by a failed append or a failed sync, so that a half-written
 * frame is never followed by another, and a sync that failed is never retried into a success.
 */
export class Journal {
  readonly number: number
  readonly path: string
  readonly #file: IndexFile
  readonly #header: FileHeader
  readonly #syncs: boolean
  #size: number
  #appended: number
  #synced: number
  #accepted: number
  #failed: Error | undefined
  #closing: Promise<void> | undefined
  #queue: Promise<void> = Promise.resolve()

  private constructor(file: IndexFile, header: FileHeader, size: number, syncs: boolean) {
    this.number = header.number
    this.path = file.path
    this.#file = file
    this.#header = header
    this.#syncs = syncs
    this.#size = size
    this.#appended = this.#synced = this.#accepted = header.sequence
  }

  /**
   * Creates `journal-<number>.log`. With `sync`, header and directory entry are on the medium before this resolves; without
   * (relaxed mode), nothing here is ever synced. Rejects with StorageIoError or NoSpaceError, leaving no file.
   */
  static async create(dir: string, header: FileHeader, { sync }: { readonly sync: boolean }): Promise<Journal> {
    if (header.kind !== 'journal') throw new TypeError(`a header of kind ${header.kind} for a journal`)
    const bytes = encodeHeader(header)
    const file = await IndexFile.open(join(dir, journalName(header.number)), 'create')
    try {
      await file.write(bytes, 0)
      if (sync) {
        await file.datasync()
        await syncDirectory(dir)
      }
    } catch (error) {
      await file.abandon()
      await fs.unlink(file.path).catch(() => undefined) // without records it is harmless, should it stay
      throw error
    }
    return new Journal(file, header, bytes.length, sync)
  }

  /** Bytes, header included. */
  get size(): number {
    return this.#size
  }

  /** What closed it for ever. */
  get failed(): Error | undefined {
    return this.#failed
  }

  /** The last sequence that was appended; before the first, the one that the header names. */
  get appended(): number {
    return this.#appended
  }

  /** The last sequence that `sync` reported. In relaxed mode that is a promise of nothing. */
  get synced(): number {
    return this.#synced
  }

  /**
   * Appends in one write, or in one for each 512 KiB. Sequences must ascend; payloads are borrowed until this settles.
   * When it rejects with StorageIoError or NoSpaceError, the journal is closed for ever, and all beyond `synced` belongs into the next one.
   */
  async append(records: readonly Frame[]): Promise<void> {
    this.#check(records)
    await this.#enqueue(() => this.#write(records))
  }

  /** Resolves once all that was appended before the call is on the medium; callers at the same time share one fdatasync. */
  sync(): Promise<void> {
    return this.#enqueue(() => this.#datasync())
  }

  /** Closes after what was asked for before; without a sync. A no-op when it is closed. */
  close(): Promise<void> {
    this.#closing ??= this.#queue.then(async () => {
      if (this.#failed === undefined) await this.#file.close()
    })
    return this.#closing
  }

  /** What would be the caller's mistake must not close the journal: it is found before anything is written. */
  #check(records: readonly Frame[]): void {
    let previous = this.#accepted
    for (const { sequence, payload } of records) {
      if (!Number.isSafeInteger(sequence) || sequence <= previous) {
        throw new RangeError(`sequence ${sequence} after ${previous} in ${journalName(this.number)}`)
      }
      if (payload.length > MAX_PAYLOAD) throw new RangeError(`a record of ${payload.length} bytes, over ${MAX_PAYLOAD}`)
      previous = sequence
    }
    if (this.#failed === undefined && this.#closing === undefined) this.#accepted = previous
  }

  async #write(records: readonly Frame[]): Promise<void> {
    for (let from = 0; from < records.length; ) {
      const batch = records.slice(from, endOfBatch(records, from))
      const bytes = encodeFrames(this.#header, batch)
      await this.#file.write(bytes, this.#size)
      this.#size += bytes.length
      this.#appended = batch.at(-1)?.sequence ?? this.#appended
      from += batch.length
    }
  }

  async #datasync(): Promise<void> {
    // Of callers at the same time, the first one's sync covers the others.
    if (this.#appended === this.#synced) return
    if (this.#syncs) await this.#file.datasync()
    this.#synced = this.#appended
  }

  /** One step after another, none after a failure. */
  #enqueue(step: () => Promise<void>): Promise<void> {
    if (this.#closing !== undefined && this.#failed === undefined) {
      return Promise.reject(new StorageIoError(`${this.path} is closed`, { path: this.path }))
    }
    const done = this.#queue.then(async () => {
      if (this.#failed !== undefined) throw this.#failed
      try {
        await step()
      } catch (error) {
        this.#failed = error instanceof Error ? error : new Error(String(error))
        await this.#file.abandon()
        throw this.#failed
      }
    })
    this.#queue = done.catch(() => undefined) // told to whoever asked for the step, and kept in `failed`
    return done
  }
}

/** At least one record, and as many as fit into WRITE_BYTES. */
function endOfBatch(records: readonly Frame[], from: number): number {
  let bytes = 0
  let end = from
  for (; end < records.length; end++) {
    bytes += FRAME_OVERHEAD + (records[end]?.payload.length ?? 0)
    if (bytes > WRITE_BYTES && end > from) break
  }
  return end
}

export function journalName(number: number): string {
  return `journal-${number}.log`
}

/** The number in a journal's file name. */
function journalNumber(name: string): number | undefined {
  const digits = /^journal-(0|[1-9]\d{0,15})\.log$/.exec(name)?.[1]
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : undefined
}

/** Numbers of the journals in a directory, ascending. Rejects with StorageIoError. */
export async function listJournals(dir: string): Promise<number[]> {
  const names = await attempt(dir, 'list', fs.readdir(dir))
  return names
    .map(journalNumber)
    .filter((number) => number !== undefined)
    .sort((a, b) => a - b)
}

/** What a journal says of itself, without its records. */
export interface JournalHead {
  readonly number: number
  /** Undefined when it is damaged, or of another store or another number. */
  readonly header: FileHeader | undefined
  /** Of the file. */
  readonly bytes: number
}

/** Rejects as {@link readJournal} does. */
export async function readJournalHead(
  dir: string,
  number: number,
  storeId: Uint8Array | undefined,
): Promise<JournalHead> {
  const file = await FrameFile.open(join(dir, journalName(number)))
  if (file === undefined) return { number, header: undefined, bytes: 0 }
  try {
    const head = await file.header()
    return { number, header: belongs(head?.header, storeId, number) ? head?.header : undefined, bytes: file.size }
  } finally {
    await file.close()
  }
}

export interface JournalContent {
  /** Undefined when it is damaged, or of another store or another number. */
  readonly header: FileHeader | undefined
  /** With a damaged header, still the frames that the store id and the number in the file's name prove to belong here. */
  readonly frames: readonly Frame[]
  readonly damage: Damage | 'header'
  /** Of the file. */
  readonly bytes: number
}

/**
 * Reads a whole journal. Content never makes it reject: a symlink, a directory, garbage are damage. Rejects with
 * IndexVersionError (nothing may be touched then), and with StorageIoError, also when the file is gone.
 */
export async function readJournal(path: string, storeId: Uint8Array | undefined): Promise<JournalContent> {
  const file = await FrameFile.open(path)
  if (file === undefined) return { header: undefined, frames: [], damage: 'header', bytes: 0 }
  try {
    const number = journalNumber(basename(path))
    const head = await file.header()
    const header = belongs(head?.header, storeId, number) ? head?.header : undefined
    const scope = header ?? (storeId !== undefined && number !== undefined ? { storeId, number } : undefined)
    const frames: Frame[] = []
    if (scope !== undefined) {
      for await (const slice of file.frames(scope, head?.end ?? 0)) for (const frame of slice) frames.push(frame)
    }
    return { header, frames, damage: header === undefined ? 'header' : file.damage, bytes: file.size }
  } finally {
    await file.close()
  }
}

function belongs(header: FileHeader | undefined, storeId: Uint8Array | undefined, number: number | undefined): boolean {
  if (header === undefined || header.kind !== 'journal') return false
  if (number !== undefined && header.number !== number) return false
  return storeId === undefined || Buffer.compare(header.storeId, storeId) === 0
}
