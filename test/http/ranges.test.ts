import assert from 'node:assert/strict'
import { serveResource } from '@cistern/http'
import { onBoth } from '../assets/facade/stores.js'
import { get, key, stored } from './serving.js'

const HUNDRED = Uint8Array.from({ length: 100 }, (_, index) => index)
const part = (start: number, end: number) => Buffer.from(HUNDRED.subarray(start, end)).toString('hex')

async function answered(response: Response) {
  return {
    status: response.status,
    range: response.headers.get('content-range'),
    length: response.headers.get('content-length'),
    body: Buffer.from(await response.arrayBuffer()).toString('hex'),
  }
}

onBoth('without a Range header all bytes are served, with their length', async (open) => {
  await using store = await open()
  const reader = await stored(store, HUNDRED)
  const response = await serveResource(get(), await reader())
  assert.equal(response.headers.get('accept-ranges'), 'bytes')
  assert.equal(response.headers.get('content-type'), 'video/mp4')
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
  assert.equal(response.headers.get('cache-control'), 'no-cache')
  assert.deepEqual(await answered(response), { status: 200, range: null, length: '100', body: part(0, 100) })
  assert.equal(store.stats().readers, 0)
})

onBoth('one range is served as 206, clamped to what there is', async (open) => {
  await using store = await open()
  const reader = await stored(store, HUNDRED)
  const cases: readonly (readonly [header: string, start: number, end: number])[] = [
    ['bytes=0-0', 0, 1],
    ['bytes=0-', 0, 100],
    ['bytes=10-19', 10, 20],
    ['bytes=99-', 99, 100],
    ['bytes=50-1000', 50, 100],
    ['bytes=-1', 99, 100],
    ['bytes=-30', 70, 100],
    ['bytes=-500', 0, 100],
    ['BYTES= 5-6 ', 5, 7],
    ['bytes=0-99999999999999999999999', 0, 100],
  ]
  for (const [range, start, end] of cases) {
    assert.deepEqual(
      await answered(await serveResource(get({ range }), await reader())),
      { status: 206, range: `bytes ${start}-${end - 1}/100`, length: String(end - start), body: part(start, end) },
      range,
    )
  }
  assert.equal(store.stats().readers, 0)
})

onBoth('a range past the end is 416, which names the length', async (open) => {
  await using store = await open()
  const reader = await stored(store, HUNDRED)
  for (const range of ['bytes=100-', 'bytes=100-200', 'bytes=-0', 'bytes=99999999999999999999-']) {
    const response = await serveResource(get({ range }), await reader())
    assert.equal(response.status, 416, range)
    assert.equal(response.headers.get('content-range'), 'bytes */100')
    assert.equal(store.stats().readers, 0)
  }
})

onBoth('what is no range, another unit, and several ranges are ignored', async (open) => {
  await using store = await open()
  const reader = await stored(store, HUNDRED)
  const headers = [
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=5-2',
    'bytes 0-1',
    'items=0-1',
    'bytes=0-1,5-6',
    'bytes=1',
    '',
  ]
  for (const range of headers) {
    const whole = { status: 200, range: null, length: '100', body: part(0, 100) }
    assert.deepEqual(await answered(await serveResource(get({ range }), await reader())), whole, range)
  }
})

onBoth('an empty resource is served whole, whatever range is asked for', async (open) => {
  await using store = await open()
  const reader = await stored(store, new Uint8Array(0))
  for (const range of ['bytes=0-', 'bytes=-5', 'bytes=0-0', '']) {
    const empty = { status: 200, range: null, length: '0', body: '' }
    assert.deepEqual(await answered(await serveResource(get({ range }), await reader())), empty, range)
  }
  assert.equal(store.stats().readers, 0)
})

onBoth('HEAD is answered as GET would be, without a body and without a range', async (open) => {
  await using store = await open()
  const reader = await stored(store, HUNDRED)
  const whole = await serveResource(get(), await reader())
  const head = await serveResource(get({ range: 'bytes=0-1' }, { method: 'HEAD' }), await reader())
  assert.equal(head.status, 200)
  assert.deepEqual([...head.headers], [...whole.headers])
  assert.equal(head.body, null)
  await whole.body?.cancel()
  assert.equal(store.stats().readers, 0)
})

onBoth('other methods are 405 and say which ones there are', async (open) => {
  await using store = await open()
  const reader = await stored(store, HUNDRED)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const response = await serveResource(get({}, { method }), await reader())
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'GET, HEAD'])
    assert.equal(store.stats().readers, 0)
  }
})

onBoth('the content type is told by the name, the path, or the option', async (open) => {
  await using store = await open()
  await store.put(key, 'x')
  const typeOf = async (path: string, options?: { name?: string; contentType?: string }) => {
    const response = await serveResource(get({}, { path }), await store.open(key), options)
    return response.headers.get('content-type')
  }
  assert.equal(await typeOf('/live/main.m3u8?token=a.mp4'), 'application/vnd.apple.mpegurl')
  assert.equal(await typeOf('/1.ts'), 'video/mp2t')
  assert.equal(await typeOf('/1.m4s'), 'video/iso.segment')
  assert.equal(await typeOf('/mp4'), 'application/octet-stream')
  assert.equal(await typeOf('/a.b/nothing'), 'application/octet-stream')
  assert.equal(await typeOf('/1', { name: 'subtitles.vtt' }), 'text/vtt')
  assert.equal(await typeOf('/1.ts', { name: 'a.mp4', contentType: 'text/plain' }), 'text/plain')
})

onBoth('Cache-Control is what the options say', async (open) => {
  await using store = await open()
  const reader = await stored(store, HUNDRED)
  const controlOf = async (options: { immutable?: boolean; cacheControl?: string }) =>
    (await serveResource(get({}, { method: 'HEAD' }), await reader(), options)).headers.get('cache-control')
  assert.equal(await controlOf({ immutable: true, cacheControl: 'private' }), 'public, max-age=31536000, immutable')
  assert.equal(await controlOf({ immutable: false, cacheControl: 'private' }), 'private')
})

onBoth('an option that does not exist, or has no such value, is refused, and the reader is closed', async (open) => {
  await using store = await open()
  const reader = await stored(store, HUNDRED)
  const wrong: readonly object[] = [
    { imutable: true },
    { waitMs: -1 },
    { waitMs: Number.POSITIVE_INFINITY },
    { lastModified: new Date(Number.NaN) },
    { contentType: 'text/plain\r\nset-cookie: a=b' },
    { cacheControl: '' },
    { name: 5 },
  ]
  for (const options of wrong) {
    await assert.rejects(serveResource(get(), await reader(), options), { code: 'ERR_CISTERN_INVALID_OPTION' })
    assert.equal(store.stats().readers, 0)
  }
})
