import assert from 'node:assert/strict'
import { serveResource } from '@cistern/http'
import { onBoth } from '../assets/facade/stores.js'
import { inPieces, randomBytes } from '../helpers/bytes.js'
import { stateOf } from '../helpers/deferred.js'
import { bytesOf, get, key, watched } from './serving.js'

const film = randomBytes(1, 1_000_000)

onBoth('bytes are served as they arrive, with the length once it is declared', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  const answer = serveResource(get(), got.reader.clone())
  await got.writer?.declare({ length: film.length })
  assert.equal(await stateOf(answer), 'pending')
  await got.writer?.writeAt(0, film.subarray(0, 1000))
  const response = await answer
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-length'), String(film.length))
  const body = bytesOf(response)
  await got.writer?.writeFrom(inPieces(film.subarray(1000), 70_001), { at: 1000 })
  await got.writer?.commit()
  assert.ok((await body).equals(film))
})

onBoth('a resource of unknown length is served without one, to its end', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film.subarray(0, 1000))
  for (const range of ['', 'bytes=0-']) {
    const response = await serveResource(get({ range }), got.reader.clone())
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-length'), null)
    await response.body?.cancel()
  }
  const body = bytesOf(await serveResource(get(), got.reader.clone()))
  await got.writer?.writeAt(1000, film.subarray(1000))
  assert.equal(await stateOf(body), 'pending')
  await got.writer?.commit()
  assert.ok((await body).equals(film))
})

onBoth('the entity tag is the same before and after the commit', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film)
  const response = await serveResource(get(), got.reader.clone())
  await response.body?.cancel()
  await got.writer?.commit()
  const etag = response.headers.get('etag') ?? ''
  const rest = await serveResource(get({ range: 'bytes=999990-', 'if-range': etag }), await store.open(key))
  assert.equal(rest.status, 206)
  assert.ok((await bytesOf(rest)).equals(film.subarray(999_990)))
})

onBoth('a range is served as soon as its first byte is there, wherever that is', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.declare({ length: film.length })
  await got.writer?.writeAt(500_000, film.subarray(500_000, 600_000))
  const response = await serveResource(get({ range: 'bytes=500000-' }), got.reader.clone())
  assert.equal(response.headers.get('content-range'), 'bytes 500000-999999/1000000')
  const body = bytesOf(response)
  await got.writer?.writeAt(600_000, film.subarray(600_000))
  assert.ok((await body).equals(film.subarray(500_000)))
})

onBoth('while the length is unknown a closed range waits for its bytes, and names no length', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film.subarray(0, 150))
  const answer = serveResource(get({ range: 'bytes=100-199' }), got.reader.clone())
  assert.equal(await stateOf(answer), 'pending')
  await got.writer?.writeAt(150, film.subarray(150, 200))
  const response = await answer
  assert.equal(response.status, 206)
  assert.equal(response.headers.get('content-range'), 'bytes 100-199/*')
  assert.equal(response.headers.get('content-length'), '100')
  assert.ok((await bytesOf(response)).equals(film.subarray(100, 200)))
})

onBoth('a length that comes meanwhile cuts a closed range short, or is past it', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film.subarray(0, 150))
  const short = serveResource(get({ range: 'bytes=100-199' }), got.reader.clone())
  const past = serveResource(get({ range: 'bytes=150-199' }), got.reader.clone())
  assert.equal(await stateOf(short), 'pending')
  await got.writer?.commit()
  assert.equal((await short).headers.get('content-range'), 'bytes 100-149/150')
  assert.ok((await bytesOf(await short)).equals(film.subarray(100, 150)))
  assert.equal((await past).headers.get('content-range'), 'bytes */150')
})

onBoth('what needs the length waits for it', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film)
  const suffix = serveResource(get({ range: 'bytes=-500' }), got.reader.clone())
  const open_ = serveResource(get({ range: 'bytes=500-' }), got.reader.clone())
  assert.equal(await stateOf(suffix), 'pending')
  assert.equal(await stateOf(open_), 'pending')
  await got.writer?.declare({ length: film.length })
  assert.equal((await suffix).headers.get('content-range'), 'bytes 999500-999999/1000000')
  assert.ok((await bytesOf(await suffix)).equals(film.subarray(-500)))
  assert.equal((await open_).headers.get('content-range'), 'bytes 500-999999/1000000')
  assert.ok((await bytesOf(await open_)).equals(film.subarray(500)))
})

onBoth('HEAD needs no byte where the length is known, and waits for one where it is not', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  const unknown = serveResource(get({}, { method: 'HEAD' }), got.reader.clone())
  assert.equal(await stateOf(unknown), 'pending')
  await got.writer?.writeAt(0, film.subarray(0, 1))
  assert.deepEqual([(await unknown).status, (await unknown).headers.get('content-length')], [200, null])
  await got.writer?.declare({ length: film.length })
  const known = await serveResource(get({}, { method: 'HEAD' }), got.reader.clone())
  assert.equal(known.headers.get('content-length'), '1000000')
  got.reader.close()
  assert.equal(store.stats().readers, 0)
})

