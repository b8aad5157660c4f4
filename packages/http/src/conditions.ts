import { hasStrong, hasWeak, parseHttpDate, type Validators } from './validators.js'

/** Request headers by name in lower case, as `Headers` has them. */
export interface RequestHeaders {
  /** `null` and `undefined`: there is none. */
  get(name: string): string | null | undefined
}

/**
 * What the preconditions of a GET or HEAD make of it, in the order of RFC 9110 section 13.2.2: 412, 304, or
 * `undefined` where they hold. A date that is none is ignored (sections 13.1.3 and 13.1.4).
 */
export function failedPrecondition(headers: RequestHeaders, validators: Validators): 304 | 412 | undefined {
  const ifMatch = headers.get('if-match')
  if (ifMatch) {
    if (ifMatch.trim() !== '*' && !hasStrong(ifMatch, validators.etag)) return 412
  } else if (isModifiedSince(headers.get('if-unmodified-since'), validators) === true) return 412

  const ifNoneMatch = headers.get('if-none-match')
  if (ifNoneMatch) return ifNoneMatch.trim() === '*' || hasWeak(ifNoneMatch, validators.etag) ? 304 : undefined
  return isModifiedSince(headers.get('if-modified-since'), validators) === false ? 304 : undefined
}

/**
 * Whether a range may be served under the If-Range that is there, if any (RFC 9110 section 13.1.5): the same strong tag,
 * or exactly the date of Last-Modified.
 */
export function ifRangeHolds(headers: RequestHeaders, { etag, modified }: Validators): boolean {
  const ifRange = headers.get('if-range')?.trim()
  if (!ifRange) return true
  if (ifRange === etag) return true
  return modified !== undefined && parseHttpDate(ifRange) === modified
}

/** `undefined` where one of the two dates is not known. */
function isModifiedSince(since: string | null | undefined, { modified }: Validators): boolean | undefined {
  const time = since ? parseHttpDate(since.trim()) : undefined
  return time === undefined || modified === undefined ? undefined : modified > time
}
