import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { onAbort } from '@cistern/storage'
import type { BegunResponse } from '../begin.js'
import type { ResponsePlan } from '../plan.js'
import type { BufferPool } from './buffer-pool.js'
import { Outflow } from './outflow.js'

/** A response of which all is known: no body, or a text. */
export function sendText(response: ServerResponse, { status, headers, text }: ResponsePlan): void {
  response.writeHead(status, headers)
  response.end(text)
}

/**
 * Sends head and body. Resolves once the last byte is handed over to the response. Rejects with what the body fails with,
 * and with the reason of `left`.
 */
export async function sendBody(
  response: ServerResponse,
  { plan, body }: BegunResponse<Buffer>,
  pool: BufferPool,
  left: AbortSignal,
): Promise<void> {
  if (body === undefined) return sendText(response, plan)
  const { reader, first, bytes } = body
  using outflow = new Outflow(response, pool, left)
  response.writeHead(plan.status, plan.headers)
  // Head and first bytes leave in one packet, and with them the end of a small body.
  response.cork()
  outflow.write(first, bytes)
  if (reader.done) response.end()
  response.uncork()
  while (!reader.done) {
    // Waits for bytes before it takes memory for them.
    const size = await reader.available(pool.max)
    if (size === 0) break
    await outflow.room()
    const piece = pool.take(size)
    const got = await reader.read(piece.subarray(0, size))
    if (got > 0) outflow.write(piece, got)
    else pool.giveBack(piece)
  }
  left.throwIfAborted()
  if (!response.writableEnded) response.end()
}

/** Sends a Fetch response: what a handler made without a resource. Rejects as `sendBody` does, and ends its body then. */
export async function sendResponse(response: ServerResponse, answer: Response, left: AbortSignal): Promise<void> {
  const { status, statusText, headers, body } = answer
  if (left.aborted || response.headersSent) await body?.cancel()
  left.throwIfAborted()
  const fields: Record<string, string | string[]> = Object.fromEntries(headers)
  const cookies = headers.getSetCookie()
  if (cookies.length > 0) fields['set-cookie'] = cookies
  if (statusText !== '') response.statusMessage = statusText
  response.writeHead(status, fields)
  if (response.req.method === 'HEAD') await body?.cancel()
  else if (body) await copy(body, response, left)
  response.end()
}

async function copy(body: ReadableStream<Uint8Array>, response: ServerResponse, left: AbortSignal): Promise<void> {
  const chunks = body.getReader()
  const cancel = (): void => void chunks.cancel(left.reason).catch(() => {}) // nobody is there to be told
  const forget = onAbort(left, cancel)
  try {
    for (;;) {
      const { done, value } = await chunks.read()
      left.throwIfAborted()
      if (done) return
      if (!response.write(value)) await once(response, 'drain', { signal: left })
    }
  } catch (error) {
    cancel()
    throw error
  } finally {
    forget()
  }
}

/**
 * Ends the connection in the middle of a body, so that no client takes what it has for the whole. In HTTP/1.0 the end of
 * the connection may be the end of the body (RFC 9112 section 6.3): only a reset tells one from the other.
 */
export function cut(response: ServerResponse): void {
  const { socket, req } = response
  if (req.httpVersionMinor === 0 && socket instanceof Socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
  response.destroy()
}
