/** What a Content-Range says, half-open. */
export interface ContentRange {
  readonly start: number
  readonly end: number
  /** `undefined` where it says `*`. */
  readonly total: number | undefined
}

/** RFC 9110 14.4, `bytes 0-99/1000`. `undefined` for what does not follow it, or cannot be. */
export function parseContentRange(header: string | null): ContentRange | undefined {
  const match = /^bytes +(\d+)-(\d+)\/(\d+|\*)$/i.exec(header ?? '')
  if (!match) return undefined
  const start = Number(match[1])
  const end = Number(match[2]) + 1
  const total = match[3] === '*' ? undefined : Number(match[3])
  if (start >= end || end > (total ?? Number.MAX_SAFE_INTEGER)) return undefined
  return total === undefined || Number.isSafeInteger(total) ? { start, end, total } : undefined
}

// The total in the Content-Range of a 416: `bytes */1000`.
export function parseUnsatisfied(header: string | null): number | undefined {
  const match = /^bytes +\*\/(\d+)$/i.exec(header ?? '')
  return match ? wholeNumber(match[1]) : undefined
}

/** Content-Length. `undefined` where there is none, or none that can be. */
export function parseLength(header: string | null): number | undefined {
  return header !== null && /^\d+$/.test(header) ? wholeNumber(header) : undefined
}

function wholeNumber(digits: string | undefined): number | undefined {
  const value = Number(digits)
  return Number.isSafeInteger(value) ? value : undefined
}
