// The other side of the network: an HTTP/1.1 origin on a free loopback port. It is scaffolding, not part of what you would copy.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { generatedBytes } from './generated.js'

const PIECE = 16 * 1024

/** What the origin has under one path. */
export interface Served {
  readonly length: number
  readonly etag: string
  readonly type: string
  /** The bytes of [start, end). */
  read(start: number, end: number): Uint8Array
  /** The pace of a network. Without it, as fast as loopback goes. */
  readonly bytesPerSecond?: number | undefined
  /** Drops the connection after so many bytes of a body. */
  readonly cutAfter?: number | undefined
}

/** What lies between an origin and who asks it; looked at for each answer and each piece of it, so it may change meanwhile. */
export interface Line {
  /** Milliseconds before the headers. */
  readonly delayMs: number
  /** Of each answer. `Infinity`: as fast as loopback goes. */
  readonly bytesPerSecond: number
  /** Every connection is closed, answered or not. */
  readonly isCut: boolean
}

const LOOPBACK: Line = { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, isCut: false }

export interface OriginRequest {
  readonly path: string
  readonly range: string | undefined
  readonly status: number
}

export interface Origin extends AsyncDisposable {
  readonly url: URL
  /** Answered so far, in order. */
  readonly requests: readonly OriginRequest[]
}

/** Serves what `find` names by path, without its leading slash; 404 for the rest. */
export async function startOrigin(
  find: (path: string) => Served | undefined,
  line: Readonly<Line> = LOOPBACK,
): Promise<Origin> {
  const requests: OriginRequest[] = []
  const server = createServer(async (request, response) => {
    if (line.delayMs > 0) await delay(line.delayMs)
    if (line.isCut) return void response.destroy()
    const path = new URL(request.url ?? '/', 'http://origin').pathname.slice(1)
    const status = answer(request, response, find(path), line)
    requests.push({ path, range: request.headers.range, status })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the origin got no port')

  return {
    url: new URL(`http://127.0.0.1:${address.port}/`),
    requests,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** The files of one folder, read once, by name. */
export async function servedFolder(folder: URL): Promise<Map<string, Served>> {
  const served = new Map<string, Served>()
  for (const name of await readdir(folder)) served.set(name, servedBytes(await readFile(new URL(name, folder)), name))
  return served
}

export function servedBytes(bytes: Uint8Array, name: string): Served {
  const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`
  return { length: bytes.length, etag, type: typeOf(name), read: (start, end) => bytes.subarray(start, end) }
}

/** A resource of `length` bytes that exists nowhere: see generated.ts. */
export function servedGenerated(length: number, bytesPerSecond?: number): Served {
  const type = 'application/octet-stream'
  return { length, etag: `"generated-${length}"`, type, read: generatedBytes, bytesPerSecond }
}

/** Sends the head at once and the body behind it; gives the status. RFC 9110, sections 13.1.5 (If-Range) and 14.2 (Range). */
function answer(request: IncomingMessage, response: ServerResponse, served: Served | undefined, line: Line): number {
  const { method, headers } = request
  if (method !== 'GET' && method !== 'HEAD') return refuse(response, 405, { allow: 'GET, HEAD' })
  if (!served) return refuse(response, 404)

  const { length, etag, type } = served
  const common = { etag, 'content-type': type, 'accept-ranges': 'bytes' }
  // A range of another version would be mixed into what the client has: then it gets the whole of this one.
  const sameVersion = headers['if-range'] === undefined || headers['if-range'] === etag
  const range = sameVersion ? parseRange(headers.range, length) : undefined
  if (range === 'unsatisfiable') return refuse(response, 416, { ...common, 'content-range': `bytes */${length}` })

  const { start, end } = range ?? { start: 0, end: length }
  const status = range ? 206 : 200
  if (range) response.setHeader('content-range', `bytes ${start}-${end - 1}/${length}`)
  response.writeHead(status, { ...common, 'content-length': end - start })
  if (method === 'HEAD') response.end()
  else void sendBody(pieces(served, start, end, line), response)
  return status
}

function refuse(response: ServerResponse, status: number, headers: Record<string, string> = {}): number {
  response.writeHead(status, { ...headers, 'content-length': 0 }).end()
  return status
}

/** One range, as `bytes=a-b`, `bytes=a-` or `bytes=-n`. Anything else is ignored, as the RFC allows. */
export function parseRange(header: string | undefined, length: number): ByteSpan | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first)
  const end = first === '' || last === '' ? length : Math.min(length, Number(last) + 1)
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  return start < end ? { start, end } : 'unsatisfiable'
}

export interface ByteSpan {
  readonly start: number
  readonly end: number
}

async function sendBody(body: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  try {
    // pipeline waits for the socket to drain, so a slow client slows the origin and nothing piles up here.
    await pipeline(Readable.from(body), response)
  } catch {
    // The client went away, or the body was cut on purpose: either way pipeline has destroyed the response.
  }
}

async function* pieces(served: Served, start: number, end: number, line: Line): AsyncGenerator<Uint8Array> {
  const { cutAfter = Number.POSITIVE_INFINITY } = served
  let due = performance.now()
  for (let at = start; at < end; ) {
    if (at - start >= cutAfter || line.isCut) throw new Error('connection cut')
    const bytesPerSecond = Math.min(served.bytesPerSecond ?? Number.POSITIVE_INFINITY, line.bytesPerSecond)
    const ahead = due - performance.now()
    // Timers are coarse: sleeping for less than 10 ms a time would make the pace slower than asked.
    if (ahead > 10) await delay(ahead)
    // Small enough to be seen coming.
    const bytes = Math.max(1, Math.min(PIECE, end - at, Math.ceil(bytesPerSecond / 20)))
    yield served.read(at, at + bytes)
    due = Math.max(due, performance.now() - 1000) + (bytes / bytesPerSecond) * 1000
    at += bytes
  }
}

function typeOf(name: string): string {
  if (name.endsWith('.m3u8')) return 'application/vnd.apple.mpegurl'
  if (name.endsWith('.ts')) return 'video/mp2t'
  if (name.endsWith('.mp4') || name.endsWith('.m4s')) return 'video/mp4'
  return 'application/octet-stream'
}
