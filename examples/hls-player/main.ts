// A player whose video comes through a store: origin → filler → store → HTTP → a page that shows what is inside.
import { once } from 'node:events'
import type { Server } from 'node:http'
import { parseArgs } from 'node:util'
import { AssetStore, CisternError } from '@cistern/assets'
import { Filler } from '@cistern/fill'
import { MemStore } from '@cistern/mem-store'
import { stopOnSignals } from '../hls-encrypted/stop.js'
import { actionsOf } from './actions.js'
import { AdjustableLine, startDemoOrigin } from './demo-origin.js'
import { Watch } from './live/watch.js'
import { readPage } from './page-files.js'
import { serve } from './server.js'
import { KeyRing } from './streams/key-ring.js'
import { PlaylistReader } from './streams/playlist-reader.js'
import { Stream } from './streams/stream.js'

const USAGE = `usage: hls-player [--origin URL] [--root DIR | --mem] [--max-bytes N]
  --origin URL   an HLS playlist to play, of a stream that has ended. Default: three short ones that come with it
  --root DIR     where the store is. Default: ./cache/hls-player
  --mem          keep nothing on disk
  --max-bytes N  what the store may hold. Default: 2 GiB; for the three that come with it 450 KiB, so that it fills up
  --help         this text
  PORT           in the environment: where to listen. Default: a free port`

const GIB = 2 ** 30
/** Two of the three fit. */
const DEMO_BYTES = 450 * 1024

const { origin: url, root, mem, maxBytes, port, help } = options()
if (help) console.log(USAGE)
else await run().catch(explain)

async function run(): Promise<void> {
  const stop = stopOnSignals()
  const line = url === undefined ? new AdjustableLine() : undefined
  await using demo = line && (await startDemoOrigin(line))
  const limits = { maxBytes: maxBytes ?? (demo ? DEMO_BYTES : 2 * GIB) }
  await using store = mem ? await MemStore.open(limits) : await AssetStore.open({ root, ...limits })
  await using filler = new Filler(store)
  // Closed first: what is being opened may wait for its key, and the filler for that.
  await using keys = await KeyRing.open()
  await using playlists = new PlaylistReader()

  const named = demo?.streams ?? [{ title: url?.pathname.split('/').at(-1) ?? '', url: url as URL }]
  const streams = named.map((each) => new Stream(each, { store, filler, keys, playlists }))
  const watch = new Watch(store, filler, streams, () => line?.shown)

  const actions = actionsOf(store, streams, line)
  const { server, address } = await serve(port, { page: await readPage(), streams, watch, actions })
  console.log(`${address} plays ${demo ? 'three streams that come with it' : url?.host}. Ctrl-C ends it.`)

  if (!stop.aborted) await once(stop, 'abort')
  await closed(server)
  for (const stream of streams) stream.stop()
  const { requests } = filler.stats()
  console.log(`stopped: ${requests} requests to the origin`)
}

/** Pages and players are cut off: they come again, whoever answers then. */
async function closed(server: Server): Promise<void> {
  const end = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await end
}

/** Another process has the port or the store, or the disk says no: that takes a sentence. Anything else is a mistake here. */
function explain(error: unknown): void {
  const isExpected = CisternError.is(error) || typeof (error as { syscall?: unknown } | null)?.syscall === 'string'
  if (!isExpected) throw error
  console.error(`hls-player: ${(error as Error).message}`)
  process.exitCode = 1
}

interface Options {
  readonly origin: URL | undefined
  readonly root: string
  readonly mem: boolean
  readonly maxBytes: number | undefined
  readonly port: number
  readonly help: boolean
}

function options(): Options {
  try {
    const { values } = parseArgs({
      options: {
        origin: { type: 'string' },
        root: { type: 'string' },
        mem: { type: 'boolean' },
        'max-bytes': { type: 'string' },
        help: { type: 'boolean' },
      },
    })
    const { origin, root = './cache/hls-player', mem = false, help = false, 'max-bytes': bytes } = values
    if (origin !== undefined && !/^https?:\/\//.test(origin)) throw new Error('--origin takes an http or https URL')
    if (origin !== undefined && !URL.canParse(origin)) throw new Error('--origin takes an absolute URL')
    if (bytes !== undefined && !/^[1-9]\d*$/.test(bytes)) throw new Error('--max-bytes takes a number of bytes')
    if (mem && values.root !== undefined) throw new Error('--mem keeps nothing on disk: leave --root out')
    const { PORT = '0' } = process.env
    if (!/^\d{1,5}$/.test(PORT) || Number(PORT) > 65_535) throw new Error('PORT takes a number up to 65535')
    const limit = bytes === undefined ? undefined : Number(bytes)
    const from = origin === undefined ? undefined : new URL(origin)
    return { origin: from, root, mem, maxBytes: limit, port: Number(PORT), help }
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`)
    process.exit(2)
  }
}
