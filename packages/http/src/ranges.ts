import type { ResourceReader } from '@cistern/assets'

/** Of `bytes=N-M` the first byte and the last one, which is there only where the client says so; or the last `suffix` bytes. */
export type AskedRange = { readonly first: number; readonly last: number | undefined } | { readonly suffix: number }

/** Bytes to be sent. Half-open. */
export interface BodyRange {
  /** First byte. */
  readonly start: number
  /** The byte behind the last one; `undefined`: to the end, which nobody knows yet. */
  readonly end: number | undefined
}

/** What stands between a request and its headers. Ranges are half-open. */
export type Resolved =
  | { readonly kind: 'whole'; readonly range: BodyRange }
  | { readonly kind: 'part'; readonly range: { readonly start: number; readonly end: number } }
  | { readonly kind: 'unsatisfiable'; readonly length: number }
  | { readonly kind: 'wait-length' }
  | { readonly kind: 'wait-range'; readonly start: number; readonly end: number }

const ONE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i
/** The last byte that can be asked for. */
const LAST = Number.MAX_SAFE_INTEGER - 1

/**
 * The one range of a Range header (RFC 9110 section 14.2). `undefined`, so that the header is ignored and the whole is
 * served, for another unit, for what is no range, for `M < N` (section 14.1.1), and for several ranges: a server may
 * ignore the header, and nothing that plays media sends them.
 */
export function parseRange(header: string | null | undefined): AskedRange | undefined {
  const [, first = '', last = ''] = ONE_RANGE.exec(header ?? '') ?? []
  if (first === '') return last === '' ? undefined : { suffix: position(last) }
  if (last === '') return { first: position(first), last: undefined }
  return position(last) < position(first) ? undefined : { first: position(first), last: position(last) }
}

/**
 * What is to be sent of the resource as it stands now, or what has to be waited for first: the first byte of it, and, for
 * a range, as much as Content-Range has to say (RFC 9110 section 14.4). While the length is not known:
 * - `-N` and `N-` wait for the length.
 * - `0-` is the whole: it is sent as such once its first byte is there.
 * - `N-M` waits for all of its bytes, or for a length that cuts it short.
 * A resource of no bytes has no part: it is sent as a whole.
 */
export function resolveRange(asked: AskedRange | undefined, { length, coverage }: ResourceReader): Resolved {
  const isWhole = asked === undefined || length === 0 || (length === undefined && isFromStart(asked))
  if (isWhole) {
    if (length !== 0 && !coverage.has(0, 1)) return { kind: 'wait-range', start: 0, end: 1 }
    return { kind: 'whole', range: { start: 0, end: length } }
  }
  if (length === undefined) {
    if ('suffix' in asked || asked.last === undefined) return { kind: 'wait-length' }
    const range = { start: asked.first, end: asked.last + 1 }
    return coverage.has(range.start, range.end) ? { kind: 'part', range } : { kind: 'wait-range', ...range }
  }
  const start = 'suffix' in asked ? Math.max(0, length - asked.suffix) : asked.first
  if (start >= length) return { kind: 'unsatisfiable', length }
  if (!coverage.has(start, start + 1)) return { kind: 'wait-range', start, end: start + 1 }
  const end = 'suffix' in asked ? length : Math.min(length, (asked.last ?? LAST) + 1)
  return { kind: 'part', range: { start, end } }
}

function isFromStart(asked: AskedRange): boolean {
  return 'first' in asked && asked.first === 0 && asked.last === undefined
}

/** What is past everything that can be stored stays so. */
function position(digits: string): number {
  return Math.min(Number(digits), LAST)
}
