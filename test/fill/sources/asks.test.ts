import assert from 'node:assert/strict'
import test from 'node:test'
import { httpSource } from '@cistern/fill'
import { randomBytes } from '../../helpers/bytes.js'
import { headFails, openOrigin } from '../../helpers/fixture-origin.js'
import { ask, bytesOf } from './asking.js'

const bytes = randomBytes(1, 200_000)
const film = '/film.mp4'

test('a range is asked for half-open, uncoded, and answered with what the server says of it', async () => {
  await using origin = await openOrigin({ [film]: { bytes, etag: '"one"', contentType: 'video/mp4' } })
  const source = httpSource(origin.url(film), { retries: 7, headers: { 'X-Mine': 'yes' } })
  assert.deepEqual([source.origin, source.retries], [origin.origin, 7])
  const { body, ...response } = await ask(source, { start: 1_000, end: 150_000 })
  assert.deepEqual(response, {
    start: 1_000,
    end: 150_000,
    total: 200_000,
    validator: '"one"',
    acceptsRanges: true,
    contentType: 'video/mp4',
  })
  assert.deepEqual(await bytesOf({ body }), Buffer.from(bytes.subarray(1_000, 150_000)))
  const { method, headers } = await origin.asked(1)
  assert.deepEqual([method, headers.range, headers['accept-encoding']], ['GET', 'bytes=1000-149999', 'identity'])
  assert.deepEqual([headers['if-range'], headers['x-mine']], [undefined, 'yes'])
})

test('the whole is asked for as a range, too: its answer tells the total and that ranges are known', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const response = await ask(httpSource(new URL(origin.url(film))))
  assert.deepEqual([response.start, response.end, response.total, response.acceptsRanges], [0, 200_000, 200_000, true])
  assert.deepEqual(await bytesOf(response), Buffer.from(bytes))
  assert.equal((await origin.asked(1)).headers.range, 'bytes=0-')
})

test('a range that reaches past the end comes as far as there is', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const response = await ask(httpSource(origin.url(film)), { start: 199_990, end: 300_000 })
  assert.deepEqual([response.end, response.total], [200_000, 200_000])
  assert.equal((await bytesOf(response)).length, 10)
})

test('[fill 19] HEAD answers 405 or 500: it is never asked, the size comes from a ranged GET', async () => {
  for (const code of [405, 500]) {
    await using origin = await openOrigin({ [film]: { bytes } })
    origin.answer(film, headFails(code))
    const response = await ask(httpSource(origin.url(film)), { start: 0, end: 1 })
    assert.equal(response.total, 200_000)
    await bytesOf(response)
    assert.deepEqual(
      origin.requests.map(({ method }) => method),
      ['GET'],
    )
  }
})

test('behind the last byte there is nothing, and no error, however far behind', async () => {
  await using origin = await openOrigin({ [film]: { bytes, etag: '"one"' }, '/empty': { bytes: bytes.subarray(0, 0) } })
  const source = httpSource(origin.url(film))
  const behind = await ask(source, { start: 200_000, validator: '"one"' })
  assert.deepEqual([behind.start, behind.end, behind.total], [200_000, 200_000, 200_000])
  assert.equal((await bytesOf(behind)).length, 0)
  const further = await ask(source, { start: 200_001 })
  assert.deepEqual([further.start, further.end, further.total], [200_001, 200_001, 200_000])
  assert.equal((await bytesOf(further)).length, 0)

  const empty = await ask(httpSource(origin.url('/empty')))
  assert.deepEqual([empty.start, empty.end, empty.total], [0, 0, 0])
  assert.equal((await bytesOf(empty)).length, 0)
})

test('what is no range is refused before anything is asked', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const source = httpSource(origin.url(film))
  for (const [start, end] of [
    [-1, undefined],
    [0.5, 2],
    [5, 5],
    [5, 4],
    [0, 2 ** 53],
  ] as const) {
    await assert.rejects(ask(source, { start, end }), { code: 'ERR_CISTERN_INVALID_RANGE' })
  }
  const reason = new Error('on purpose')
  await assert.rejects(ask(source, { signal: AbortSignal.abort(reason) }), (error) => error === reason)
  assert.equal(origin.requests.length, 0)
})

test('user and password of the URL go into Authorization, unescaped, and into no message', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const url = new URL(origin.url(`${film}?token=hush`))
  url.username = 'us er'
  url.password = 'p:w'
  await bytesOf(await ask(httpSource(url)))
  const { headers, path } = await origin.asked(1)
  assert.equal(headers.authorization, `Basic ${Buffer.from('us er:p:w').toString('base64')}`)
  assert.equal(path, `${film}?token=hush`)

  url.pathname = '/absent'
  await assert.rejects(ask(httpSource(url)), (error: Error) => {
    assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+\/absent: status 404$/)
    return true
  })
  const own = httpSource(url, { headers: { Authorization: 'Bearer mine' } })
  await assert.rejects(ask(own))
  assert.equal((await origin.asked(3)).headers.authorization, 'Bearer mine')
})

test('a URL or an option that cannot be is refused at once, and no message shows it', () => {
  for (const url of ['film?hush', '/hush', 'ftp://hush@example.org/hush', 'http://hush:99999/', undefined, null, 5]) {
    assert.throws(
      () => httpSource(url as string),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_CISTERN_INVALID_OPTION')
        assert.doesNotMatch(error.message, /hush/)
        return true
      },
    )
  }
  const wrong: Record<string, unknown>[] = [
    { fetch: 'hush' },
    { headers: { range: 'bytes=0-1' } },
    { headers: { 'If-Range': 'hush' } },
    { headers: { 'ACCEPT-ENCODING': 'gzip' } },
    { headers: { 'a b': 'hush' } },
    { headers: { authorization: 'hush\nhush' } },
    { headers: { count: 5 } },
    { headers: 'hush' },
    { retries: -1 },
    { retries: 1.5 },
    { connectTimeoutMs: 0 },
    { stallTimeoutMs: 2 ** 31 },
    { totalTimeoutMs: '50' },
    { maxRedirects: Number.POSITIVE_INFINITY },
    { accept: true },
    { timeoutMs: 50 },
  ]
  for (const options of wrong) {
    assert.throws(
      () => httpSource('http://example.org/', options),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_CISTERN_INVALID_OPTION')
        assert.match(error.message, new RegExp(`^httpSource: .*'${Object.keys(options)[0]}'`))
        assert.doesNotMatch(error.message, /hush/)
        return true
      },
    )
  }
  httpSource('http://example.org/', { fetch, totalTimeoutMs: Number.POSITIVE_INFINITY, maxRedirects: 0, retries: 0 })
})
