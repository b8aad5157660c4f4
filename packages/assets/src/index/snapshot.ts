import fs from 'node:fs/promises'
import { join } from 'node:path'
import { StorageIoError } from '@cistern/storage'
import writeFileAtomic from 'write-file-atomic'
import { attempt, errnoOf, IndexFile, syncDirectory } from './file.js'
import { FrameFile } from './frame-file.js'
import { encodeHeader, type FileHeader } from './header.js'
import { CHUNK_BYTES, PayloadCount, SnapshotEncoder } from './snapshot-encoder.js'
import { clearTheWay, keepPrevious, type SnapshotKind, snapshotName, temporaryName } from './snapshot-place.js'

export { previousSnapshotName, removeStrays, snapshotName } from './snapshot-place.js'

// write-file-atomic takes one buffer, and a large one holds the event loop.
const ATOMIC_BYTES = 4 * 1024 * 1024

export interface WriteSnapshotOptions {
  /** false: nothing is synced (relaxed mode). */
  readonly sync: boolean
  readonly signal?: AbortSignal | undefined
  /** Awaited before the new file takes its name: the journals are synced past what it reflects. */
  readonly beforeRename?: (() => Promise<void>) | undefined
  /** Asked in the very step of each rename. Throws when another process owns the root by now. */
  readonly check?: (() => void) | undefined
  /** The present snapshot counts (it was read back whole): it stays as `*.prev.bin`. Without, an older `prev` stays. */
  readonly protect?: boolean | undefined
}

/**
 * Writes `<kind>.bin`, which gets its name once it has been read back whole: what a full disk cut short never has it. Each payload becomes one frame, of at most MAX_PAYLOAD bytes, and is
 * copied before the next is asked for. Rejects with StorageIoError or NoSpaceError, with the signal's reason, and with what `payloads` or
 * `beforeRename` threw; when the directory could not be synced, the new file has its name all the same, and does not count.
 */
export async function writeSnapshot(
  dir: string,
  header: FileHeader,
  payloads: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { sync, signal, beforeRename, check, protect = false }: WriteSnapshotOptions,
): Promise<{ bytes: number }> {
  signal?.throwIfAborted()
  const { kind } = header
  if (kind === 'journal') throw new TypeError('a header of kind journal for a snapshot')
  const path = join(dir, snapshotName(kind))
  await clearTheWay(path, check)
  if (protect) await keepPrevious(dir, kind, sync, check)

  const encoder = new SnapshotEncoder(header)
  const held: Buffer[] = []
  // Writing takes long enough to lose the root meanwhile: the bytes wait under a name of their own for the last look.
  const temporary = temporaryName(path)
  let stream: TemporaryFile | undefined
  try {
    for await (const chunk of encoder.chunks(payloads)) {
      signal?.throwIfAborted()
      held.push(chunk)
      if (encoder.bytes > ATOMIC_BYTES) stream ??= await TemporaryFile.create(temporary)
      if (stream === undefined) continue
      for (const bytes of held.splice(0)) {
        await stream.write(bytes)
        encoder.recycle(bytes)
      }
    }
    if (stream !== undefined) await stream.finish(sync)
    else {
      const written = writeFileAtomic(temporary, Buffer.concat(held), { mode: 0o600, chown: false, fsync: sync })
      await attempt(path, 'write', written)
    }
    await checkWhole(temporary, header, encoder)
    await beforeRename?.()
    check?.()
    await attempt(path, 'rename', fs.rename(temporary, path))
  } catch (error) {
    await stream?.abandon()
    // A second failure must not hide the first: what stays is a stray of the next start.
    await fs.unlink(temporary).catch(() => undefined)
    throw error
  }
  if (sync) await syncDirectory(dir)
  return { bytes: encoder.bytes }
}

export interface SnapshotContent {
  /** Undefined when it is damaged, or not of the store or the kind that was asked for. */
  readonly header?: FileHeader | undefined
  /** Of the good frames, in order: views into few large buffers. */
  readonly payloads: Uint8Array[]
  /** Nothing is damaged, cut off, missing or too much. */
  readonly whole: boolean
  /** There is no file. */
  readonly missing: boolean
  /** Of the file. */
  readonly bytes: number
}

