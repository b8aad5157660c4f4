import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import test from 'node:test'
import { type HttpAnswer, type HttpFetch, httpSource } from '@cistern/fill'
import { randomBytes } from '../../helpers/bytes.js'
import { deferred, eventLoopTurn } from '../../helpers/deferred.js'
import { cutAfter, hang, hangAfter, hangUp, openOrigin, redirectTo, status } from '../../helpers/fixture-origin.js'
import { ask, bytesOf, failedBody, refusal } from './asking.js'

const bytes = randomBytes(7, 400_000)
const film = '/film.mp4'

test('[fill 6] statuses that may pass are transient, all others are for good', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const source = httpSource(origin.url(film))
  const passing = [408, 425, 429, 500, 502, 503, 504, 507, 599]
  const lasting = [201, 202, 203, 204, 205, 226, 300, 304, 305, 400, 401, 403, 404, 405, 410, 412, 451, 501, 505]
  for (const code of [...passing, ...lasting]) {
    origin.answer(film, status(code))
    const error = await refusal(ask(source))
    assert.deepEqual([error.reason, error.status, error.transient], ['status', code, passing.includes(code)])
    assert.equal(error.retryAfterMs, undefined)
  }
  assert.equal(origin.requests.length, passing.length + lasting.length)
  await origin.quiet()
})

test('[fill 6] Retry-After is understood in seconds and as a date by the clock of the server, and never negative', async (t) => {
  const zone = process.env.TZ
  process.env.TZ = 'America/New_York' // HTTP dates are not local, not even the form that names no zone
  t.after(() => {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  })
  await using origin = await openOrigin({ [film]: { bytes } })
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT'
  const expected: [value: string, ms: number | undefined][] = [
    ['0', 0],
    ['120', 120_000],
    ['Sun, 06 Nov 1994 08:50:07 GMT', 30_000],
    ['Sunday, 06-Nov-94 08:50:07 GMT', 30_000],
    ['Sun Nov  6 08:50:07 1994', 30_000],
    ['Sun, 06 Nov 1994 08:49:07 GMT', 0],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['Sun, soon', undefined],
    ['99999999999999999999', Number.MAX_SAFE_INTEGER],
  ]
  for (const [value, ms] of expected) {
    origin.answer(film, status(503, { 'retry-after': value, date }))
    assert.equal((await refusal(ask(httpSource(origin.url(film))))).retryAfterMs, ms, value)
  }
})

test('[fill 6] Retry-After as a date without a Date beside it goes by the clock of this machine', async () => {
  const fetch: HttpFetch = async () =>
    new Response(null, { status: 429, headers: { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() } })
  const { retryAfterMs } = await refusal(ask(httpSource('http://example.org/', { fetch })))
  assert.ok(retryAfterMs !== undefined && retryAfterMs > 3_000_000 && retryAfterMs <= 3_600_000, String(retryAfterMs))
})

test('a server that is not there, or hangs up, is a failure of the network that may pass, with its cause', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  const refused = await refusal(ask(httpSource(`http://127.0.0.1:${port}/film.mp4?hush`)))
  assert.deepEqual([refused.reason, refused.transient], ['network', true])
  assert.match(refused.message, /ECONNREFUSED/)
  assert.doesNotMatch(refused.message, /hush/)
  assert.ok(refused.cause instanceof TypeError)

  const unknown = await refusal(ask(httpSource('http://nowhere.invalid/')))
  assert.deepEqual([unknown.reason, unknown.transient], ['network', true])

  await using origin = await openOrigin({ [film]: { bytes } })
  origin.answer(film, hangUp())
  assert.equal((await refusal(ask(httpSource(origin.url(film))))).reason, 'network')
})

test('a connection that is cut in the middle fails the body, after nothing but bytes of the file', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  origin.answer(film, cutAfter(100_000))
  const { bytes: came, error } = await failedBody(await ask(httpSource(origin.url(film)), { start: 10 }))
  assert.deepEqual([error.reason, error.transient], ['network', true])
  assert.ok(error.cause instanceof Error)
  assert.ok(came.length <= 100_000)
  assert.deepEqual(came, Buffer.from(bytes.subarray(10, 10 + came.length)))
})

test('[fill 16] a server that sends no headers is given up in time, and the request is closed', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  origin.answer(film, hang())
  origin.answer('/old', redirectTo(film))
  for (const path of [film, '/old']) {
    const error = await refusal(ask(httpSource(origin.url(path), { connectTimeoutMs: 50 })))
    assert.deepEqual([error.reason, error.transient], ['timeout', true])
  }
  await origin.quiet()
})

