import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ServeOptions, serveResource } from '@cistern/http'
import { parseHttpDate } from '#http/validators.js'
import { onBoth } from '../assets/facade/stores.js'
import { get, key, stored } from './serving.js'

const modified = new Date('2026-05-04T10:20:30.750Z')
const sent = 'Mon, 04 May 2026 10:20:30 GMT'
const before = 'Mon, 04 May 2026 10:20:29 GMT'
const after = 'Mon, 04 May 2026 10:20:31 GMT'

onBoth('the entity tag is strong, says nothing of the store, and changes with the bytes alone', async (open) => {
  await using store = await open()
  const reader = await stored(store, 'first')
  const tagOf = async () => (await serveResource(get({}, { method: 'HEAD' }), await reader())).headers.get('etag') ?? ''
  const first = await tagOf()
  assert.match(first, /^"[\w-]{22}"$/)
  assert.equal(await tagOf(), first)
  const { generation } = store.stat(key) ?? assert.fail()
  assert.equal(first.includes(generation), false)
  await store.remove(key)
  await store.put(key, 'other')
  assert.notEqual(await tagOf(), first)
})

onBoth('If-None-Match is compared weakly: what the client has is 304', async (open) => {
  await using store = await open()
  const reader = await stored(store, 'bytes')
  const answer = async (headers: Record<string, string>, method = 'GET', options?: ServeOptions) =>
    serveResource(get(headers, { method }), await reader(), options)
  const etag = (await answer({}, 'HEAD')).headers.get('etag') ?? ''
  for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, '*', `"x",W/"y",${etag}`]) {
    for (const method of ['GET', 'HEAD']) {
      const response = await answer({ 'if-none-match': tags }, method, { lastModified: modified, immutable: true })
      assert.equal(response.status, 304, tags)
      assert.equal(response.headers.get('etag'), etag)
      assert.equal(response.headers.get('last-modified'), sent)
      assert.match(response.headers.get('cache-control') ?? '', /immutable/)
      assert.equal(response.headers.get('content-length'), null)
      assert.equal(response.body, null)
      assert.equal(store.stats().readers, 0)
    }
  }
  for (const tags of ['"x"', etag.slice(1, -1), `x${etag.slice(0, -1)}`]) {
    assert.equal((await answer({ 'if-none-match': tags }, 'HEAD')).status, 200, tags)
  }
  assert.equal((await answer({ 'if-none-match': etag, range: 'bytes=0-1' })).status, 304)
})

onBoth('If-Modified-Since is compared by the second, and ignored beside If-None-Match', async (open) => {
  await using store = await open()
  const reader = await stored(store, 'bytes')
  const statusFor = async (headers: Record<string, string>, lastModified: Date | undefined = modified) =>
    (await serveResource(get(headers, { method: 'HEAD' }), await reader(), { lastModified })).status
  assert.equal(await statusFor({ 'if-modified-since': sent }), 304)
  assert.equal(await statusFor({ 'if-modified-since': after }), 304)
  assert.equal(await statusFor({ 'if-modified-since': before }), 200)
  assert.equal(await statusFor({ 'if-modified-since': 'yesterday' }), 200)
  assert.equal(await statusFor({ 'if-modified-since': '2026-05-05' }), 200)
  assert.equal(await statusFor({ 'if-modified-since': sent, 'if-none-match': '"x"' }), 200)
})

onBoth('a date says nothing where Last-Modified is not known', async (open) => {
  await using store = await open()
  const reader = await stored(store, 'bytes')
  const statusFor = async (headers: Record<string, string>) =>
    (await serveResource(get(headers), await reader())).status
  assert.equal(await statusFor({ 'if-modified-since': after }), 200)
  assert.equal(await statusFor({ 'if-unmodified-since': before }), 200)
  assert.equal(await statusFor({ 'if-range': after, range: 'bytes=0-1' }), 200)
})

onBoth('If-Match and If-Unmodified-Since that fail are 412', async (open) => {
  await using store = await open()
  const reader = await stored(store, 'bytes')
  const etag = (await serveResource(get({}, { method: 'HEAD' }), await reader())).headers.get('etag') ?? ''
  const statusFor = async (headers: Record<string, string>) =>
    (await serveResource(get(headers), await reader(), { lastModified: modified })).status
  assert.equal(await statusFor({ 'if-match': etag }), 200)
  assert.equal(await statusFor({ 'if-match': '*' }), 200)
  assert.equal(await statusFor({ 'if-match': `"x", ${etag}` }), 200)
  assert.equal(await statusFor({ 'if-match': `W/${etag}` }), 412)
  assert.equal(await statusFor({ 'if-match': '"x"' }), 412)
  assert.equal(await statusFor({ 'if-match': '"x"', 'if-none-match': etag }), 412)
  assert.equal(await statusFor({ 'if-unmodified-since': sent }), 200)
  assert.equal(await statusFor({ 'if-unmodified-since': before }), 412)
  assert.equal(await statusFor({ 'if-unmodified-since': before, 'if-match': etag }), 200)
})

onBoth('a range under If-Range is served only of the very same bytes', async (open) => {
  await using store = await open()
  const reader = await stored(store, 'bytes')
  const etag = (await serveResource(get({}, { method: 'HEAD' }), await reader())).headers.get('etag') ?? ''
  const bodyFor = async (ifRange: string, range = 'bytes=1-2') => {
    const request = get({ 'if-range': ifRange, range })
    return (await serveResource(request, await reader(), { lastModified: modified })).text()
  }
  for (const same of [etag, sent]) assert.equal(await bodyFor(same), 'yt', same)
  for (const other of [`W/${etag}`, '"x"', before, after, 'x', '*']) assert.equal(await bodyFor(other), 'bytes', other)
  assert.equal(await bodyFor('"x"', 'bytes=100-'), 'bytes')
})

test('dates are read in the three forms that HTTP has, and in no other', () => {
  const time = Date.UTC(1994, 10, 6, 8, 49, 37)
  const forms = ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994']
  for (const form of forms) assert.equal(parseHttpDate(form), time, form)
  for (const other of [
    '1994-11-06T08:49:37Z',
    'Sun, 06 Nov 1994 08:49:37 +0100',
    '784111777',
    'Sun, 06 Foo 1994 08:49:37 GMT',
    '',
  ])
    assert.equal(parseHttpDate(other), undefined, other)
})
