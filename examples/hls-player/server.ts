import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@cistern/http'
import type { Actions } from './actions.js'
import { sendEvents } from './live/stream-events.js'
import type { Watch } from './live/watch.js'
import type { PageFiles } from './page-files.js'
import type { Stream } from './streams/stream.js'

export interface PlayerParts {
  readonly page: PageFiles
  readonly streams: readonly Stream[]
  readonly watch: Watch
  readonly actions: Actions
}

/** Serves the page, the media, and what the page asks for; on this machine only. Gives its address. */
export async function serve(port: number, parts: PlayerParts): Promise<{ server: Server; address: string }> {
  const media = mediaHandler(parts)
  const server = createServer((request, response) => {
    // A target that begins with `//` is no host, and may be none that a URL can have.
    const target = `http://localhost${request.url}`
    if (!request.url?.startsWith('/') || !URL.canParse(target)) return refuse(response, 400)
    const { pathname, searchParams } = new URL(target)
    if (!isOwn(request)) refuse(response, 403)
    else if (pathname.startsWith('/media/')) media(request, response)
    else if (request.method === 'POST') void act(pathname, request, response, parts.actions)
    else if (request.method !== 'GET' && request.method !== 'HEAD') refuse(response, 405)
    else if (pathname === '/events' && request.method === 'GET') {
      sendEvents(response, () => parts.watch.snapshot(searchParams.get('stream') ?? undefined))
    } else parts.page.send(pathname, response)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

/** `/media/ASSET/PATH` */
function mediaHandler({ streams, watch }: PlayerParts): (request: IncomingMessage, response: ServerResponse) => void {
  const where = (path: string): readonly [asset: string, path: string] => {
    const [, , asset = '', ...rest] = path.split('/')
    return [asset, rest.join('/')]
  }
  const handler = toNodeHandler(
    ({ path, signal }) => {
      const [asset, within] = where(path)
      return streams.find((stream) => stream.asset === asset)?.open(within, signal)
    },
    { onError: (error, { path }) => watch.failed(...where(path), error as Error) },
  )
  return (request, response) => {
    const { socket } = request
    const before = socket.bytesWritten
    const [asset] = where(request.url ?? '')
    response.once('close', () => {
      const isGood = response.writableFinished && response.statusCode < 400
      watch.answered(asset, socket.bytesWritten - before, isGood)
    })
    handler(request, response)
  }
}

async function act(
  pathname: string,
  request: IncomingMessage,
  response: ServerResponse,
  actions: Actions,
): Promise<void> {
  try {
    const action = actions.find(pathname)
    if (!action) return refuse(response, 404)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    await action(JSON.parse(Buffer.concat(chunks).toString() || '{}'))
    response.writeHead(204).end()
  } catch {
    refuse(response, 400)
  }
}

/** No other site's page may act here, and none under another name that leads to this machine. */
function isOwn({ headers, method }: IncomingMessage): boolean {
  const { host = '', origin } = headers
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) return false
  return method === 'GET' || method === 'HEAD' || origin === undefined || origin === `http://${host}`
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0 }).end()
}