test('[fill 16] a body in which no byte comes any more is given up in time, and the request is closed', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  origin.answer(film, hangAfter(0))
  const response = await ask(httpSource(origin.url(film), { stallTimeoutMs: 50 }))
  const { error } = await failedBody(response)
  assert.deepEqual([error.reason, error.transient], ['timeout', true])
  await origin.quiet()
  assert.equal(origin.requests[0]?.ended, 'cut')
  assert.deepEqual(await response.body[Symbol.asyncIterator]().next(), { done: true, value: undefined })
})

test('[fill 16] only waiting for a byte counts as a stall, and empty pieces are no bytes', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pieces = [deferred<Uint8Array>(), deferred<Uint8Array>(), deferred<Uint8Array>()]
  async function* slowly() {
    for (const { promise } of pieces) yield await promise
  }
  const fetch = answering(206, { 'content-range': 'bytes 0-9/10' }, slowly())
  const { body } = await ask(httpSource('http://example.org/', { fetch, stallTimeoutMs: 1_000 }))
  const iterator = body[Symbol.asyncIterator]()

  t.mock.timers.tick(60_000)
  const first = iterator.next()
  t.mock.timers.tick(999)
  pieces[0]?.resolve(new Uint8Array(3))
  assert.equal((await first).value?.length, 3)
  t.mock.timers.tick(60_000)

  const second = iterator.next()
  t.mock.timers.tick(600)
  pieces[1]?.resolve(new Uint8Array(0))
  await eventLoopTurn()
  t.mock.timers.tick(400)
  await assert.rejects(second, { reason: 'timeout' })
})

test('a limit for all of it counts pauses of the reader, too', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  async function* two() {
    yield new Uint8Array(3)
    yield new Uint8Array(7)
  }
  const fetch = answering(206, { 'content-range': 'bytes 0-9/10' }, two())
  const { body } = await ask(httpSource('http://example.org/', { fetch, totalTimeoutMs: 1_000 }))
  const iterator = body[Symbol.asyncIterator]()
  assert.equal((await iterator.next()).value?.length, 3)
  t.mock.timers.tick(1_000)
  await assert.rejects(iterator.next(), { reason: 'timeout', transient: true })
})

test('[fill 16] what is answered late is not handed out, even by a fetch that does not listen to its signal', async () => {
  const late = deferred<HttpAnswer>()
  let cancelled = 0
  const asked: AbortSignal[] = []
  const fetch: HttpFetch = (_url, { signal }) => {
    asked.push(signal)
    return late.promise
  }
  const source = httpSource('http://example.org/', { fetch, connectTimeoutMs: 50 })
  assert.equal((await refusal(ask(source))).reason, 'timeout')
  assert.equal(asked[0]?.aborted, true)

  const leaving = new AbortController()
  const left = ask(httpSource('http://example.org/', { fetch }), { signal: leaving.signal })
  const reason = new Error('on purpose')
  leaving.abort(reason)
  await assert.rejects(left, (error) => error === reason)

  const stream = new ReadableStream({ cancel: () => void cancelled++ })
  late.resolve(new Response(stream, { status: 302, headers: { location: '/elsewhere' } }))
  await eventLoopTurn()
  assert.equal(cancelled, 1)
  assert.equal(asked.length, 2) // and no redirect is followed for nobody
})

test('a fetch that times out by itself counts as a time-out', async () => {
  const fetch: HttpFetch = async () => {
    throw new TypeError('fetch failed', {
      cause: Object.assign(new Error('late'), { code: 'UND_ERR_CONNECT_TIMEOUT' }),
    })
  }
  assert.equal((await refusal(ask(httpSource('http://example.org/', { fetch })))).reason, 'timeout')
})

test('a body that is not made of bytes is refused', async () => {
  async function* strings() {
    yield 'abc' as unknown as Uint8Array
  }
  const fetch = answering(200, {}, strings())
  const { error } = await failedBody(await ask(httpSource('http://example.org/', { fetch })))
  assert.deepEqual([error.reason, error.transient], ['response', false])
})

test('an answer without a body is an empty one', async () => {
  const empty = await ask(httpSource('http://example.org/', { fetch: answering(200, {}, null) }))
  assert.equal((await bytesOf(empty)).length, 0)
  const promised = answering(200, { 'content-length': '5' }, null)
  const { error } = await failedBody(await ask(httpSource('http://example.org/', { fetch: promised })))
  assert.equal(error.reason, 'truncated')
})

function answering(code: number, headers: Record<string, string>, body: AsyncIterable<Uint8Array> | null): HttpFetch {
  return async () => ({ status: code, headers: new Headers(headers), body })
}
