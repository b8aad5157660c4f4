import { type ByteRange, IncompleteResourceError, InvalidRangeError, type ReadonlyRangeSet } from '@cistern/storage'

/** Source length that a commit is of, if all of it is there: the same answers that a resource gives to its own writer. */
export function committedLength(
  coverage: ReadonlyRangeSet,
  declared: number | undefined,
  asked: number | undefined,
): number {
  if (asked !== undefined && (!Number.isSafeInteger(asked) || asked < 0)) {
    throw new InvalidRangeError(`length must be a safe integer of at least 0, not ${String(asked)}`)
  }
  const total = asked ?? declared ?? coverage.toFlat().at(-1) ?? 0
  if (declared !== undefined && total > declared) {
    throw new InvalidRangeError(`cannot commit ${total} bytes: ${declared} were declared`)
  }
  const gaps: ByteRange[] = [...coverage.gaps(0, total)]
  if (declared !== undefined && total < declared) gaps.push({ start: total, end: declared })
  if (gaps.length === 0) return total
  const named = gaps.slice(0, 3).map(({ start, end }) => `${start}-${end}`)
  const more = gaps.length > 3 ? ` and ${gaps.length - 3} more` : ''
  throw new IncompleteResourceError(`cannot commit: missing ${named.join(', ')}${more}`, { gaps })
}
