import { createHash } from 'node:crypto'

const ENTITY_TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g
const RFC_850 = /^[A-Z][a-z]+day, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT$/
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/

/** What says which bytes a response is of (RFC 9110 section 8.8). */
export interface Validators {
  /** A strong entity tag, in its quotes. */
  readonly etag: string
  /** Milliseconds since the epoch, in whole seconds; `undefined` where nothing is known. */
  readonly modified: number | undefined
}

/**
 * Strong (RFC 9110 section 8.8.1): a generation has one sequence of bytes, which it keeps from the first one to the
 * commit and after, so a part that was got while it was filled goes with the rest. Hashed: it names a session of the store.
 */
export function validatorsOf(generation: string, lastModified: Date | undefined): Validators {
  const hash = createHash('sha256').update(generation).digest('base64url').slice(0, 22)
  const modified = lastModified && Math.floor(lastModified.getTime() / 1000) * 1000
  return { etag: `"${hash}"`, modified }
}

/** Whether a list of entity tags has this one by strong comparison: weak ones never match (RFC 9110 section 8.8.3.2). */
export function hasStrong(list: string, etag: string): boolean {
  return [...list.matchAll(ENTITY_TAG)].some(([, weak, tag]) => weak === undefined && tag === etag)
}

/** The same by weak comparison: what marks a tag as weak is not looked at (RFC 9110 section 8.8.3.2). */
export function hasWeak(list: string, etag: string): boolean {
  return [...list.matchAll(ENTITY_TAG)].some(([, , tag]) => tag === etag)
}

/** Milliseconds since the epoch, of any of the three forms of RFC 9110 section 5.6.7; `undefined` for anything else. */
export function parseHttpDate(text: string): number | undefined {
  const isUtc = IMF_FIXDATE.test(text) || RFC_850.test(text)
  if (!isUtc && !ASCTIME.test(text)) return undefined
  const time = Date.parse(isUtc ? text : `${text} GMT`)
  return Number.isNaN(time) ? undefined : time
}
