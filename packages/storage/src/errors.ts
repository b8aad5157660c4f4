import { constants } from 'node:os'
import type { ByteRange } from './types.js'

/** All there are. */
export type CisternErrorCode =
  | 'ERR_CISTERN_NOT_FOUND'
  | 'ERR_CISTERN_REMOVED'
  | 'ERR_CISTERN_INVALID_KEY'
  | 'ERR_CISTERN_INVALID_RANGE'
  | 'ERR_CISTERN_INVALID_OPTION'
  | 'ERR_CISTERN_RANGE_NOT_AVAILABLE'
  | 'ERR_CISTERN_ABANDONED'
  | 'ERR_CISTERN_INCOMPLETE'
  | 'ERR_CISTERN_INTEGRITY'
  | 'ERR_CISTERN_PROCESSING'
  | 'ERR_CISTERN_PROCESSOR_MISMATCH'
  | 'ERR_CISTERN_WRITER_CLOSED'
  | 'ERR_CISTERN_READER_CLOSED'
  | 'ERR_CISTERN_STORE_CLOSED'
  | 'ERR_CISTERN_STORE_LOCKED'
  | 'ERR_CISTERN_STORE_READONLY'
  | 'ERR_CISTERN_QUOTA_EXCEEDED'
  | 'ERR_CISTERN_NO_SPACE'
  | 'ERR_CISTERN_STORAGE_IO'
  | 'ERR_CISTERN_INDEX_VERSION'
  | 'ERR_CISTERN_NOT_SUPPORTED'
  | 'ERR_CISTERN_SOURCE'
  | 'ERR_CISTERN_SOURCE_CHANGED'

/** What every error class takes besides its message. */
export interface CisternErrorOptions {
  /** What was below: the error of the system, or of a caller's own function. */
  readonly cause?: unknown
}

// Symbol.for: the same in every copy of the package, so that `is` holds where instanceof does not.
const brand: unique symbol = Symbol.for('cistern.error')

/** Base of all errors of this library. Recognise them with `CisternError.is(error, code)`. */
export abstract class CisternError extends Error {
  /** Says which error it is, in every copy of the package; each class has its own. */
  readonly code: CisternErrorCode

  static {
    Object.defineProperty(CisternError.prototype, brand, { value: true })
  }

  protected constructor(code: CisternErrorCode, message: string, options?: CisternErrorOptions) {
    // An absent cause must not become an own `cause: undefined`.
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
  }

  /** Holds across duplicate installs of the package. Asked of a class of its own (`NotFoundError.is(error)`), only for that class. */
  static is<C extends CisternErrorCode>(
    error: unknown,
    code?: C,
  ): error is CisternError & {
    /** The one asked for. */
    readonly code: C
  } {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false
    const { code: itsCode, name } = error as unknown as CisternError
    // biome-ignore lint/complexity/noThisInStatic: `this` is the class that was asked.
    const asked = (this as typeof CisternError | undefined)?.prototype ?? CisternError.prototype
    if (asked !== CisternError.prototype && asked.name !== name) return false
    return code === undefined || itsCode === code
  }
}

/** On the prototype, as in Node's own errors: the stack begins with it, and a minifier does not change it. */
function named(errorClass: { readonly prototype: object }, name: string): void {
  Object.defineProperty(errorClass.prototype, 'name', { value: name, writable: true, configurable: true })
}

/** Nothing is stored under this name. */
export class NotFoundError extends CisternError {
  declare readonly code: 'ERR_CISTERN_NOT_FOUND'
  static {
    named(NotFoundError, 'NotFoundError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_NOT_FOUND', message, options)
  }
}

/** The resource was removed, evicted or discarded under its handles. */
export class ResourceRemovedError extends CisternError {
  declare readonly code: 'ERR_CISTERN_REMOVED'
  static {
    named(ResourceRemovedError, 'ResourceRemovedError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_REMOVED', message, options)
  }
}

/** A key that is no portable name. */
export class InvalidKeyError extends CisternError {
  declare readonly code: 'ERR_CISTERN_INVALID_KEY'
  /** The component at fault. */
  readonly component: string | undefined
  static {
    named(InvalidKeyError, 'InvalidKeyError')
  }
  constructor(message: string, options?: CisternErrorOptions & { readonly component?: string | undefined }) {
    super('ERR_CISTERN_INVALID_KEY', message, options)
    this.component = options?.component
  }
}

/** A position, range or length that is negative, fractional, unsafe, reversed, or past the declared length. */
export class InvalidRangeError extends CisternError {
  declare readonly code: 'ERR_CISTERN_INVALID_RANGE'
  static {
    named(InvalidRangeError, 'InvalidRangeError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_INVALID_RANGE', message, options)
  }
}

