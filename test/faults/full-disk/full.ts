import { writeSync } from 'node:fs'
import { CisternError } from '@cistern/assets'

/** What a writer is told on a full disk, and nothing else. */
export function isOfAFullDisk(error: unknown): boolean {
  return CisternError.is(error, 'ERR_CISTERN_NO_SPACE') || CisternError.is(error, 'ERR_CISTERN_QUOTA_EXCEEDED')
}

/** On stderr, beside the reports that a history is made of. */
export function tellState(event: 'degraded' | 'restored' | 'evict'): void {
  writeSync(2, `${event}\n`)
}
