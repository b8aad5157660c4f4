import fs from 'node:fs'
import type { Driver } from './driver.js'
import { mapIoError, StorageIoError } from './errors.js'
import { readGate } from './read-gate.js'

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants
// Not on Windows. O_NONBLOCK: opening a FIFO must not hang; it means nothing to a regular file.
const guard = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)

/** Most that one system call takes. */
const callBytes = 2 ** 30

type Callback = (error: NodeJS.ErrnoException | null, bytes: number) => void

/**
 * One sparse file with positional reads and writes, straight on the raw descriptor (a FileHandle costs twice as much).
 * The descriptor is closed only after its last operation ended: a queued read on a number that was given out
 * again would read another file.
 */
export class FileDriver implements Driver {
  /** The descriptor; its number means another file once the driver is closed. */
  readonly fd: number
  #path: string
  /** Where the file ends, NaN where that is not certain. Nobody else writes to a file created here. */
  #extent = Number.NaN
  #inFlight = 0
  #closing: Promise<void> | undefined
  #lastEnded: (() => void) | undefined
  /** Closing it takes a microsecond: there is nothing to write back, and no file that goes with it. */
  #closesAtOnce: boolean

  private constructor(fd: number, path: string, readOnly = false) {
    this.fd = fd
    this.#path = path
    this.#closesAtOnce = readOnly
  }

  /** Creates a file that must not exist yet, for its owner alone (0600). Throws StorageIoError, NoSpaceError. */
  static create(path: string, options: { readonly mode?: number | undefined } = {}): FileDriver {
    const driver = FileDriver.openSync(path, O_CREAT | O_EXCL | O_RDWR, options.mode)
    driver.#extent = 0
    return driver
  }

  /**
   * As `create`, on another thread: making a file may have to wait for the file system's journal, milliseconds while
   * others sync. Rejects with StorageIoError, NoSpaceError.
   */
  static createAside(path: string, options: { readonly mode?: number | undefined } = {}): Promise<FileDriver> {
    return new Promise((resolve, reject) => {
      fs.open(path, O_CREAT | O_EXCL | O_RDWR | guard, options.mode ?? 0o600, (error, fd) => {
        if (error) return reject(openError(error, path))
        const driver = new FileDriver(fd, path)
        driver.#extent = 0
        resolve(driver)
      })
    })
  }

  /**
   * Opens a regular file; `seen` is told what it looks like. Throws StorageIoError for anything else, symbolic links
   * included.
   */
  static open(
    path: string,
    options: {
      readonly writable?: boolean | undefined
      readonly seen?: ((stat: fs.BigIntStats) => void) | undefined
    } = {},
  ): FileDriver {
    return FileDriver.openSync(path, options.writable ? O_RDWR : O_RDONLY, undefined, options.seen)
  }

  /** Opens with `flags` of `fs.constants`. Synchronous: 8 µs against 130. */
  static openSync(path: string, flags: number, mode = 0o600, seen?: (stat: fs.BigIntStats) => void): FileDriver {
    let fd: number
    try {
      fd = fs.openSync(path, flags | guard, mode)
    } catch (error) {
      throw openError(error, path)
    }
    try {
      const stat = fs.fstatSync(fd, { bigint: true })
      if (!stat.isFile()) throw notAFile(path, stat)
      seen?.(stat)
    } catch (error) {
      fs.closeSync(fd)
      throw mapIoError(error, path, 'open')
    }
    return new FileDriver(fd, path, flags === O_RDONLY)
  }

  get path(): string {
    return this.#path
  }

