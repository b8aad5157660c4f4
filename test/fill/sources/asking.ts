import assert from 'node:assert/strict'
import { type Source, SourceError, type SourceRequest, type SourceResponse } from '@cistern/fill'

/** Opens a source, from 0 to its end where nothing else is said. */
export function ask(source: Source, request: Partial<SourceRequest> = {}): Promise<SourceResponse> {
  const { signal = new AbortController().signal } = request
  return source.open({ start: 0, end: undefined, validator: undefined, ...request, signal })
}

/** All bytes of a body, which is expected to end by itself. */
export async function bytesOf({ body }: Pick<SourceResponse, 'body'>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Bytes of a body that fails, and what it failed with. */
export async function failedBody({
  body,
}: Pick<SourceResponse, 'body'>): Promise<{ bytes: Buffer; error: SourceError }> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of body) pieces.push(piece)
  } catch (error) {
    assert.ok(SourceError.is(error), String(error))
    return { bytes: Buffer.concat(pieces), error: error as SourceError }
  }
  return assert.fail('the body ended as if all were well')
}

/** The error that a source is expected to refuse with. */
export async function refusal(answer: Promise<unknown>): Promise<SourceError> {
  const error = await answer.then(
    () => assert.fail('it was answered'),
    (reason: unknown) => reason,
  )
  assert.ok(SourceError.is(error), String(error))
  return error as SourceError
}
