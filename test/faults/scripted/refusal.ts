import { CisternError, type CisternErrorCode } from '@cistern/assets'

const FULL = ['ENOSPC', 'EDQUOT']

/** What a step may find where an earlier one was refused, or its own writer lost its bytes. */
const CONSEQUENCES: readonly CisternErrorCode[] = [
  'ERR_CISTERN_NOT_FOUND',
  'ERR_CISTERN_REMOVED',
  'ERR_CISTERN_ABANDONED',
  'ERR_CISTERN_INCOMPLETE',
  'ERR_CISTERN_RANGE_NOT_AVAILABLE',
  'ERR_CISTERN_WRITER_CLOSED',
  'ERR_CISTERN_NOT_SUPPORTED', // to move what is not on record yet
]

/** The code of an error that a system call failing with `errno` may lead to; undefined when it may not. */
export function refusalOf(error: unknown, errno: string): CisternErrorCode | undefined {
  if (!CisternError.is(error)) return undefined
  const { code } = error
  if (CONSEQUENCES.includes(code)) return code
  if (errnoIn(error) === 'ENOENT') return undefined // what is not there is not found, and nothing else fails that way
  const expected = FULL.includes(errnoIn(error) ?? errno) ? 'ERR_CISTERN_NO_SPACE' : 'ERR_CISTERN_STORAGE_IO'
  return code === expected ? code : undefined
}

/** What the system said, however deep. */
function errnoIn(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException
    if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return code
  }
  return undefined
}