  /** Bytes in the file, holes included. */
  get size(): number {
    if (this.#closing !== undefined) throw this.#closedError()
    return fs.fstatSync(this.fd).size
  }

  /** The owner renamed the file. */
  moved(path: string): void {
    this.#path = path
  }

  /** The owner unlinked the file, or is about to: its blocks may go with this descriptor, which takes milliseconds. */
  unlinked(): void {
    this.#closesAtOnce = false
  }

  read(position: number, target: Uint8Array): Promise<number> {
    return this.#operation((resolve, reject) => {
      let done = 0
      const { length } = target
      const onRead: Callback = (error, bytes) => {
        done += bytes
        // Fewer bytes than asked are no proof that the file ends there.
        if (error === null && done < length && bytes > 0) return submit()
        if (error !== null) reject(error)
        else resolve(done)
        readGate.leave()
      }
      const submit = () => fs.read(this.fd, target, done, Math.min(length - done, callBytes), position + done, onRead)
      readGate.enter(() => {
        try {
          submit()
        } catch (error) {
          reject(error as Error)
          readGate.leave()
        }
      })
    })
  }

  readSync(position: number, target: Uint8Array): number {
    if (this.#closing !== undefined) throw this.#closedError()
    let done = 0
    while (done < target.length) {
      const bytes = fs.readSync(this.fd, target, done, Math.min(target.length - done, callBytes), position + done)
      if (bytes === 0) break
      done += bytes
    }
    return done
  }

  write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    return this.#operation<void>((resolve, reject) => {
      let rest = parts
      let at = position
      const end = parts.reduce((sum, part) => sum + part.length, position)
      if (end > position) this.#extent = Math.max(this.#extent, end)
      const fail = (error: Error) => {
        // Some of it may have been written.
        this.#extent = Number.NaN
        reject(error)
      }
      const onWritten: Callback = (error, bytes) => {
        if (error !== null) return fail(error)
        if (bytes === 0) {
          return fail(new StorageIoError(`nothing could be written to ${this.#path}`, { path: this.#path }))
        }
        at += bytes
        rest = behind(rest, bytes)
        if (rest.length === 0) resolve()
        else submit()
      }
      const submit = () => {
        const [only] = rest
        // pwritev is for several; one alone goes as pwrite.
        if (rest.length > 1) fs.writev(this.fd, rest as Uint8Array[], at, onWritten)
        else if (only !== undefined) fs.write(this.fd, only, 0, Math.min(only.length, callBytes), at, onWritten)
        else resolve()
      }
      submit()
    })
  }

  /** fdatasync: the bytes and the length are on the medium. */
  sync(): Promise<void> {
    return this.#operation<void>((resolve, reject) => {
      fs.fdatasync(this.fd, (error) => (error === null ? resolve() : reject(error)))
    })
  }

  truncate(length: number): Promise<void> {
    return this.#operation<void>((resolve, reject) => {
      // The common case, a file that is as long as it should be, costs no system call.
      if (length === this.#extent && this.#inFlight === 1) return resolve()
      this.#extent = Number.NaN
      fs.ftruncate(this.fd, length, (error) => (error === null ? resolve() : reject(error)))
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#lastEnded = resolve
      })
    }
    if (this.#closesAtOnce) {
      try {
        return fs.closeSync(this.fd)
      } catch (error) {
        throw mapIoError(error, this.#path, 'close')
      }
    }
    await new Promise<void>((resolve, reject) => {
      fs.close(this.fd, (error) => (error ? reject(mapIoError(error, this.#path, 'close')) : resolve()))
    })
  }

  #operation<T>(begin: (resolve: (result: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError())
    this.#inFlight++
    return new Promise<T>((resolve, reject) => {
      const fail = (error: Error) => {
        this.#ended()
        reject(error)
      }
      try {
        begin((result) => {
          this.#ended()
          resolve(result)
        }, fail)
      } catch (error) {
        // Node refuses an argument at once: that operation has ended too, or `close` would wait for it for ever.
        fail(error as Error)
      }
    })
  }

  #ended(): void {
    if (--this.#inFlight === 0) this.#lastEnded?.()
  }

  #closedError(): StorageIoError {
    return new StorageIoError(`${this.#path} is closed`, { path: this.#path })
  }
}

/** `parts` without their first `bytes` bytes. */
function behind(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = 0
  let cut = bytes
  for (const part of parts) {
    if (part.length > cut) break
    cut -= part.length
    skip++
  }
  const [first, ...others] = parts.slice(skip)
  return first === undefined ? [] : [cut > 0 ? first.subarray(cut) : first, ...others]
}

function openError(error: unknown, path: string): Error {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ELOOP' && code !== 'EMLINK') return mapIoError(error, path, 'open')
  return new StorageIoError(`cannot open ${path}: it is a symbolic link`, { cause: error, path })
}

/** With the code that the system has for what cannot be opened as a file at all: opening a folder to read, or a pipe, succeeds. */
function notAFile(path: string, stat: fs.BigIntStats): StorageIoError {
  const cause = Object.assign(new Error('not a regular file'), { code: stat.isDirectory() ? 'EISDIR' : 'ENXIO' })
  return new StorageIoError(`cannot open ${path}: not a regular file`, { path, cause })
}
