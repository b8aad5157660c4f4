import { CisternError, type CisternErrorCode } from '@cistern/assets'
import type { SourceError } from '@cistern/storage'

/** Statuses of RFC 9110 section 15, and 507 of RFC 4918 section 11.5. What is not here is 500. */
const STATUS: Partial<Record<CisternErrorCode, number>> = {
  ERR_CISTERN_NOT_FOUND: 404,
  ERR_CISTERN_REMOVED: 404,
  ERR_CISTERN_INVALID_KEY: 404, // where no resource can be, none is
  ERR_CISTERN_SOURCE_CHANGED: 502,
  ERR_CISTERN_PROCESSING: 502, // the bytes that came are not what they should be
  ERR_CISTERN_INTEGRITY: 502,
  ERR_CISTERN_STORE_CLOSED: 503,
  ERR_CISTERN_QUOTA_EXCEEDED: 507,
  ERR_CISTERN_NO_SPACE: 507,
}

/**
 * The HTTP status that says what `error` says.
 * - 404: `NotFoundError`, `ResourceRemovedError`, `InvalidKeyError`
 * - `SourceError`: 404 and 410 as the source said them, 504 for a time-out, else 502
 * - 502: `SourceChangedError`, `ProcessingError`, `IntegrityError`
 * - 507: `QuotaExceededError`, `NoSpaceError`
 * - `ResourceAbandonedError`: what its cause says, where that is one of these; else 503
 * - 503: `StoreClosedError`
 * - 500: anything else
 */
export function statusOf(error: unknown): number {
  return knownStatus(error) ?? 500
}

function knownStatus(error: unknown): number | undefined {
  if (!CisternError.is(error)) return undefined
  if (error.code === 'ERR_CISTERN_ABANDONED') return knownStatus(error.cause) ?? 503
  if (error.code === 'ERR_CISTERN_SOURCE') return sourceStatus(error as SourceError)
  return STATUS[error.code]
}

/** 404 and 410 are about what was asked for; any other answer of a source is its own trouble, or ours with it. */
function sourceStatus({ status, reason }: SourceError): number {
  if (status === 404 || status === 410) return status
  return reason === 'timeout' ? 504 : 502
}
