import { once } from 'node:events'
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http'
import { connect, type Socket } from 'node:net'
import { type AssetStore, type ByteRange, ResourceKey, type ResourceReader, wrapReader } from '@cistern/assets'
import { deferred } from '../helpers/deferred.js'

export const key = ResourceKey.of('film', 'a.mp4')

/** A store with these bytes under `key`, and what opens them. */
export async function stored(
  store: AssetStore,
  bytes: string | Uint8Array<ArrayBuffer>,
): Promise<() => Promise<ResourceReader>> {
  await store.put(key, bytes)
  return () => store.open(key)
}

/** A request as a Fetch server would see it. */
export function get(headers: Record<string, string> = {}, init: RequestInit & { path?: string } = {}): Request {
  return new Request(`http://localhost${init.path ?? '/a.mp4'}`, { headers, ...init })
}

export interface Watched {
  readonly reader: ResourceReader
  /** Resolves once it and all its clones are closed. */
  readonly closed: Promise<void>
  /** The first wait that could not be met at once. */
  readonly waiting: Promise<ByteRange>
  /** Bytes read so far. */
  readonly bytesRead: () => number
}

/** Tells what becomes of a reader. */
export function watched(inner: ResourceReader): Watched {
  const closed = deferred()
  const waiting = deferred<ByteRange>()
  let bytes = 0
  const reader = wrapReader(inner, {
    onClose: closed.resolve,
    onWait: waiting.resolve,
    onRead: (_, got) => {
      bytes += got
    },
  })
  return { reader, closed: closed.promise, waiting: waiting.promise, bytesRead: () => bytes }
}

export interface Serving extends AsyncDisposable {
  readonly server: Server
  readonly port: number
  readonly url: string
}

/** A server on a port of this machine, for as long as it is in scope. */
export async function serving(listener: RequestListener): Promise<Serving> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  return {
    server,
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Asks over a connection of its own, with nothing that `fetch` would add or hide. Rejects when the body was cut. */
export async function ask(
  port: number,
  path = '/a.mp4',
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const request = httpRequest({ port, host: '127.0.0.1', path, headers, method, agent: false }).end()
  const [response] = await once(request, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
}

/** A bare connection that `lines` were sent over, and what came back by the time it ended. */
export function raw(
  port: number,
  ...lines: readonly string[]
): { readonly socket: Socket; readonly text: Promise<string> } {
  const socket = connect(port, '127.0.0.1')
  const text = deferred<string>()
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', text.reject)
  socket.on('close', () => text.resolve(Buffer.concat(chunks).toString('latin1')))
  text.promise.catch(() => {}) // whoever wants it awaits it
  socket.write(lines.map((line) => `${line}\r\n`).join(''))
  return { socket, text: text.promise }
}

/** The bytes of one chunk after another, until the body ends. */
export async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}
