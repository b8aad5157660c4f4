import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { sha256 } from './bytes.js'
import { deferred } from './deferred.js'

const pieceBytes = 64 * 1024

/** A file of the origin. */
export interface OriginFile {
  readonly bytes: Uint8Array
  /** As in the header, quotes included. Default: a strong one of the content; `false`: none. */
  readonly etag?: string | false | undefined
  /** As in the header. Default: none. */
  readonly lastModified?: string | undefined
  readonly contentType?: string | undefined
}

/** What the origin was asked for, and what came of it. */
export interface OriginRequest {
  readonly method: string
  /** With its query, as it was asked for. */
  readonly path: string
  /** As in the header, which names the last byte and not the one behind it. */
  readonly range: { readonly start?: number | undefined; readonly end?: number | undefined } | undefined
  readonly headers: IncomingHttpHeaders
  /** `performance.now()` when its headers were there. */
  readonly at: number
  /** Status of the answer; 0 as long as there is none. */
  readonly status: number
  /** Bytes of bodies that were given to the socket: more than what has arrived. */
  readonly bytesSent: number
  /** Whether the answer was sent to its end, by both sides' will. */
  readonly ended: 'whole' | 'cut' | 'open'
  /** Resolves once it is no longer open. */
  readonly done: Promise<void>
}

/** What an answer has that the default one has not. */
export interface Shape {
  /** `false`: the Range header is overlooked, and nothing says that ranges are known. */
  readonly ranges?: boolean | undefined
  /** Headers to set instead of the default ones; `false`: to leave out. */
  readonly headers?: Readonly<Record<string, string | false>> | undefined
  /** Without Content-Length. */
  readonly chunked?: boolean | undefined
  /** Bytes that the body lacks at its end. Where nothing but Content-Range tells: it ends properly, and is chunked. */
  readonly missing?: number | undefined
  /** Bytes that the body has behind its end; chunked. */
  readonly extra?: number | undefined
  /** Compressed, whatever was accepted. */
  readonly gzip?: boolean | undefined
  /** Before the headers. */
  readonly delayMs?: number | undefined
  readonly bytesPerSecond?: number | undefined
  /** Bytes of the body that are sent; then nothing comes any more. */
  readonly hangAfter?: number | undefined
  /** Bytes of the body that are sent; then the connection is closed. */
  readonly cutAfter?: number | undefined
}

/** Answers one request, by hand or with what `serve` does by default or in another shape. */
export type Answer = (
  request: OriginRequest,
  response: ServerResponse,
  serve: (shape?: Shape) => Promise<void>,
) => unknown

/** The default answer in another shape. */
export const shaped =
  (shape: Shape): Answer =>
  (_request, _response, serve) =>
    serve(shape)

export const ignoreRanges = (): Answer => shaped({ ranges: false })
export const wrongContentRange = (value: string): Answer => shaped({ headers: { 'content-range': value } })
export const shortBody = (missing: number): Answer => shaped({ missing })
export const longBody = (extra: number): Answer => shaped({ extra })
export const chunked = (): Answer => shaped({ chunked: true })
export const gzipped = (): Answer => shaped({ gzip: true })
export const hangAfter = (bytes: number): Answer => shaped({ hangAfter: bytes })
export const cutAfter = (bytes: number): Answer => shaped({ cutAfter: bytes })
/** No headers, ever. */
export const hang = (): Answer => () => undefined
/** The connection is closed before there are headers. */
export const hangUp = (): Answer => (_request, response) => response.destroy()
export const redirectTo = (location: string, code = 302): Answer => status(code, { location })

export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}, body = ''): Answer =>
  (_request, response) =>
    response.writeHead(code, { 'content-length': Buffer.byteLength(body), ...headers }).end(body)

/** For HEAD alone; all else as ever. */
export const headFails =
  (code: number): Answer =>
  (request, response, serve) =>
    request.method === 'HEAD' ? response.writeHead(code).end() : serve()

/** The first request is answered by the first, and so on; those behind the last one by default. */
export function inTurn(...answers: readonly Answer[]): Answer {
  let next = 0
  return (request, response, serve) => (answers[next++] ?? shaped({}))(request, response, serve)
}

/** An HTTP/1.1 origin on this machine, which speaks Range and If-Range as RFC 9110 has it. `await using` closes it. */
export async function openOrigin(files: Readonly<Record<string, OriginFile>> = {}): Promise<FixtureOrigin> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new FixtureOrigin(server, files)
}

