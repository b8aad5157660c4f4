// Filling from a server on this machine that answers as servers do.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AssetStore, ResourceKey, type ResourceReader } from '@cistern/assets'
import { Filler, type FillerOptions, fileSource, httpSource } from '@cistern/fill'
import { onBoth } from '../assets/facade/stores.js'
import { randomBytes } from '../helpers/bytes.js'
import {
  type Answer,
  chunked,
  cutAfter,
  gzipped,
  headFails,
  ignoreRanges,
  inTurn,
  longBody,
  openOrigin,
  redirectTo,
  shaped,
  shortBody,
  status,
  wrongContentRange,
} from '../helpers/fixture-origin.js'
import { tempFolder } from '../helpers/temp-folder.js'

const CHUNK = 64 * 1024
const key = ResourceKey.of('film', 'video.mp4')
const path = '/video.mp4'
const options: FillerOptions = { chunkSize: CHUNK, backoffMs: 1 }

async function reads(reader: ResourceReader, bytes: Uint8Array): Promise<void> {
  const got = await reader.bytes()
  assert.equal(got.length, bytes.length)
  assert.ok(Buffer.from(got).equals(bytes), 'these are not its bytes')
}

onBoth('[fill 1] a file of two and a half chunks is fetched once, and then never again', async (open) => {
  const bytes = randomBytes(1, 2.5 * CHUNK)
  await using origin = await openOrigin({ [path]: { bytes } })
  await using store = await open()
  await using filler = new Filler(store, options)
  for (let round = 0; round < 2; round++) {
    using reader = await filler.open(key, httpSource(origin.url(path)))
    await reads(reader, bytes)
    await reader.waitCommit()
  }
  assert.equal(origin.totalSent(path), bytes.length)
})

const usable: readonly (readonly [what: string, answer: Answer])[] = [
  ['ignores ranges', ignoreRanges()],
  ['sends a body without its length', chunked()],
  ['sends a shorter body, once', inTurn(shortBody(1_000))],
  ['sends more than it said', longBody(3_000)],
  ['loses the connection, three times', inTurn(cutAfter(30_000), cutAfter(1), cutAfter(50_000))],
  ['answers 503, twice', inTurn(status(503), status(503, { 'retry-after': '0' }))],
]
for (const [what, answer] of usable) {
  onBoth(`[fill 7] an origin that ${what} is read byte for byte`, async (open) => {
    const bytes = randomBytes(2, 4.3 * CHUNK)
    await using origin = await openOrigin({ [path]: { bytes } })
    origin.answer(path, answer)
    await using store = await open()
    await using filler = new Filler(store, options)
    using reader = await filler.open(key, httpSource(origin.url(path)))
    assert.deepEqual(
      await reader.bytes({ start: 3 * CHUNK, end: 3 * CHUNK + 50 }),
      bytes.slice(3 * CHUNK, 3 * CHUNK + 50),
    )
    await reads(reader, bytes)
    assert.equal(await reader.waitCommit(), bytes.length)
  })
}

const useless: readonly (readonly [what: string, answer: Answer, reason: string])[] = [
  ['sends another range', wrongContentRange('bytes 1-65536/500000'), 'response'],
  ['compresses', gzipped(), 'response'],
  ['has no such file', status(404), 'status'],
  ['shows a page instead', status(403, { 'content-type': 'text/html' }, '<p>no'), 'status'],
]
for (const [what, answer, reason] of useless) {
  onBoth(`[fill 7] of an origin that ${what} nothing is kept, and who waits is told`, async (open) => {
    await using origin = await openOrigin({ [path]: { bytes: randomBytes(3, 4 * CHUNK) } })
    origin.answer(path, answer)
    await using store = await open()
    await using filler = new Filler(store, options)
    using reader = await filler.open(key, httpSource(`${origin.url(path)}?token=secret`))
    await assert.rejects(reader.bytes(), (error: Error & { reason?: string }) => {
      assert.equal(error.reason, reason)
      assert.doesNotMatch(`${error.stack}`, /secret/)
      return true
    })
    assert.equal(store.stat(key)?.coverage.size ?? 0, 0)
  })
}

for (const what of ['etag', 'lastModified'] as const) {
  onBoth(`[fill 8] another ${what} in the middle: what was there is dropped, never mixed`, async (open) => {
    const [before, after] = [randomBytes(4, 6 * CHUNK), randomBytes(5, 6 * CHUNK)]
    const version = (bytes: Uint8Array, n: number) =>
      what === 'etag'
        ? { bytes, etag: `"v${n}"` }
        : { bytes, etag: false as const, lastModified: new Date(1_600_000_000_000 + n * 60_000).toUTCString() }
    await using origin = await openOrigin({ [path]: version(before, 1) })
    await using store = await open()
    await using filler = new Filler(store, { ...options, lookahead: 0 })
    const source = httpSource(origin.url(path))
    {
      using reader = await filler.open(key, source)
      assert.deepEqual(await reader.bytes({ start: 0, end: 100 }), before.slice(0, 100))
      origin.put(path, version(after, 2))
      await assert.rejects(reader.bytes({ start: 5 * CHUNK, end: 5 * CHUNK + 1 }), {
        code: 'ERR_CISTERN_SOURCE_CHANGED',
      })
    }
    using reader = await filler.open(key, source)
    await reads(reader, after)
  })
}

