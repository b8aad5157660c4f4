import fs from 'node:fs'
import { mapIoError, StorageIoError } from '@cistern/storage'

// Absent on Windows, where opening a symlink cannot be refused this way.
const NOFOLLOW = (fs.constants.O_NOFOLLOW as number | undefined) ?? 0
const NONBLOCK = (fs.constants.O_NONBLOCK as number | undefined) ?? 0
const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_EXCL } = fs.constants

type Purpose = 'read' | 'sync' | 'create'

const FLAGS: Readonly<Record<Purpose, number>> = {
  // A pipe in the place of a file must not make the open wait for its other end.
  read: O_RDONLY | NOFOLLOW | NONBLOCK,
  sync: O_RDWR | NOFOLLOW | NONBLOCK,
  create: O_WRONLY | O_CREAT | O_EXCL | NOFOLLOW,
}

/** An open file of the index: a bare descriptor, whose calls do all or reject with a mapped error. */
export class IndexFile {
  readonly path: string
  readonly #fd: number

  private constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  /** `create` fails on whatever is there already; no purpose follows a symlink. */
  static async open(path: string, purpose: Purpose): Promise<IndexFile> {
    const fd = await call<number>(path, 'open', (done) => fs.open(path, FLAGS[purpose], 0o600, done))
    return new IndexFile(path, fd)
  }

  /** The size in bytes; undefined when this is no regular file. */
  async size(): Promise<number | undefined> {
    const stats = await call<fs.Stats>(this.path, 'stat', (done) => fs.fstat(this.#fd, done))
    return stats.isFile() ? stats.size : undefined
  }

  /** Fills `target` from `position` on; returns fewer bytes only at the end of the file. */
  async read(target: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      const got = await call<number>(this.path, 'read', (done) =>
        fs.read(this.#fd, target, filled, target.length - filled, position + filled, done),
      )
      if (got === 0) break
      filled += got
    }
    return filled
  }

  /** Writes all of `bytes`: a short write is gone on with. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    let written = 0
    while (written < bytes.length) {
      const took = await call<number>(this.path, 'write', (done) =>
        fs.write(this.#fd, bytes, written, bytes.length - written, position + written, done),
      )
      if (took === 0) throw new StorageIoError(`cannot write ${this.path}: no bytes were taken`, { path: this.path })
      written += took
    }
  }

  async datasync(): Promise<void> {
    await call<void>(this.path, 'fdatasync', (done) => fs.fdatasync(this.#fd, done))
  }

  /** To be called once, after the last operation ended. */
  async close(): Promise<void> {
    await call<void>(this.path, 'close', (done) => fs.close(this.#fd, done))
  }

  /** Closes after a failure that is already on its way to the caller, and that a second one must not hide. */
  async abandon(): Promise<void> {
    await this.close().catch(() => undefined)
  }
}

// ELOOP, EMLINK (FreeBSD): a symlink. EISDIR, ENXIO, EOPNOTSUPP: a directory, a device or a socket that cannot be opened.
const NO_FILE = new Set(['ELOOP', 'EMLINK', 'EISDIR', 'ENXIO', 'EOPNOTSUPP'])

/** Opens what is there; undefined when that is a symlink, or nothing that can be opened as a file. */
export async function openIfFile(path: string, purpose: 'read' | 'sync'): Promise<IndexFile | undefined> {
  try {
    return await IndexFile.open(path, purpose)
  } catch (error) {
    if (NO_FILE.has(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

/** Syncs what a file holds, whoever wrote it; a symlink, a directory or a pipe in its place is passed over, as by reading. Rejects with StorageIoError. */
export async function syncFile(path: string): Promise<void> {
  const file = await openIfFile(path, 'sync')
  if (file === undefined) return
  try {
    if ((await file.size()) !== undefined) await file.datasync()
  } catch (error) {
    await file.abandon()
    throw error
  }
  await file.close()
}

// Windows opens no directory (EISDIR, EPERM), and some file systems sync none (EINVAL): there the entry is as durable as it gets.
const NO_DIRECTORY_SYNC = new Set(['EINVAL', 'EPERM', 'EISDIR'])

/** Makes the entries of a directory durable: files created, linked, renamed and unlinked in it. Rejects with StorageIoError. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const fd = await call<number>(path, 'open', (done) => fs.open(path, O_RDONLY, done))
    try {
      await call<void>(path, 'fsync', (done) => fs.fsync(fd, done))
    } finally {
      await call<void>(path, 'close', (done) => fs.close(fd, done))
    }
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has(errnoOf(error) ?? '')) throw error
  }
}

/** The system's code (`ENOENT`) of an error, mapped or not. */
export function errnoOf(error: unknown): string | undefined {
  const origin = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return origin instanceof Error ? (origin as NodeJS.ErrnoException).code : undefined
}

/** Runs one step of `node:fs/promises`; what it rejects with names path and step. */
export async function attempt<T>(path: string, what: string, step: Promise<T>): Promise<T> {
  try {
    return await step
  } catch (error) {
    throw mapIoError(error, path, what)
  }
}

type Done<T> = (error: NodeJS.ErrnoException | null, result?: T) => void

function call<T>(path: string, what: string, begin: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    begin((error, result) => (error ? reject(mapIoError(error, path, what)) : resolve(result as T)))
  })
}