export class FixtureOrigin {
  /** Of all requests, in the order in which they came. */
  readonly requests: readonly OriginRequest[] = []
  /** Most requests that were open at a time. */
  mostAtOnce = 0
  readonly #server: Server
  readonly #files: Map<string, OriginFile>
  readonly #answers = new Map<string, Answer>()
  readonly #awaited = new Set<() => void>()
  readonly #held = new Map<OriginRequest, () => void>()
  #holding = false
  #sockets = 0

  constructor(server: Server, files: Readonly<Record<string, OriginFile>>) {
    this.#server = server
    this.#files = new Map(Object.entries(files))
    server.on('request', (message, response) => this.#take(message, response))
    server.on('connection', (socket) => {
      this.#sockets++
      socket.on('close', () => {
        this.#sockets--
        this.#tell()
      })
    })
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  url(path: string): string {
    return this.origin + path
  }

  /** Connections that are open, idle ones included. */
  get sockets(): number {
    return this.#sockets
  }

  /** Requests whose answers are under way. */
  get open(): number {
    return this.requests.filter(({ ended }) => ended === 'open').length
  }

  /** Bytes of bodies that were sent for a path, over all requests. */
  totalSent(path: string): number {
    return this.requests.reduce((sum, request) => sum + (request.path === path ? request.bytesSent : 0), 0)
  }

  /** Puts a file there, or another version of it. */
  put(path: string, file: OriginFile): void {
    this.#files.set(path, file)
  }

  /** How a path is answered from now on; without one, by default again. */
  answer(path: string, answer?: Answer): void {
    if (answer) this.#answers.set(path, answer)
    else this.#answers.delete(path)
  }

  /** From now on nothing is answered before `letGo`. */
  hold(): void {
    this.#holding = true
  }

  /** Answers those that are held and match; without `matches`, all of them, and holds no longer. */
  letGo(matches?: (request: OriginRequest) => boolean): void {
    if (!matches) this.#holding = false
    for (const [request, go] of this.#held) {
      if (matches && !matches(request)) continue
      this.#held.delete(request)
      go()
    }
  }

  /** The n-th request, counted from 1, of those that match; waits for it where it has not come yet. */
  asked(n: number, matches: (request: OriginRequest) => boolean = () => true): Promise<OriginRequest> {
    return this.#once(() => this.requests.filter(matches)[n - 1])
  }

  /** Resolves once no answer is under way. */
  async quiet(): Promise<void> {
    await this.#once(() => (this.open === 0 ? true : undefined))
  }

  /** Resolves once no more than so many connections are open. */
  async socketsLeft(atMost: number): Promise<void> {
    await this.#once(() => (this.#sockets <= atMost ? true : undefined))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held.clear()
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  #take(message: IncomingMessage, response: ServerResponse): void {
    const request = new LoggedRequest(message, response)
    ;(this.requests as OriginRequest[]).push(request)
    this.mostAtOnce = Math.max(this.mostAtOnce, this.open)
    void request.done.then(() => {
      this.#held.delete(request)
      this.#tell()
    })
    const go = (): void => void this.#answer(request, response)
    if (this.#holding) this.#held.set(request, go)
    else go()
    this.#tell()
  }

  async #answer(request: LoggedRequest, response: ServerResponse): Promise<void> {
    const file = this.#files.get(pathOf(request))
    const answer = this.#answers.get(pathOf(request)) ?? shaped({})
    try {
      await answer(request, response, (shape) => serve(request, response, file, shape))
    } catch (error) {
      if (!response.closed) throw error // whoever asked has gone: that is no failure of the test's
    }
  }

  /** `look` is asked again whenever something has happened, until it has an answer. */
  #once<T>(look: () => T | undefined): Promise<T> {
    const { promise, resolve } = deferred<T>()
    const watch = (): void => {
      const found = look()
      if (found === undefined) return
      this.#awaited.delete(watch)
      resolve(found)
    }
    this.#awaited.add(watch)
    watch()
    return promise
  }

  #tell(): void {
    for (const watch of [...this.#awaited]) watch()
  }
}

class LoggedRequest implements OriginRequest {
  readonly method: string
  readonly path: string
  readonly range: OriginRequest['range']
  readonly headers: IncomingHttpHeaders
  readonly at: number = performance.now()
  readonly done: Promise<void>
  bytesSent = 0
  ended: OriginRequest['ended'] = 'open'
  readonly #gone = new AbortController()
  readonly #response: ServerResponse

  constructor(message: IncomingMessage, response: ServerResponse) {
    this.method = message.method ?? ''
    this.path = message.url ?? ''
    this.range = parseRange(message.headers.range)
    this.headers = message.headers
    this.#response = response
    const { promise, resolve } = deferred()
    this.done = promise
    response.on('error', () => undefined) // whoever asked has gone
    response.on('close', () => {
      this.ended = response.writableFinished ? 'whole' : 'cut'
      this.#gone.abort()
      resolve()
    })
  }

  get status(): number {
    return this.#response.headersSent ? this.#response.statusCode : 0
  }

  /** Aborted once nobody is there any more to answer to. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }
}

async function serve(
  request: LoggedRequest,
  response: ServerResponse,
  file: OriginFile | undefined,
  shape: Shape = {},
): Promise<void> {
  if (shape.delayMs) await delay(shape.delayMs, undefined, { signal: request.gone })
  if (!file) return void response.writeHead(404, { 'content-length': 0 }).end()

  const total = file.bytes.length
  const range = shape.ranges === false || request.method === 'HEAD' ? undefined : rangeFor(request, file)
  const { start, end } = range ?? { start: 0, end: total }
  const unmet = start >= end && range !== undefined
  const plain = unmet ? new Uint8Array() : bodyOf(file.bytes, start, end, shape)
  const body = shape.gzip ? gzipSync(plain) : plain
  const unmeasured = shape.chunked || shape.missing !== undefined || shape.extra !== undefined

  const headers: Record<string, string | false> = {
    'accept-ranges': shape.ranges === false ? false : 'bytes',
    'content-type': file.contentType ?? false,
    etag: etagOf(file) ?? false,
    'last-modified': file.lastModified ?? false,
    'content-encoding': shape.gzip ? 'gzip' : false,
    'content-range': range ? `bytes ${unmet ? '*' : `${start}-${end - 1}`}/${total}` : false,
    'content-length': unmeasured ? false : String(body.length),
    ...shape.headers,
  }
  for (const [name, value] of Object.entries(headers)) if (value !== false) response.setHeader(name, value)
  response.writeHead(unmet ? 416 : range ? 206 : 200)
  response.flushHeaders()
  if (request.method === 'HEAD') return void response.end()
  await send(request, response, body, shape)
}

async function send(request: LoggedRequest, response: ServerResponse, body: Uint8Array, shape: Shape): Promise<void> {
  const stop = Math.min(shape.hangAfter ?? body.length, shape.cutAfter ?? body.length)
  const rate = shape.bytesPerSecond
  const piece = rate === undefined ? pieceBytes : Math.max(1, Math.min(pieceBytes, Math.ceil(rate / 50)))
  const began = performance.now()
  while (request.bytesSent < stop && !response.closed) {
    const part = body.subarray(request.bytesSent, Math.min(stop, request.bytesSent + piece))
    request.bytesSent += part.length
    response.write(part)
    if (rate !== undefined) {
      const due = began + (request.bytesSent / rate) * 1_000
      await delay(Math.max(0, due - performance.now()), undefined, { signal: request.gone })
    }
    if (response.writableNeedDrain) await once(response, 'drain', { signal: request.gone })
  }
  if (shape.cutAfter !== undefined) response.socket?.destroySoon()
  else if (shape.hangAfter === undefined) response.end()
}

function bodyOf(bytes: Uint8Array, start: number, end: number, { missing = 0, extra = 0 }: Shape): Uint8Array {
  const body = bytes.subarray(start, Math.max(start, end - missing))
  return extra === 0 ? body : Buffer.concat([body, Buffer.alloc(extra, 0xee)])
}

/** What the Range header comes to; `undefined` where the whole is to be sent. Empty where nothing of it is there. */
function rangeFor(request: LoggedRequest, file: OriginFile): { start: number; end: number } | undefined {
  const { range, headers } = request
  if (!range) return undefined
  const condition = headers['if-range']
  if (typeof condition === 'string' && condition !== file.lastModified && !isStrong(condition, file)) return undefined
  const total = file.bytes.length
  if (range.start === undefined) return { start: Math.max(0, total - (range.end ?? 0)), end: total }
  return { start: range.start, end: Math.min(total, (range.end ?? total - 1) + 1) }
}

/** RFC 9110 13.1.5: weak ones never match. */
function isStrong(condition: string, file: OriginFile): boolean {
  return condition === etagOf(file) && !condition.startsWith('W/')
}

function etagOf({ etag, bytes }: OriginFile): string | undefined {
  if (etag === false) return undefined
  return etag ?? `"${sha256(bytes).slice(0, 16)}"`
}

function parseRange(header: string | undefined): OriginRequest['range'] {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  return { start: numberOf(match[1]), end: numberOf(match[2]) }
}

function numberOf(digits: string | undefined): number | undefined {
  return digits ? Number(digits) : undefined
}

function pathOf(request: OriginRequest): string {
  return request.path.split('?', 1)[0] ?? ''
}