/** An option that does not exist, or has a value it cannot have. */
export class InvalidOptionError extends CisternError {
  declare readonly code: 'ERR_CISTERN_INVALID_OPTION'
  static {
    named(InvalidOptionError, 'InvalidOptionError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_INVALID_OPTION', message, options)
  }
}

/** A read where nothing was written. */
export class RangeNotAvailableError extends CisternError {
  declare readonly code: 'ERR_CISTERN_RANGE_NOT_AVAILABLE'
  /** The position asked for. */
  readonly position: number | undefined
  /** The first covered range after it. */
  readonly nextCovered: ByteRange | undefined
  static {
    named(RangeNotAvailableError, 'RangeNotAvailableError')
  }
  constructor(
    message: string,
    options?: CisternErrorOptions & {
      readonly position?: number | undefined
      readonly nextCovered?: ByteRange | undefined
    },
  ) {
    super('ERR_CISTERN_RANGE_NOT_AVAILABLE', message, options)
    this.position = options?.position
    this.nextCovered = options?.nextCovered
  }
}

/** A wait that nobody is there to meet: the writer was released, or never began. */
export class ResourceAbandonedError extends CisternError {
  declare readonly code: 'ERR_CISTERN_ABANDONED'
  static {
    named(ResourceAbandonedError, 'ResourceAbandonedError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_ABANDONED', message, options)
  }
}

/** A commit with a gap, or short of the declared length. */
export class IncompleteResourceError extends CisternError {
  declare readonly code: 'ERR_CISTERN_INCOMPLETE'
  /** What is missing, in order. */
  readonly gaps: readonly ByteRange[]
  static {
    named(IncompleteResourceError, 'IncompleteResourceError')
  }
  constructor(message: string, options?: CisternErrorOptions & { readonly gaps?: readonly ByteRange[] | undefined }) {
    super('ERR_CISTERN_INCOMPLETE', message, options)
    this.gaps = options?.gaps ?? []
  }
}

/** The bytes are not those that the digest speaks of. */
export class IntegrityError extends CisternError {
  declare readonly code: 'ERR_CISTERN_INTEGRITY'
  static {
    named(IntegrityError, 'IntegrityError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_INTEGRITY', message, options)
  }
}

/** A processor failed over the bytes it was given. */
export class ProcessingError extends CisternError {
  declare readonly code: 'ERR_CISTERN_PROCESSING'
  static {
    named(ProcessingError, 'ProcessingError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_PROCESSING', message, options)
  }
}

/** The bytes were, or are being, processed by another processor than the one asked for. */
export class ProcessorMismatchError extends CisternError {
  declare readonly code: 'ERR_CISTERN_PROCESSOR_MISMATCH'
  static {
    named(ProcessorMismatchError, 'ProcessorMismatchError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_PROCESSOR_MISMATCH', message, options)
  }
}

/** The writer was committed, failed or released before; or there is one already. */
export class WriterClosedError extends CisternError {
  declare readonly code: 'ERR_CISTERN_WRITER_CLOSED'
  static {
    named(WriterClosedError, 'WriterClosedError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_WRITER_CLOSED', message, options)
  }
}

/** The reader was closed. */
export class ReaderClosedError extends CisternError {
  declare readonly code: 'ERR_CISTERN_READER_CLOSED'
  static {
    named(ReaderClosedError, 'ReaderClosedError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_READER_CLOSED', message, options)
  }
}

/** The store was closed under its handles. */
export class StoreClosedError extends CisternError {
  declare readonly code: 'ERR_CISTERN_STORE_CLOSED'
  static {
    named(StoreClosedError, 'StoreClosedError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_STORE_CLOSED', message, options)
  }
}

/** Who owns a root. */
export interface StoreHolder {
  /** Process id on that host. */
  readonly pid: number
  /** Name of the machine. */
  readonly host: string
  /** Since when it owns the root, ISO 8601. */
  readonly since: string
}

/** Another process, or another store in this one, owns the root. */
export class StoreLockedError extends CisternError {
  declare readonly code: 'ERR_CISTERN_STORE_LOCKED'
  /** `undefined` where the owner left no name that can be read. */
  readonly holder: StoreHolder | undefined
  static {
    named(StoreLockedError, 'StoreLockedError')
  }
  constructor(message: string, options?: CisternErrorOptions & { readonly holder?: StoreHolder | undefined }) {
    super('ERR_CISTERN_STORE_LOCKED', message, options)
    this.holder = options?.holder
  }
}

/** The store lost its root to another owner, or may not write to it. */
export class StoreReadonlyError extends CisternError {
  declare readonly code: 'ERR_CISTERN_STORE_READONLY'
  static {
    named(StoreReadonlyError, 'StoreReadonlyError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_STORE_READONLY', message, options)
  }
}

/** The store's own limits leave no room, and nothing can be evicted. */
export class QuotaExceededError extends CisternError {
  declare readonly code: 'ERR_CISTERN_QUOTA_EXCEEDED'
  static {
    named(QuotaExceededError, 'QuotaExceededError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_QUOTA_EXCEEDED', message, options)
  }
}

