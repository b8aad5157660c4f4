import type { HttpHeaders } from './fetch.js'
import { parseDate } from './retry-after.js'

/** RFC 9110 8.8.3, strong: the same tag, the same bytes. */
const strongTag = /^"[\x21\x23-\x7e\x80-\xff]*"$/
const datedOnly = /^last-modified=([^;]+); total=(?:\d+|\*)$/
/** A file that was changed this short a time ago may be changed once more without a later date. */
const settledMs = 60_000

/**
 * Says which version an answer is of: its strong ETag, just as it is sent. Without one, all that is weak together, the
 * weak ETag, the date and the total, so that a change of any of them counts: a date has whole seconds only, and files
 * are swapped for others under the same date; the length then gives most of them away. `undefined` with neither tag nor date.
 */
export function validatorOf(headers: HttpHeaders, total: number | undefined): string | undefined {
  const tag = headers.get('etag')
  if (tag !== null && strongTag.test(tag)) return tag
  const date = headers.get('last-modified')
  if (tag === null && date === null) return undefined
  return [
    ...(tag === null ? [] : [`etag=${tag}`]),
    ...(date === null ? [] : [`last-modified=${date}`]),
    `total=${total ?? '*'}`,
  ].join('; ')
}

/**
 * What goes into If-Range for a version, so that another one is answered in whole. `undefined` where nothing may (RFC 9110
 * 13.1.5): a weak ETag, a date beside one, a date that is too young to be strong (8.8.2.2). The answer's own validator
 * tells then.
 */
export function ifRangeOf(validator: string | undefined): string | undefined {
  if (validator === undefined) return undefined
  if (strongTag.test(validator)) return validator
  const date = datedOnly.exec(validator)?.[1]
  const time = parseDate(date ?? '')
  return time !== undefined && time <= Date.now() - settledMs ? date : undefined
}
