import { InvalidRangeError } from './errors.js'

/** Throws InvalidRangeError unless `position` is a safe integer of at least 0. */
export function checkPosition(position: number, what: string): void {
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new InvalidRangeError(`${what} must be a safe integer of at least 0, not ${String(position)}`)
  }
}

/** Throws InvalidRangeError unless both are positions and `start <= end`. */
export function checkRange(start: number, end: number): void {
  checkPosition(start, 'start')
  checkPosition(end, 'end')
  if (start > end) throw new InvalidRangeError(`start ${start} is past end ${end}`)
}
