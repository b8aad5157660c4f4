import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  IntegrityError,
  InvalidKeyError,
  NoSpaceError,
  NotFoundError,
  ProcessingError,
  QuotaExceededError,
  ResourceAbandonedError,
  ResourceRemovedError,
  StorageIoError,
  StoreClosedError,
} from '@cistern/assets'
import { serveResource, statusOf } from '@cistern/http'
import { SourceChangedError, SourceError } from '@cistern/storage'
import { onBoth } from '../assets/facade/stores.js'
import { get, key } from './serving.js'

const secret = 'https://user:password@origin.example/film?token=secret'

const CASES: readonly (readonly [status: number, error: Error])[] = [
  [404, new NotFoundError(secret)],
  [404, new ResourceRemovedError(secret)],
  [404, new InvalidKeyError(secret)],
  [404, new SourceError(secret, { reason: 'status', status: 404 })],
  [410, new SourceError(secret, { reason: 'status', status: 410 })],
  [502, new SourceError(secret, { reason: 'status', status: 500 })],
  [502, new SourceError(secret, { reason: 'status', status: 403 })],
  [504, new SourceError(secret, { reason: 'timeout' })],
  [502, new SourceError(secret, { reason: 'network' })],
  [502, new SourceError(secret, { reason: 'truncated' })],
  [502, new SourceChangedError(secret)],
  [502, new IntegrityError(secret)],
  [502, new ProcessingError(secret)],
  [507, new QuotaExceededError(secret)],
  [507, new NoSpaceError(secret)],
  [503, new StoreClosedError(secret)],
  [500, new StorageIoError(secret)],
  [500, new TypeError(secret)],
]

test('each error has its status', () => {
  for (const [status, error] of CASES) assert.equal(statusOf(error), status, error.name)
  for (const other of [undefined, null, 'text', { code: 'ERR_CISTERN_NOT_FOUND' }]) assert.equal(statusOf(other), 500)
})

test('what was abandoned has the status of its cause, and 503 without one that is known', () => {
  const abandoned = (cause?: Error) => statusOf(new ResourceAbandonedError('left', { cause }))
  assert.equal(abandoned(), 503)
  assert.equal(abandoned(new TypeError('fetch failed')), 503)
  assert.equal(abandoned(new SourceError('gone', { status: 410 })), 410)
  assert.equal(abandoned(new ResourceAbandonedError('left', { cause: new NoSpaceError('full') })), 507)
})

onBoth(
  'a resource that fails before its first byte is answered with the status of why, and nothing more',
  async (open) => {
    await using store = await open()
    for (const [status, error] of CASES) {
      await using got = await store.acquire(key)
      const answer = serveResource(get({ range: 'bytes=5-' }), got.reader)
      await got.writer?.fail(error)
      const response = await answer
      assert.equal(response.status, status, error.name)
      assert.equal(response.headers.get('cache-control'), 'no-store')
      const text = await response.text()
      assert.equal(response.headers.get('content-length'), String(text.length))
      assert.match(text, /^[A-Z][A-Za-z ]+\n$/)
      await store.remove(key)
    }
    assert.equal(store.stats().readers, 0)
  },
)

onBoth('a resource that failed already is answered so, also to a HEAD and for what is there', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.declare({ length: 5 })
  await got.writer?.writeAt(0, Buffer.from('bytes'))
  const readers = [got.reader.clone(), got.reader.clone()] as const
  await got.writer?.fail(new SourceError('gone', { status: 410 }))
  assert.equal((await serveResource(get({}), readers[0])).status, 410)
  const head = await serveResource(get({}, { method: 'HEAD' }), readers[1])
  assert.deepEqual([head.status, head.body], [410, null])
})

onBoth('a writer that is released is 503 with Retry-After, or what made it leave', async (open) => {
  await using store = await open()
  for (const [cause, status] of [
    [undefined, 503],
    [new Error('origin: 500'), 503],
    [new SourceError('no', { status: 404 }), 404],
  ] as const) {
    await using got = await store.acquire(key)
    const answer = serveResource(get(), got.reader)
    await got.writer?.release(cause)
    const response = await answer
    assert.equal(response.status, status)
    assert.equal(response.headers.get('retry-after'), status === 503 ? '1' : null)
  }
  assert.equal(store.stats().readers, 0)
})
