import { CisternError, type CisternErrorCode } from '@cistern/storage'
import { UsageError } from './arguments.js'
import { EXIT } from './exit-codes.js'
import { printable } from './printable.js'

/** What to do about it, behind what the message says. */
const ADVICE: Partial<Record<CisternErrorCode, string>> = {
  ERR_CISTERN_NOT_FOUND: 'give the folder that AssetStore.open was given as its root',
  ERR_CISTERN_STORE_LOCKED: 'close the store there and try again, or leave --repair out to look only',
  ERR_CISTERN_INDEX_VERSION: 'use the version of @cistern/assets that wrote it, or a newer one',
  ERR_CISTERN_STORAGE_IO:
    'check that the folder and what is in it can be read, and with --repair written, by this user',
  ERR_CISTERN_NO_SPACE: 'make room on that disk and try again',
  ERR_CISTERN_STORE_READONLY: 'another process took the store over: try again once it is closed',
}

/** An error as one line for whoever typed the command, and the exit code. No stack: nothing in it is theirs to fix. */
export function failure(error: unknown): { readonly line: string; readonly exitCode: number } {
  if (error instanceof UsageError) return { line: told(error.message, 'see cistern --help'), exitCode: EXIT.usage }
  if (CisternError.is(error, 'ERR_CISTERN_INVALID_KEY'))
    return {
      line: told(`${error.code}: ${error.message}`, 'a key is asset/path, as ls shows them'),
      exitCode: EXIT.usage,
    }
  if (CisternError.is(error)) {
    const exitCode = error.code === 'ERR_CISTERN_STORE_LOCKED' ? EXIT.locked : EXIT.failed
    return { line: told(`${error.code}: ${error.message}`, ADVICE[error.code]), exitCode }
  }
  const { code } = error as NodeJS.ErrnoException
  const message = error instanceof Error ? error.message : String(error)
  // The system's messages begin with their code.
  const line = typeof code === 'string' && !message.startsWith(code) ? `${code}: ${message}` : message
  return { line: told(line, undefined), exitCode: EXIT.failed }
}

const told = (what: string, advice: string | undefined): string =>
  printable(`cistern: ${what}${advice === undefined ? '' : ` (${advice})`}`)
