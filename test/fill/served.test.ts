// Origin, filler, store and server together: what a player at the end gets.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AssetStore, ResourceKey } from '@cistern/assets'
import { Filler, type HttpSourceOptions, httpSource } from '@cistern/fill'
import { toNodeHandler } from '@cistern/http'
import { type OpenStore, onBoth } from '../assets/facade/stores.js'
import { randomBytes, randomInteger, randomNumbers } from '../helpers/bytes.js'
import { type Answer, hang, type OriginFile, openOrigin, shaped, status } from '../helpers/fixture-origin.js'

const CHUNK = 64 * 1024
const path = '/video.mp4'

/** A proxy of an origin, as in the README. */
async function openProxy(open: OpenStore, file: OriginFile, answer?: Answer, options?: HttpSourceOptions) {
  const origin = await openOrigin({ [path]: file })
  origin.answer(path, answer)
  const store: AssetStore = await open()
  const filler = new Filler(store, { chunkSize: CHUNK, backoffMs: 1, retries: 1 })
  const serve = toNodeHandler(({ path }) => {
    const url = new URL(`.${path}`, origin.url('/'))
    return filler.open(ResourceKey.fromUrl(url), httpSource(url, options))
  })
  const server = createServer(serve).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  return {
    origin,
    store,
    filler,
    url,
    get: (range?: string, signal?: AbortSignal) =>
      fetch(url, { headers: range ? { range } : {}, ...(signal && { signal }) }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await filler.close()
      await store.close()
      await origin[Symbol.asyncDispose]()
    },
  }
}

onBoth('ranges of a cold file are served as the origin has them, and asked of it once', async (open) => {
  const bytes = randomBytes(1, 12.4 * CHUNK)
  await using proxy = await openProxy(open, { bytes })
  const random = randomNumbers(8)
  await Promise.all(
    Array.from({ length: 30 }, async () => {
      const start = randomInteger(random, 0, bytes.length - 1)
      const end = randomInteger(random, start + 1, Math.min(bytes.length, start + 3 * CHUNK))
      const response = await proxy.get(`bytes=${start}-${end - 1}`)
      assert.equal(response.status, 206)
      assert.equal(response.headers.get('content-range'), `bytes ${start}-${end - 1}/${bytes.length}`)
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(start, end)))
    }),
  )
  const tail = await proxy.get('bytes=-100')
  assert.deepEqual(new Uint8Array(await tail.arrayBuffer()), bytes.slice(-100))
  const all = await proxy.get()
  assert.ok(Buffer.from(await all.arrayBuffer()).equals(bytes))
  // What a request had in hand as its end was cut short may have come once more.
  assert.ok(proxy.filler.stats().bytes < bytes.length * 1.2, `${proxy.filler.stats().bytes} bytes taken`)
  assert.equal((await proxy.get('bytes=99999999-')).status, 416)
  assert.equal((await fetch(proxy.url, { method: 'HEAD' })).headers.get('content-length'), String(bytes.length))
})

onBoth('a client that leaves takes its demand with it', async (open) => {
  await using proxy = await openProxy(open, { bytes: randomBytes(2, 50 * CHUNK) }, shaped({ hangAfter: 30_000 }))
  const leaving = new AbortController()
  const response = await proxy.get(undefined, leaving.signal)
  assert.equal(response.status, 200)
  await response.body?.getReader().read()
  leaving.abort()
  await proxy.origin.quiet()
  assert.deepEqual(proxy.filler.stats().running, [])
})

onBoth('a file of unknown length streams to its end', async (open) => {
  const bytes = randomBytes(3, 5.5 * CHUNK)
  await using proxy = await openProxy(open, { bytes }, shaped({ ranges: false, chunked: true }))
  const response = await proxy.get()
  assert.equal(response.headers.get('content-length'), null)
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(bytes))
})

const troubles: readonly (readonly [what: string, answer: Answer, expected: number])[] = [
  ['has no such file', status(404), 404],
  ['has it no more', status(410), 410],
  ['shows a page of its own', status(403, {}, '<html>'), 502],
  ['is out of order', status(500), 502],
  ['says nothing', hang(), 504],
  ['compresses what it sends', shaped({ gzip: true }), 502],
]
for (const [what, answer, expected] of troubles) {
  onBoth(`an origin that ${what}: ${expected}, and nothing is kept`, async (open) => {
    await using proxy = await openProxy(
      open,
      { bytes: randomBytes(4, 3 * CHUNK) },
      answer,
      expected === 504 ? { connectTimeoutMs: 500 } : {},
    )
    const response = await proxy.get('bytes=0-9')
    assert.equal(response.status, expected)
    await response.text()
    assert.equal(proxy.store.stats().bytes, 0)
    // As soon as it is well again, so is what it is asked for.
    proxy.origin.answer(path)
    assert.equal((await proxy.get('bytes=0-9')).status, 206)
  })
}
