import { type ByteSource, InvalidOptionError, NotSupportedError } from '@cistern/storage'
import { asError } from './open-or-fill.js'
import type { AcquireOptions, Acquisition, PutOptions } from './types.js'

/** Bytes, text (stored as UTF-8), or a source of bytes. */
export type PutBody = Uint8Array | ArrayBuffer | string | ByteSource

/** Enough for the writer to stay busy, little enough for the signal to be heard in between. */
const PIECE_BYTES = 1024 * 1024

/** Writes `body` to a generation of its own and commits it: nobody sees a byte before. Resolves once it is committed. */
export async function putWhole(
  acquire: (options: AcquireOptions) => Promise<Acquisition>,
  body: PutBody,
  options: PutOptions,
): Promise<void> {
  const bytes = bytesOf(body)
  const source = bytes ? piecesOf(bytes) : checkedSource(body)
  const { signal } = options
  let got: Acquisition | undefined
  try {
    got = await acquire({ ...options, length: options.length ?? bytes?.length, mode: 'replace' })
    if (!got.writer) throw new NotSupportedError('the layers below gave out no writer for a replacement')
  } catch (error) {
    await got?.[Symbol.asyncDispose]()
    await ended(source, error)
    throw error
  }
  const { writer } = got
  try {
    await writer.writeFrom(source, { signal })
    signal?.throwIfAborted()
    await writer.commit()
  } catch (error) {
    await writer.release(asError(error)).catch(() => {}) // the first failure is the one to tell
    throw error
  } finally {
    await got[Symbol.asyncDispose]()
  }
}

function bytesOf(body: PutBody): Uint8Array | undefined {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  return body instanceof Uint8Array ? body : undefined
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += PIECE_BYTES) yield bytes.subarray(start, start + PIECE_BYTES)
}

/** Before anything is begun for what cannot be a source. */
function checkedSource(body: unknown): ByteSource {
  if (body === null) return null
  if (typeof body === 'object' && (Symbol.asyncIterator in body || Symbol.iterator in body || 'getReader' in body)) {
    return body as ByteSource
  }
  throw new InvalidOptionError(
    `put: the body must be bytes, a string, an iterable of Uint8Arrays, a stream of them, or null, not ${typeof body}`,
  )
}

/** A stream that is not taken in must not keep its connection open. */
async function ended(source: ByteSource, reason: unknown): Promise<void> {
  const { cancel, destroy } = (source ?? {}) as { cancel?: unknown; destroy?: unknown }
  try {
    if (typeof cancel === 'function') await cancel.call(source, reason)
    else if (typeof destroy === 'function') destroy.call(source)
  } catch {
    // It was locked, or broken, before: its owner knows.
  }
}