onBoth('bytes, or a length, that do not come in time are 503 with Retry-After', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film.subarray(0, 10))
  for (const range of ['bytes=5-', 'bytes=-5', 'bytes=5-10', 'bytes=100-200']) {
    const { reader, closed } = watched(got.reader.clone())
    const response = await serveResource(get({ range }), reader, { waitMs: 1 })
    assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '1'], range)
    assert.equal(await response.text(), 'Service Unavailable\n')
    await closed
  }
})

onBoth('a condition that the client meets is answered without any wait', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  assert.equal((await serveResource(get({ 'if-none-match': '*' }), got.reader.clone())).status, 304)
  assert.equal((await serveResource(get({ 'if-match': '"x"' }), got.reader.clone())).status, 412)
})

onBoth(
  'a version that takes over before the first byte is the one that is served, tag, length and bytes',
  async (open) => {
    await using store = await open()
    await using got = await store.acquire(key)
    await got.writer?.declare({ length: 10, validator: 'one' })
    await got.writer?.writeAt(9, Buffer.from('x'))
    const answer = serveResource(get({ range: 'bytes=0-' }), got.reader.clone())
    assert.equal(await stateOf(answer), 'pending')
    await got.writer?.declare({ length: 20, validator: 'two' })
    await got.writer?.writeAt(0, film.subarray(0, 20))
    await got.writer?.commit()
    const response = await answer
    const head = await serveResource(get({}, { method: 'HEAD' }), await store.open(key))
    assert.equal(response.headers.get('etag'), head.headers.get('etag'))
    assert.equal(response.headers.get('content-range'), 'bytes 0-19/20')
    assert.ok((await bytesOf(response)).equals(film.subarray(0, 20)))
  },
)

onBoth('If-Range is compared with the version that is served, also when that took over meanwhile', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.declare({ length: 10, validator: 'one' })
  await got.writer?.writeAt(9, Buffer.from('x'))
  const head = await serveResource(get({}, { method: 'HEAD' }), got.reader.clone())
  const answer = serveResource(
    get({ range: 'bytes=5-', 'if-range': head.headers.get('etag') ?? '' }),
    got.reader.clone(),
  )
  assert.equal(await stateOf(answer), 'pending')
  await got.writer?.declare({ length: 10, validator: 'two' })
  await got.writer?.writeAt(0, film.subarray(0, 10))
  await got.writer?.commit()
  assert.equal((await answer).status, 200)
  assert.ok((await bytesOf(await answer)).equals(film.subarray(0, 10)))
})

onBoth('a version that takes over in the very moment of the first read is served as what it is', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  const { writer } = got
  await writer?.writeAt(0, Buffer.from('x'))
  const before = await serveResource(get({}, { method: 'HEAD' }), got.reader.clone())
  const reader = got.reader.clone()
  const readAt = reader.readAt.bind(reader)
  let first = true
  reader.readAt = async (position, target) => {
    if (first) {
      first = false
      await writer?.discard()
      await writer?.writeAt(0, film.subarray(0, 20))
      await writer?.commit()
    }
    return readAt(position, target)
  }
  const response = await serveResource(get(), reader)
  const after = await serveResource(get({}, { method: 'HEAD' }), await store.open(key))
  assert.notEqual(response.headers.get('etag'), before.headers.get('etag'))
  assert.equal(response.headers.get('etag'), after.headers.get('etag'))
  assert.equal(response.headers.get('content-length'), '20')
  assert.ok((await bytesOf(response)).equals(film.subarray(0, 20)))
})

onBoth('a version that takes over in the middle of a body ends it with an error', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.declare({ length: film.length, validator: 'one' })
  await got.writer?.writeAt(0, film.subarray(0, 1000))
  const { reader, closed } = watched(got.reader.clone())
  const response = await serveResource(get(), reader)
  await got.writer?.declare({ length: film.length, validator: 'two' })
  await got.writer?.writeAt(0, film)
  await assert.rejects(response.arrayBuffer(), { code: 'ERR_CISTERN_REMOVED' })
  await closed
})

onBoth('a writer that leaves in the middle of a body ends it with an error', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film.subarray(0, 1000))
  const { reader, closed } = watched(got.reader.clone())
  const body = (await serveResource(get(), reader)).arrayBuffer()
  await got.writer?.release()
  await assert.rejects(body, { code: 'ERR_CISTERN_ABANDONED' })
  await closed
})

onBoth('a commit that ends before what was sent already ends the body with an error', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film.subarray(0, 1000))
  const response = await serveResource(get(), got.reader.clone())
  const chunks = response.body?.getReader()
  assert.equal((await chunks?.read())?.value?.length, 1000)
  const next = chunks?.read()
  await got.writer?.commit(900)
  await assert.rejects(async () => next, { code: 'ERR_CISTERN_INCOMPLETE' })
})
