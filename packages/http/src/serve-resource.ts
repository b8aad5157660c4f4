import { type Bytes, onAbort, type ResourceReader } from '@cistern/storage'
import { beginResponse, type Pieces } from './begin.js'
import type { BodyReader } from './body-reader.js'
import { checkServeOptions, type ServeOptions } from './options.js'
import type { PlannedRequest } from './plan.js'

/** Fresh memory for every chunk: the stream gives it away. */
const chunks: Pieces<Bytes> = {
  max: 256 * 1024,
  take: (bytes) => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer, 0, bytes),
  giveBack: () => {},
}

/**
 * Answers a GET or HEAD with the bytes of `reader`, also while they are being written: 200, 206, 304, 405, 412, 416, or
 * what {@link statusOf} says of an error (RFC 9110). The body is pulled, not pushed. An error after the headers is an
 * error of the body's stream, so that a server cuts the connection.
 *
 * Takes the reader over: closes it when the body has ended or failed, is cancelled, or is none, and when
 * `request.signal` aborts. A body that is neither read nor cancelled keeps it open.
 *
 * Resolves once the first byte of what was asked for can be read, or with 503 after `waitMs`. Rejects with
 * `InvalidOptionError`, and with the reason of `request.signal`.
 */
export async function serveResource(
  request: Request,
  reader: ResourceReader,
  options?: ServeOptions,
): Promise<Response> {
  try {
    const checked = checkServeOptions('serveResource', options)
    const { method, headers, signal } = request
    const planned: PlannedRequest = { method, headers, signal, pathname: new URL(request.url).pathname }
    const { plan, body } = await beginResponse(planned, reader, checked, chunks)
    const init = { status: plan.status, headers: plan.headers }
    if (body === undefined) return closed(reader, new Response(plan.text ?? null, init))
    const first = body.first.subarray(0, body.bytes)
    if (body.reader.done) return closed(reader, new Response(first, init))
    return new Response(streamOf(first, body.reader, reader, signal), init)
  } catch (error) {
    reader.close()
    throw error
  }
}

function closed(reader: ResourceReader, response: Response): Response {
  reader.close()
  return response
}

/** Nothing is read before it is asked for, but for the chunk that is there already. */
function streamOf(first: Bytes, body: BodyReader, reader: ResourceReader, signal: AbortSignal): ReadableStream<Bytes> {
  let next: Bytes | undefined = first
  let stop = (): void => {}
  const close = (): void => {
    stop()
    reader.close()
  }
  const pull = async (controller: ReadableStreamDefaultController<Bytes>): Promise<void> => {
    const chunk = next ?? (await nextChunk(body))
    next = undefined
    if (signal.aborted) return // its end has been told
    if (chunk !== undefined) controller.enqueue(chunk)
    if (chunk !== undefined && !body.done) return
    close()
    controller.close()
  }
  return new ReadableStream<Bytes>(
    {
      start(controller) {
        if (signal.aborted) return abort()
        stop = onAbort(signal, abort)
        function abort(): void {
          close()
          controller.error(signal.reason)
        }
      },
      pull: (controller) =>
        pull(controller).catch((error: unknown) => {
          close()
          throw error
        }),
      cancel: close,
    },
    { highWaterMark: 0 },
  )
}

/** `undefined` at the end. */
async function nextChunk(body: BodyReader): Promise<Bytes | undefined> {
  for (;;) {
    const size = await body.available(chunks.max)
    if (size === 0) return undefined
    const chunk = chunks.take(size)
    const got = await body.read(chunk)
    if (got > 0) return chunk.subarray(0, got)
  }
}
