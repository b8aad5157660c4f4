import { InvalidOptionError, InvalidRangeError } from './errors.js'
import { checkPosition } from './positions.js'

/**
 * A length as a header gives it: Content-Length, or the total of a Content-Range ('*': unknown, RFC 9110 section 14.4).
 * A repeated header that fetch joined ('10, 10') counts once, as RFC 9110 section 8.6 allows.
 */
export function declaredLength(length: number | string | null | undefined): number | undefined {
  if (length === undefined || length === null) return undefined
  if (typeof length === 'number') {
    checkPosition(length, 'length')
    return length
  }
  const [first = '', ...others] = String(length)
    .split(',')
    .map((part) => part.trim())
  if (others.some((other) => other !== first)) throw new InvalidRangeError(`lengths differ: ${length}`)
  if (first === '' || first === '*') return undefined
  if (!/^\d+$/.test(first)) throw new InvalidRangeError(`not a length: ${length}`)
  checkPosition(Number(first), 'length')
  return Number(first)
}

export function declaredValidator(validator: string | null | undefined): string | undefined {
  if (validator === undefined || validator === null) return undefined
  if (typeof validator !== 'string') throw new InvalidOptionError('validator must be a string')
  const trimmed = validator.trim()
  return trimmed === '' || trimmed === '*' ? undefined : trimmed
}
