import type { HttpHeaders } from './fetch.js'

/**
 * Milliseconds from now that a Retry-After asks for, never below 0 (RFC 9110 10.2.3: seconds, or a date). A date is
 * taken by the clock of the server where that tells its time: ours may be off. `undefined` where it says neither.
 */
export function retryAfterMs(headers: HttpHeaders): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? ''
  if (/^\d+$/.test(value)) return Math.min(Number(value) * 1_000, Number.MAX_SAFE_INTEGER)
  const then = parseDate(value)
  return then === undefined ? undefined : Math.max(0, then - (parseDate(headers.get('date') ?? '') ?? Date.now()))
}

/** An HTTP date in milliseconds; `undefined` for what does not begin with a day of the week. */
export function parseDate(value: string): number | undefined {
  // Date.parse makes a date of nearly anything, "-5" included, and reads one without a zone as local.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(value)) return undefined
  const time = Date.parse(/GMT$/.test(value) ? value : `${value} GMT`)
  return Number.isNaN(time) ? undefined : time
}