/** What a snapshot has to be of. */
interface SnapshotOrigin {
  readonly storeId?: Uint8Array | undefined
  readonly kind?: SnapshotKind | undefined
}

/**
 * Reads a snapshot. Content never makes it reject: a symlink, a directory, garbage are damage. Rejects with IndexVersionError (nothing
 * may be touched then) and with StorageIoError.
 */
export async function readSnapshot(path: string, expected: SnapshotOrigin = {}): Promise<SnapshotContent> {
  const file = await openUnlessMissing(path)
  if (file === 'missing') return { payloads: [], whole: false, missing: true, bytes: 0 }
  if (file === undefined) return { payloads: [], whole: false, missing: false, bytes: 0 }
  try {
    const bytes = file.size
    const head = await file.header()
    if (head === undefined || !belongs(head.header, expected))
      return { payloads: [], whole: false, missing: false, bytes }
    const payloads: Uint8Array[] = []
    const counted = new PayloadCount()
    for await (const frames of file.frames(head.header, head.end)) {
      for (const frame of frames) if (counted.takes(frame)) payloads.push(frame.payload)
    }
    const whole = counted.full && file.damage === 'none'
    return { header: head.header, payloads, whole, missing: false, bytes }
  } finally {
    await file.close()
  }
}

/** What a snapshot says of itself; undefined where there is none, or none that {@link readSnapshot} would take. Rejects as that does. */
export async function readSnapshotHeader(path: string, expected: SnapshotOrigin): Promise<FileHeader | undefined> {
  const file = await openUnlessMissing(path)
  if (file === 'missing' || file === undefined) return undefined
  try {
    const head = await file.header()
    return belongs(head?.header, expected) ? head?.header : undefined
  } finally {
    await file.close()
  }
}

/** A snapshot above ATOMIC_BYTES, until it gets its name. */
class TemporaryFile {
  readonly #file: IndexFile
  #open = true
  #position = 0

  private constructor(file: IndexFile) {
    this.#file = file
  }

  static async create(path: string): Promise<TemporaryFile> {
    return new TemporaryFile(await IndexFile.open(path, 'create'))
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#file.write(bytes, this.#position)
    this.#position += bytes.length
  }

  async finish(sync: boolean): Promise<void> {
    if (sync) await this.#file.datasync()
    this.#open = false
    await this.#file.close()
  }

  /** After a failure. */
  async abandon(): Promise<void> {
    if (this.#open) await this.#file.abandon()
  }
}

/** Reads a snapshot back and checks that it is the one just written, to its last byte. */
async function checkWhole(path: string, header: FileHeader, written: SnapshotEncoder): Promise<void> {
  const file = await FrameFile.open(path)
  try {
    const head = await file?.header()
    const counted = new PayloadCount()
    if (file !== undefined && head !== undefined && isSameFile(head.header, header)) {
      const slices = file.frames(header, head.end, { reuse: true, readBytes: CHUNK_BYTES })
      for await (const frames of slices) for (const frame of frames) counted.takes(frame)
      if (counted.full && counted.count === written.count && file.damage === 'none' && file.size === written.bytes)
        return
    }
    throw new StorageIoError(`${path} was written, and is not whole when read back`, { path })
  } finally {
    await file?.close()
  }
}

function isSameFile(a: FileHeader, b: FileHeader): boolean {
  return Buffer.compare(encodeHeader(a), encodeHeader(b)) === 0
}

function belongs(header: FileHeader | undefined, { storeId, kind }: SnapshotOrigin): boolean {
  if (header === undefined || (kind !== undefined && header.kind !== kind)) return false
  return storeId === undefined || Buffer.compare(header.storeId, storeId) === 0
}

async function openUnlessMissing(path: string): Promise<FrameFile | undefined | 'missing'> {
  try {
    return await FrameFile.open(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'missing'
    throw error
  }
}
