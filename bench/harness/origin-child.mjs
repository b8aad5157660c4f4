// An HTTP server in a process of its own that bytes are fetched from: `/NAME?bytes=…&rate=…&latency=…`. `rate`, in bytes a
// second, holds for all requests of one name together, as a line would; `latency`, in milliseconds, is before the headers.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as elapsed } from 'node:timers/promises'
import { answering } from './child.mjs'

const PIECE = Buffer.alloc(64 * 1024, 7)
/** When the line of a name is free again. @type {Map<string, number>} */
const lines = new Map()
let sent = 0
/** Milliseconds from the first request of a name to the headers, as they were. @type {Map<string, number>} */
const latencies = new Map()

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy()) // the client has left
})
server.listen(0, '127.0.0.1')

answering({
  port: async () => {
    if (!server.listening) await once(server, 'listening')
    return /** @type {import('node:net').AddressInfo} */ (server.address()).port
  },
  /** What was sent since it was last asked for. */
  sent: () => {
    const bytes = sent
    sent = 0
    return bytes
  },
  latency: (/** @type {string} */ name) => latencies.get(`/${name}`),
})

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function answer(request, response) {
  const asked = performance.now()
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://origin')
  const bytes = Number(searchParams.get('bytes'))
  const rate = Number(searchParams.get('rate'))
  const latency = Number(searchParams.get('latency'))
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const start = Number(range?.[1] ?? 0)
  const end = range?.[2] ? Math.min(Number(range[2]) + 1, bytes) : bytes
  if (latency > 0) await elapsed(latency)
  response.writeHead(range ? 206 : 200, {
    'content-length': end - start,
    'accept-ranges': 'bytes',
    etag: '"v1"',
    ...(range && { 'content-range': `bytes ${start}-${end - 1}/${bytes}` }),
  })
  response.flushHeaders()
  if (!latencies.has(pathname)) latencies.set(pathname, performance.now() - asked)
  for (let at = start; at < end; ) {
    const piece = at + PIECE.length <= end ? PIECE : PIECE.subarray(0, end - at)
    if (rate > 0) await turnOn(pathname, (piece.length / rate) * 1000)
    at += piece.length
    sent += piece.length
    if (!response.write(piece)) await once(response, 'drain')
  }
  response.end()
}

/**
 * Resolves when the line has taken `ms` more. A timer is late by up to a millisecond and more: what is due by then goes
 * at once.
 * @param {string} name
 * @param {number} ms
 */
async function turnOn(name, ms) {
  const now = performance.now()
  const free = Math.max(lines.get(name) ?? 0, now - 5) + ms
  lines.set(name, free)
  if (free - now > 1) await elapsed(free - now)
}