/** The disk, the user's quota on it, or the memory budget is full. */
export class NoSpaceError extends CisternError {
  declare readonly code: 'ERR_CISTERN_NO_SPACE'
  /** The file it happened to. */
  readonly path: string | undefined
  static {
    named(NoSpaceError, 'NoSpaceError')
  }
  constructor(message: string, options?: CisternErrorOptions & { readonly path?: string | undefined }) {
    super('ERR_CISTERN_NO_SPACE', message, options)
    this.path = options?.path
  }
}

/** The operating system, or the backend, refused. */
export class StorageIoError extends CisternError {
  declare readonly code: 'ERR_CISTERN_STORAGE_IO'
  /** The file it happened to. */
  readonly path: string | undefined
  static {
    named(StorageIoError, 'StorageIoError')
  }
  constructor(message: string, options?: CisternErrorOptions & { readonly path?: string | undefined }) {
    super('ERR_CISTERN_STORAGE_IO', message, options)
    this.path = options?.path
  }
}

/** The index was written by a version of the library, or with a feature, that this one does not know. */
export class IndexVersionError extends CisternError {
  declare readonly code: 'ERR_CISTERN_INDEX_VERSION'
  static {
    named(IndexVersionError, 'IndexVersionError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_INDEX_VERSION', message, options)
  }
}

/** This backend or handle cannot do that. */
export class NotSupportedError extends CisternError {
  declare readonly code: 'ERR_CISTERN_NOT_SUPPORTED'
  static {
    named(NotSupportedError, 'NotSupportedError')
  }
  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_NOT_SUPPORTED', message, options)
  }
}

/**
 * What went wrong at a source.
 * - `status`: it answered with a status that is no success.
 * - `response`: its answer is not what was asked for: another range, a coding, a page instead of a file.
 * - `network`: it could not be reached, or the connection was lost.
 * - `timeout`: no connection, no byte for too long, or no end in time.
 * - `truncated`: its body ended before the length that it promised.
 */
export type SourceFailure = 'status' | 'response' | 'network' | 'timeout' | 'truncated'

/** How a {@link SourceError} came about. */
export interface SourceErrorOptions extends CisternErrorOptions {
  /** Which kind of failure it is; `'response'` by default. */
  readonly reason?: SourceFailure | undefined
  /** HTTP status, where there is one. */
  readonly status?: number | undefined
  /** Asking again may help; `false` by default. */
  readonly transient?: boolean | undefined
  /** Milliseconds after which the source wants to be asked again: its Retry-After. */
  readonly retryAfterMs?: number | undefined
}

/** A source did not give what it was asked for. Names the source without its query, user and password. */
export class SourceError extends CisternError {
  declare readonly code: 'ERR_CISTERN_SOURCE'
  /** Which kind of failure it is. */
  readonly reason: SourceFailure
  /** HTTP status; `undefined` where there is none. */
  readonly status: number | undefined
  /** Asking again may help. */
  readonly transient: boolean
  /** Milliseconds after which the source wants to be asked again; `undefined` where it did not say. */
  readonly retryAfterMs: number | undefined
  static {
    named(SourceError, 'SourceError')
  }

  constructor(message: string, options?: SourceErrorOptions) {
    super('ERR_CISTERN_SOURCE', message, options)
    this.reason = options?.reason ?? 'response'
    this.status = options?.status
    this.transient = options?.transient ?? false
    this.retryAfterMs = options?.retryAfterMs
  }
}

/** The source has another version by now than the one that readers have begun to read: open the resource again. */
export class SourceChangedError extends CisternError {
  declare readonly code: 'ERR_CISTERN_SOURCE_CHANGED'
  static {
    named(SourceChangedError, 'SourceChangedError')
  }

  constructor(message: string, options?: CisternErrorOptions) {
    super('ERR_CISTERN_SOURCE_CHANGED', message, options)
  }
}

/** What a driver threw, as one of ours: a full disk or quota is NoSpaceError, anything else StorageIoError, and ours pass as they are. */
export function mapIoError(error: unknown, path: string | undefined, what: string): CisternError {
  if (CisternError.is(error)) return error
  const where = path === undefined ? what : `${what} ${path}`
  const why = error instanceof Error ? error.message : String(error)
  if (saysFull(error)) return new NoSpaceError(`cannot ${where}: ${why}`, { cause: error, path })
  return new StorageIoError(`cannot ${where}: ${why}`, { cause: error, path })
}

/** libuv has no name for EDQUOT: `code` is `Unknown system error -122` then, and `errno` tells. */
function saysFull(error: unknown): boolean {
  const { code, errno } = (error ?? {}) as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT' || (errno !== undefined && errno === -constants.errno.EDQUOT)
}
