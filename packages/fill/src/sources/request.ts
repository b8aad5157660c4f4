import { InvalidRangeError } from '@cistern/storage'
import type { SourceRequest } from '../source.js'

/** What any source refuses: a range that is none, or has nothing in it. */
export function checkRequest(where: string, { start, end, signal }: SourceRequest): void {
  if (!isPosition(start))
    throw new InvalidRangeError(`${where}: start must be a whole number of at least 0, got ${start}`)
  if (end !== undefined && !(isPosition(end) && end > start)) {
    throw new InvalidRangeError(`${where}: end must be a whole number above the start ${start}, got ${end}`)
  }
  signal.throwIfAborted()
}

function isPosition(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
