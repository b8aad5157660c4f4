import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import test from 'node:test'
import { randomBytes } from '../../helpers/bytes.js'
import { stateOf } from '../../helpers/deferred.js'
import { cutAfter, inTurn, openOrigin, shaped, status } from '../../helpers/fixture-origin.js'

const bytes = randomBytes(1, 1_000)
const film = '/film.mp4'

async function bodyOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

test('the origin serves files, ranges and versions as RFC 9110 has it, and tells what it was asked', async () => {
  await using origin = await openOrigin({ [film]: { bytes, etag: '"one"', contentType: 'video/mp4' } })
  const ask = (headers: Record<string, string>) => fetch(origin.url(film), { headers })
  const whole = await ask({})
  assert.deepEqual(await bodyOf(whole), Buffer.from(bytes))
  assert.deepEqual([whole.status, whole.headers.get('etag')], [200, '"one"'])

  const part = await ask({ range: 'bytes=10-19', 'if-range': '"one"' })
  assert.deepEqual([part.status, part.headers.get('content-range')], [206, 'bytes 10-19/1000'])
  assert.deepEqual(await bodyOf(part), Buffer.from(bytes.subarray(10, 20)))
  assert.equal((await ask({ range: 'bytes=990-' })).headers.get('content-range'), 'bytes 990-999/1000')
  assert.equal((await ask({ range: 'bytes=-5' })).headers.get('content-range'), 'bytes 995-999/1000')
  assert.equal((await ask({ range: 'bytes=10-19', 'if-range': '"two"' })).status, 200)
  const unmet = await ask({ range: 'bytes=1000-' })
  assert.deepEqual([unmet.status, unmet.headers.get('content-range')], [416, 'bytes */1000'])
  assert.equal((await fetch(origin.url('/absent'))).status, 404)

  assert.deepEqual(origin.requests[1]?.range, { start: 10, end: 19 })
  await origin.quiet()
  assert.deepEqual(
    origin.requests.map(({ ended }) => ended),
    origin.requests.map(() => 'whole'),
  )
  assert.equal(origin.requests[1]?.bytesSent, 10)
  assert.equal(origin.mostAtOnce, 1)
})

test('what the origin holds is answered in the order in which it is let go', async () => {
  await using origin = await openOrigin({ '/a': { bytes }, '/b': { bytes } })
  origin.hold()
  const [a, b] = [fetch(origin.url('/a')), fetch(origin.url('/b'))]
  const asked = await origin.asked(1, ({ path }) => path === '/b')
  await origin.asked(2)
  assert.equal(asked.ended, 'open')
  origin.letGo(({ path }) => path === '/b')
  await b
  assert.equal(await stateOf(a), 'pending')
  origin.letGo()
  await a
  assert.equal(origin.mostAtOnce, 2)
})

test('answers of the origin can be scripted in turn, cut, paced and shaped', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  origin.answer(film, inTurn(status(503, { 'retry-after': '1' }), cutAfter(100), shaped({ bytesPerSecond: 1e6 })))
  assert.equal((await fetch(origin.url(film))).headers.get('retry-after'), '1')
  const cut = await fetch(origin.url(film))
  await assert.rejects(cut.arrayBuffer())
  assert.equal((await bodyOf(await fetch(origin.url(film)))).length, 1_000)
  assert.equal((await bodyOf(await fetch(origin.url(film)))).length, 1_000)
  await origin.quiet()
  assert.deepEqual(
    origin.requests.map(({ status: code, ended, bytesSent }) => [code, ended, bytesSent]),
    [
      [503, 'whole', 0],
      [200, 'cut', 100],
      [200, 'whole', 1_000],
      [200, 'whole', 1_000],
    ],
  )
})

test('connections to the origin are counted, and their end can be awaited', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  origin.hold()
  const answer = once(get(origin.url(film), { agent: false }), 'response')
  await origin.asked(1)
  assert.equal(origin.sockets, 1)
  origin.letGo()
  const [response] = await answer
  response.resume()
  await origin.socketsLeft(0)
})
