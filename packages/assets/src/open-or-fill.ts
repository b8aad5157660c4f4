import { CisternError, onAbort, ResourceRemovedError, type ResourceWriter, wrapWriter } from '@cistern/storage'
import type { ResourceKey } from './key.js'

/** Fills one resource through `writer`. Resolving commits it, unless the writer was settled before. */
export type Fill = (writer: ResourceWriter, signal: AbortSignal) => Promise<unknown>

/**
 * Has `fill` fill the resource, to its end whoever leaves, then commits; releases with what it rejected with. Never
 * rejects: those who wait for bytes hear of it through the resource.
 */
export async function fillAndCommit(
  key: ResourceKey,
  filling: ResourceWriter,
  fill: Fill,
  storeSignal: AbortSignal,
): Promise<void> {
  const unwanted = new AbortController()
  const forget = onAbort(storeSignal, () => unwanted.abort(storeSignal.reason))
  let settled = false
  const writer = wrapWriter(filling, {
    onSettled: (how) => {
      settled = true
      forget()
      if (how !== 'commit') unwanted.abort(new ResourceRemovedError(`${key.id} is not being filled any more`))
    },
  })
  // Closed or removed while it was acquired.
  if (settled) return
  try {
    if (await committedAsItIs(writer)) return
    await fill(writer, unwanted.signal)
    if (!settled) await writer.commit()
  } catch (error) {
    // Bytes stay for the next one. A release that fails has nobody to tell: who waits learns of it by the resource.
    if (!settled) await writer.release(asError(error)).catch(() => {})
  }
}

/** Commits what an earlier writer left with nothing but that to do. */
async function committedAsItIs(writer: ResourceWriter): Promise<boolean> {
  const { length } = writer
  if (length === undefined || !writer.coverage.has(0, length)) return false
  try {
    await writer.commit()
    return true
  } catch (error) {
    // A layer of another make may count other bytes than we do: then there is something to fill.
    if (CisternError.is(error, 'ERR_CISTERN_INCOMPLETE')) return false
    throw error
  }
}

/** What was thrown, which need not be an error, as one. */
export function asError(cause: unknown): Error {
  if (cause instanceof Error) return cause
  // Not every object can be made a string of.
  const what =
    typeof cause === 'object' || typeof cause === 'function' ? 'rejected with what is no Error' : String(cause)
  return new Error(what, { cause })
}