test('[fill 11] after a restart at 40 percent only what is missing is asked for', async (t) => {
  const root = tempFolder(t)
  const bytes = randomBytes(6, 10 * 256 * 1024)
  await using origin = await openOrigin({ [path]: { bytes } })
  const there = 4 * 256 * 1024
  for (const ranges of [[{ start: 0, end: there }], undefined]) {
    await using store = await AssetStore.open({ root, minFreeBytes: 0 })
    await using filler = new Filler(store, { ...options, chunkSize: 256 * 1024 })
    await filler.prefetch(key, httpSource(origin.url(path)), { ranges })
    if (ranges === undefined) assert.ok(Buffer.from((await store.get(key)) ?? '').equals(bytes))
  }
  assert.equal(origin.totalSent(path), bytes.length)
  assert.ok(origin.requests.slice(4).every(({ range }) => (range?.start ?? 0) >= there))
})

onBoth('[fill 15] when the last reader leaves, the connection is let go', async (open) => {
  await using origin = await openOrigin({ [path]: { bytes: randomBytes(7, 100 * CHUNK) } })
  origin.answer(path, shaped({ hangAfter: 20_000 }))
  await using store = await open()
  await using filler = new Filler(store, options)
  const reader = await filler.open(key, httpSource(origin.url(path)))
  await reader.bytes({ start: 0, end: 10_000 })
  reader.close()
  await origin.quiet()
  await origin.socketsLeft(0)
  assert.deepEqual(filler.stats().running, [])
})

onBoth(
  '[fill 16] an origin that sends no byte is given up in time, and asked for something else first',
  async (open) => {
    const bytes = randomBytes(8, 3 * CHUNK)
    await using origin = await openOrigin({ [path]: { bytes } })
    origin.answer(path, inTurn(shaped({ hangAfter: 0 })))
    await using store = await open()
    await using filler = new Filler(store, { ...options, concurrency: 1, backoffMs: 100 })
    await filler.complete(key, httpSource(origin.url(path), { stallTimeoutMs: 400 }))
    assert.ok(Buffer.from((await store.get(key)) ?? '').equals(bytes))
    assert.equal(origin.requests[1]?.range?.start, CHUNK)
  },
)

onBoth('[fill 18] an origin that says no length, and answers no HEAD, is read to its end', async (open) => {
  const bytes = randomBytes(9, 5.5 * CHUNK)
  await using origin = await openOrigin({ [path]: { bytes } })
  origin.answer(path, shaped({ ranges: false, chunked: true }))
  await using store = await open()
  await using filler = new Filler(store, options)
  using reader = await filler.open(key, httpSource(origin.url(path)))
  let position = 0
  for await (const chunk of reader.chunks()) {
    assert.ok(Buffer.from(bytes.subarray(position, position + chunk.length)).equals(chunk))
    position += chunk.length
  }
  assert.equal(await reader.waitCommit(), bytes.length)
  assert.equal(store.stat(key)?.length, bytes.length)
})

for (const code of [405, 500]) {
  onBoth(`[fill 19] where HEAD answers ${code} the size is found all the same`, async (open) => {
    const bytes = randomBytes(10, 2 * CHUNK)
    await using origin = await openOrigin({ [path]: { bytes } })
    origin.answer(path, headFails(code))
    await using store = await open()
    await using filler = new Filler(store, options)
    using reader = await filler.open(key, httpSource(origin.url(path)))
    assert.equal(await reader.waitLength(), bytes.length)
  })
}

onBoth('[fill 20] redirects are followed for each request, and credentials stay with their origin', async (open) => {
  const bytes = randomBytes(11, 3 * CHUNK)
  await using target = await openOrigin({ [path]: { bytes } })
  await using origin = await openOrigin()
  origin.answer('/a', redirectTo('/b'))
  origin.answer('/b', redirectTo(target.url(path)))
  await using store = await open()
  await using filler = new Filler(store, options)
  using reader = await filler.open(key, httpSource(origin.url('/a'), { headers: { authorization: 'Bearer secret' } }))
  await reads(reader, bytes)
  assert.equal(origin.requests[0]?.headers.authorization, 'Bearer secret')
  assert.ok(target.requests.every(({ headers }) => headers.authorization === undefined))
})

onBoth('[fill 22] over a slow link that is cut three times every byte is the origin’s', async (open) => {
  const bytes = randomBytes(12, 600_000)
  await using origin = await openOrigin({ [path]: { bytes } })
  const slow = { bytesPerSecond: 1_000_000, delayMs: 200 }
  origin.answer(path, (request, _response, serve) => {
    const n = origin.requests.indexOf(request)
    return serve(n < 3 ? { ...slow, cutAfter: 20_000 + n * 7_001 } : slow)
  })
  await using store = await open()
  await using filler = new Filler(store, { chunkSize: 256 * 1024, backoffMs: 10 })
  using reader = await filler.open(key, httpSource(origin.url(path)))
  let position = 0
  for await (const chunk of reader.chunks()) {
    assert.ok(Buffer.from(bytes.subarray(position, position + chunk.length)).equals(chunk))
    position += chunk.length
  }
  assert.equal(position, bytes.length)
})

test('a file of this machine is a source as well', async (t) => {
  const folder = tempFolder(t)
  const bytes = randomBytes(13, 3 * CHUNK + 5)
  writeFileSync(join(folder, 'film.mp4'), bytes)
  await using store = await AssetStore.open({ root: join(folder, 'store'), minFreeBytes: 0 })
  await using filler = new Filler(store, options)
  using reader = await filler.open(key, fileSource(join(folder, 'film.mp4')))
  await reads(reader, bytes)
  await reader.waitCommit()
})
