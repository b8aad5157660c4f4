import { CisternError } from '@cistern/assets'
import { SourceError } from '@cistern/storage'

/** An origin that sends what is not what was asked for has failed, though its status said 200. */
export function asSourceError(error: unknown, url: URL): unknown {
  if (!CisternError.is(error, 'ERR_CISTERN_PROCESSING')) return error
  const why = error.cause instanceof Error ? error.cause.message : error.message
  return new SourceError(`${url.origin}${url.pathname}: ${why}`, { cause: error })
}
