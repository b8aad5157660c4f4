// A server of one warm 2 MiB file, in a process of its own: `node serve-child.mjs MODE FOLDER`.
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { AssetStore } from '@cistern/assets'
import { serveResource, toNodeHandler } from '@cistern/http'
import { answering } from './child.mjs'

/** @typedef {import('node:http').RequestListener} Listener */

const [mode = '', folder = ''] = process.argv.slice(2)

/** @type {Record<string, () => Promise<Listener>>} */
const modes = {
  /** What the README has. */
  node: async () => {
    const asset = await warmAsset()
    return toNodeHandler(() => asset.open('film.mp4'))
  },
  /** A Fetch response, written to node:http as one would without anything of ours. */
  fetch: async () => {
    const asset = await warmAsset()
    return async (incoming, outgoing) => {
      const request = new Request(`http://localhost${incoming.url}`)
      const response = await serveResource(request, await asset.open('film.mp4'))
      outgoing.writeHead(response.status, Object.fromEntries(response.headers))
      for await (const chunk of response.body ?? []) if (!outgoing.write(chunk)) await once(outgoing, 'drain')
      outgoing.end()
    }
  },
  send: async () => {
    const { default: send } = await import('send')
    await writeFile(`${folder}/film.mp4`, film())
    return (incoming, outgoing) => void send(incoming, '/film.mp4', { root: folder }).pipe(outgoing)
  },
}

const listener = await modes[mode]?.()
if (!listener) throw new Error(`no such server: ${mode}`)
const server = createServer(listener).listen(0, '127.0.0.1')
await once(server, 'listening')
answering({ port: () => /** @type {import('node:net').AddressInfo} */ (server.address()).port })

async function warmAsset() {
  const store = await AssetStore.open({ root: folder, minFreeBytes: 0 })
  const asset = store.asset('asset')
  await asset.put('film.mp4', film())
  await store.checkpoint()
  return asset
}

function film() {
  return Buffer.alloc(2 * 1024 * 1024, 7)
}
