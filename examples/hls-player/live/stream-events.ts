// Server-sent events (WHATWG HTML section 9.2): what has changed, some times a second, for as long as the page is open.
import type { ServerResponse } from 'node:http'

const EVERY_MS = 200

/** Sends `look()` at once, and again whenever it gives something else. Ends with the response. */
export function sendEvents(response: ServerResponse, look: () => unknown): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  let last = ''
  const send = (): void => {
    const text = JSON.stringify(look())
    if (text === last || response.writableNeedDrain) return
    last = text
    response.write(`data: ${text}\n\n`)
  }
  const timer = setInterval(send, EVERY_MS)
  response.once('close', () => clearInterval(timer))
  send()
}
