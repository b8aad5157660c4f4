// A caching proxy for films and streams: fills what is asked for, serves it meanwhile, and asks the origin for nothing twice.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { Filler, httpSource } from '@cistern/fill'
import { toNodeHandler } from '@cistern/http'
import { MemStore } from '@cistern/mem-store'
import { servedFolder, servedGenerated, startOrigin } from '../hls-encrypted/origin.js'
import { Stopped, stopOnSignals } from '../hls-encrypted/stop.js'

const USAGE = `usage: media-proxy [--origin URL] [--root DIR | --mem]
  --origin URL  what to stand in front of; files below this URL only. Default: an origin of this program's own
  --root DIR    where the store is. Default: ./cache/media-proxy
  --mem         keep nothing on disk
  --help        this text
  PORT          in the environment: where to listen. Default: a free port`

const FIXTURE = new URL('../../hls-encrypted/fixture/', import.meta.url)
const FILM = { name: 'film.bin', length: 32 * 1024 * 1024, bytesPerSecond: 8 * 1024 * 1024 }

const { origin, root = './cache/media-proxy', mem, help } = options()
if (help) console.log(USAGE)
else await run()

async function run(): Promise<void> {
  const stop = stopOnSignals()
  await using demo = origin === undefined ? await demoOrigin() : undefined
  const base = new URL('.', origin ?? demo?.url)
  await using store = mem ? await MemStore.open() : await AssetStore.open({ root, maxBytes: 2 ** 31 })
  await using filler = new Filler(store)
  filler.on('request', ({ key, start, priority }) => console.log(`origin: ${key.path} from ${start}, ${priority}`))

  const server = createServer(
    toNodeHandler(({ url, path }) => {
      // As it was asked for, query and percent-encoding included: `path` is decoded, and would name another file.
      const file = new URL(`.${url.pathname}${url.search}`, base)
      // 404: not below what it stands in front of. To some origins `..%2F` is `../`, too.
      if (!file.href.startsWith(base.href) || path.includes('/../')) return undefined
      return filler.open(ResourceKey.fromUrl(file), httpSource(file))
    }),
  )
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const address = `http://127.0.0.1:${port}/`
  console.log(`${address} stands in front of ${base.origin}${base.pathname}`)
  if (demo) {
    console.log(`try: curl -s -r -100 ${address}${FILM.name} | wc -c`)
    console.log(`     curl -s ${address}${FILM.name} | wc -c`)
  }

  if (!stop.aborted) await once(stop, 'abort')
  await closed(server)
  const { requests, bytes } = filler.stats()
  console.log(`stopped: ${requests} requests to the origin, ${bytes} bytes`)
  if (stop.reason instanceof Stopped) process.exitCode = stop.reason.exitCode
}

async function demoOrigin() {
  const files = await servedFolder(FIXTURE)
  const film = servedGenerated(FILM.length, FILM.bytesPerSecond)
  return startOrigin((path) => (path === FILM.name ? film : files.get(path)))
}

/** Players are cut off: they ask again, whoever answers then. */
async function closed(server: Server): Promise<void> {
  const end = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await end
}

function options(): { origin?: string; root?: string; mem?: boolean; help?: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        origin: { type: 'string' },
        root: { type: 'string' },
        mem: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    if (values.origin !== undefined && !URL.canParse(values.origin)) throw new Error('--origin takes an absolute URL')
    return values
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`)
    process.exit(2)
  }
}
