import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import test from 'node:test'
import { type HttpFetch, httpSource } from '@cistern/fill'
import { randomBytes } from '../../helpers/bytes.js'
import { eventLoopTurn } from '../../helpers/deferred.js'
import {
  type Answer,
  hang,
  hangAfter,
  openOrigin,
  redirectTo,
  shortBody,
  status,
} from '../../helpers/fixture-origin.js'
import { ask, bytesOf, failedBody, refusal } from './asking.js'

const bytes = randomBytes(8, 4_000_000)
const film = '/film.mp4'

// Node's fetch may open an idle connection in place of one that it closes, and drops it after some seconds: what is
// asserted is that the connection of the request is closed.
test('breaking off a body closes its request and its connection', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  origin.answer(film, hangAfter(100_000))
  const { signal } = new AbortController()
  const { body } = await ask(httpSource(origin.url(film)), { signal })
  for await (const piece of body) {
    assert.ok(piece.length > 0)
    break
  }
  await origin.quiet()
  assert.equal(origin.requests[0]?.ended, 'cut')
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('a body can be returned from before it was begun, and while it waits for a byte', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  origin.answer(film, hangAfter(0))
  for (const waits of [false, true]) {
    const { body } = await ask(httpSource(origin.url(film)))
    const iterator = body[Symbol.asyncIterator]()
    const next = waits ? iterator.next() : undefined
    assert.deepEqual(await iterator.return?.(), { done: true, value: undefined })
    assert.deepEqual(await (next ?? iterator.next()), { done: true, value: undefined })
    await origin.quiet()
  }
})

test("the signal's reason comes out as it is, before the headers, in the body, and where nobody reads", async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const source = httpSource(origin.url(film))
  for (const reason of [new Error('on purpose'), 'a string', { any: 'thing' }]) {
    const waiting = new AbortController()
    origin.answer(film, hang())
    const answer = ask(source, { signal: waiting.signal })
    await origin.asked(origin.requests.length + 1)
    waiting.abort(reason)
    await assert.rejects(answer, (error) => error === reason)

    origin.answer(film, hangAfter(0))
    const reading = new AbortController()
    const read = (await ask(source, { signal: reading.signal })).body[Symbol.asyncIterator]().next()
    reading.abort(reason)
    await assert.rejects(read, (error) => error === reason)

    const idle = new AbortController()
    const { body } = await ask(source, { signal: idle.signal })
    idle.abort(reason)
    await origin.quiet()
    await assert.rejects(body[Symbol.asyncIterator]().next(), (error) => error === reason)
  }
})

test('what was read to its end leaves its connection to the next request', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const source = httpSource(origin.url(film))
  for (let start = 0; start < bytes.length; start += 1_000_000) {
    await bytesOf(await ask(source, { start, end: start + 1_000_000 }))
    await eventLoopTurn() // fetch takes it back in a turn of its own
  }
  assert.equal(origin.sockets, 1)
  assert.ok(origin.requests.every(({ ended }) => ended === 'whole'))
})

test('no request leaves a listener on the signal or a request open, however it ends', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const { signal } = new AbortController()
  const source = httpSource(origin.url(film), { connectTimeoutMs: 50, stallTimeoutMs: 50, totalTimeoutMs: 2 ** 30 })
  const refused: Answer[] = [hang(), status(503, {}, 'page'), status(416, {}, 'page'), redirectTo('file:///x')]
  for (const answer of refused) {
    origin.answer(film, answer)
    await refusal(ask(source, { signal }))
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  }
  for (const answer of [hangAfter(0), shortBody(10)]) {
    origin.answer(film, answer)
    await failedBody(await ask(httpSource(origin.url(film), { stallTimeoutMs: 50 }), { signal, end: 100 }))
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  }
  origin.answer(film)
  await bytesOf(await ask(httpSource(origin.url(film)), { signal, end: 100 }))
  await bytesOf(await ask(httpSource(origin.url(film)), { signal, start: bytes.length }))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await origin.quiet()
})

test('no request leaves a timer, however it ends', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  // A fetch of our own: that of Node keeps timers of its own for connections.
  const sourceOf = (fetch: HttpFetch) => httpSource('http://example.org/', { fetch, totalTimeoutMs: 2 ** 30 })
  const three = sourceOf(async () => new Response('abc', { headers: { 'content-length': '3' } }))
  const before = timers()

  await bytesOf(await ask(three))
  for await (const _ of (await ask(three)).body) break
  const { body } = await ask(three)
  assert.equal(timers(), before + 1) // the limit for all of it is running
  await body[Symbol.asyncIterator]().return?.()
  await failedBody(await ask(sourceOf(async () => new Response('abc', { headers: { 'content-length': '4' } }))))
  await refusal(ask(sourceOf(async () => new Response(null, { status: 404 }))))
  await refusal(
    ask(
      sourceOf(async () => {
        throw new TypeError('fetch failed')
      }),
    ),
  )
  const leaving = new AbortController()
  const left = ask(
    sourceOf(() => new Promise(() => undefined)),
    { signal: leaving.signal },
  )
  const unread = await ask(three, { signal: leaving.signal })
  leaving.abort()
  await assert.rejects(left, { name: 'AbortError' })
  assert.equal(timers(), before)
  await assert.rejects(unread.body[Symbol.asyncIterator]().next(), { name: 'AbortError' })
})

test('an error of accept comes out as it is, and closes the request', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  const failure = new Error('on purpose')
  const source = httpSource(origin.url(film), {
    accept: () => {
      throw failure
    },
  })
  await assert.rejects(ask(source), (error) => error === failure)
  await origin.quiet()
})
