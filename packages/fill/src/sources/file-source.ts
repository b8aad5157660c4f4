import type { BigIntStats } from 'node:fs'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { anyString, checkOptions, integer, type OptionSpec } from '@cistern/assets'
import { InvalidOptionError, SourceError, type SourceErrorOptions } from '@cistern/storage'
import type { Source, SourceRequest, SourceResponse } from '../source.js'
import { checkRequest } from './request.js'

/** Options of `fileSource`. */
export interface FileSourceOptions {
  /** Told to those who ask; a file does not know its own. */
  readonly contentType?: string | undefined
  /** Attempts after the first for one and the same bytes, from 0. Default: what the filler does, 3. */
  readonly retries?: number | undefined
}

const pieceBytes = 256 * 1024
/** Passing troubles of the machine; a file that is absent or forbidden is so the next time, too. */
const passing = ['EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY', 'EINTR', 'EIO']
const spec: OptionSpec<FileSourceOptions> = { contentType: anyString, retries: integer('attempts', 0) }

/**
 * A regular file of this machine, by its path or a `file:` URL; links are followed. Its validator is made of size, time
 * of change and inode, and what was read is handed out only while they are still the same: a file that is written to
 * meanwhile, or shrinks, fails its reader with a `SourceError` that is transient, since it may have another version
 * by the next time. One that is absent, forbidden or no regular file is refused for good.
 */
export function fileSource(path: string | URL, options?: FileSourceOptions): Source {
  return new FileSource(checkPath(path), checkOptions('fileSource', options, spec))
}

class FileSource implements Source {
  readonly retries: number | undefined
  readonly #path: string
  readonly #contentType: string | undefined

  constructor(path: string, options: FileSourceOptions) {
    this.retries = options.retries
    this.#path = path
    this.#contentType = options.contentType
  }

  async open(request: SourceRequest): Promise<SourceResponse> {
    checkRequest('fileSource', request)
    // Opening a FIFO would wait for somebody to write to it.
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
    const file = await open(this.#path, flags).catch((error) => {
      throw this.#refused(error)
    })
    try {
      return this.#response(file, await file.stat({ bigint: true }), request)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  #response(file: FileHandle, stat: BigIntStats, request: SourceRequest): SourceResponse {
    const { start, signal } = request
    signal.throwIfAborted()
    if (!stat.isFile()) throw this.#failed('not a regular file', {})
    const total = Number(stat.size)
    const end = Math.max(start, Math.min(request.end ?? total, total))
    const validator = versionOf(stat)
    const failed = (message: string, options: SourceErrorOptions): SourceError => this.#failed(message, options)
    const body = new FileBody(file, { start, end, validator, signal, failed })
    return { start, end, total, validator, acceptsRanges: true, contentType: this.#contentType, body }
  }

  #refused(error: NodeJS.ErrnoException): SourceError {
    const transient = passing.includes(error.code ?? '')
    return this.#failed(`cannot be opened: ${error.code ?? error.message}`, {
      reason: transient ? 'network' : 'status',
      transient,
      cause: error,
    })
  }

  #failed(message: string, options: SourceErrorOptions): SourceError {
    return new SourceError(`${this.#path}: ${message}`, options)
  }
}

interface FileBodyOptions {
  readonly start: number
  readonly end: number
  readonly validator: string
  readonly signal: AbortSignal
  readonly failed: (message: string, options: SourceErrorOptions) => SourceError
}

type Step = IteratorResult<Uint8Array, undefined>
const atEnd: Step = { done: true, value: undefined }

/** Owns the descriptor: closed at the end, on return, by the signal. No generator, which could not be returned from unbegun. */
class FileBody implements AsyncIterableIterator<Uint8Array> {
  readonly #file: FileHandle
  readonly #options: FileBodyOptions
  readonly #onAbort = (): void => void this.#close()
  #position: number
  #closing: Promise<void> | undefined
  #over = false

  constructor(file: FileHandle, options: FileBodyOptions) {
    this.#file = file
    this.#options = options
    this.#position = options.start
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<Step> {
    if (this.#over) return atEnd
    const { end, signal } = this.#options
    try {
      signal.throwIfAborted()
      if (this.#position < end) return { done: false, value: await this.#piece() }
    } catch (error) {
      const returned = this.#over
      await this.return()
      if (returned) return atEnd
      throw signal.aborted ? signal.reason : error
    }
    return this.return()
  }

  async return(): Promise<Step> {
    this.#over = true
    await this.#close()
    return atEnd
  }

  async #piece(): Promise<Uint8Array> {
    const { end, validator, signal, failed } = this.#options
    const target = new Uint8Array(Math.min(pieceBytes, end - this.#position))
    const bytesRead = await this.#read(target)
    const now = await this.#file.stat({ bigint: true })
    signal.throwIfAborted()
    if (Number(now.size) < end) throw failed(`shrank to ${now.size} bytes`, { reason: 'truncated', transient: true })
    if (versionOf(now) !== validator) throw failed('changed while it was read', { transient: true })
    if (bytesRead === 0) throw failed(`ended at ${this.#position}`, { reason: 'truncated', transient: true })
    this.#position += bytesRead
    return target.subarray(0, bytesRead)
  }

  async #read(target: Uint8Array): Promise<number> {
    try {
      return (await this.#file.read(target, 0, target.length, this.#position)).bytesRead
    } catch (error) {
      throw this.#options.failed('cannot be read', { reason: 'network', transient: true, cause: error })
    }
  }

  /** Waits for reads under way. Nothing was written: a failure to close loses nothing. */
  #close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#closing ??= this.#file.close().catch(() => undefined)
    return this.#closing
  }
}

function versionOf({ size, mtimeNs, ino }: BigIntStats): string {
  return `file size=${size}; modified=${mtimeNs}; inode=${ino}`
}

function checkPath(path: string | URL): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  if (typeof path === 'object' && path?.protocol === 'file:') return fileURLToPath(path.href)
  throw new InvalidOptionError('fileSource: the first argument must be the path or the file: URL of a file')
}
