import assert from 'node:assert/strict'
import test from 'node:test'
import { httpSource } from '@cistern/fill'
import { randomBytes } from '../../helpers/bytes.js'
import {
  type Answer,
  chunked,
  gzipped,
  ignoreRanges,
  longBody,
  openOrigin,
  shaped,
  shortBody,
  wrongContentRange,
} from '../../helpers/fixture-origin.js'
import { ask, bytesOf, failedBody, refusal } from './asking.js'

const bytes = randomBytes(2, 1_000)
const film = '/film.mp4'

/** What comes of asking for 100 to 200 where the server answers so. */
async function answeredBy(answer: Answer, request: { start: number; end?: number } = { start: 100, end: 200 }) {
  const origin = await openOrigin({ [film]: { bytes, contentType: 'video/mp4' } })
  origin.answer(film, answer)
  return { origin, answer: ask(httpSource(origin.url(film)), request) }
}

test('[fill 7] another Content-Range than the one asked for is refused, and so is one that cannot be', async () => {
  const values = [
    'bytes 0-99/1000',
    'bytes 101-199/1000',
    'bytes 99-199/1000',
    'bytes 100-200/1000',
    'bytes 100-199/199',
    'bytes 100-99/1000',
    'bytes 100-199/-1',
    'bytes 100-199/9007199254740993',
    'bytes 100-199/1000, bytes 300-400/1000',
    'bytes 100-/1000',
    'bytes=100-199/1000',
    'items 100-199/1000',
    'bytes */1000',
    '',
  ]
  for (const value of values) {
    // Without a length, nothing but the Content-Range can tell.
    for (const wrong of [wrongContentRange(value), shaped({ headers: { 'content-range': value }, chunked: true })]) {
      const { origin, answer } = await answeredBy(wrong)
      await using _ = origin
      const error = await refusal(answer)
      assert.deepEqual([error.reason, error.transient, error.status], ['response', false, 206], value)
      await origin.quiet()
    }
  }
})

test('[fill 7] a part may be smaller than asked for, and may leave the total open', async () => {
  {
    const smaller = shaped({ headers: { 'content-range': 'bytes 100-149/1000' }, missing: 50 })
    const { origin, answer } = await answeredBy(smaller)
    await using _ = origin
    const response = await answer
    assert.deepEqual([response.start, response.end, response.total], [100, 150, 1_000])
    assert.deepEqual(await bytesOf(response), Buffer.from(bytes.subarray(100, 150)))
  }
  const { origin, answer } = await answeredBy(wrongContentRange('BYTES  100-199/*'))
  await using _ = origin
  const response = await answer
  assert.deepEqual([response.start, response.end, response.total], [100, 200, undefined])
  assert.equal((await bytesOf(response)).length, 100)
})

test('[fill 7] a Content-Length that contradicts the Content-Range is refused', async () => {
  const { origin, answer } = await answeredBy((_request, response) => {
    response.writeHead(206, { 'content-range': 'bytes 100-199/1000', 'content-length': 99 })
    response.end(bytes.subarray(100, 199))
  })
  await using _ = origin
  assert.equal((await refusal(answer)).reason, 'response')
})

test('[fill 7] a body that ends early fails after what has come, and asking again may help', async () => {
  const { origin, answer } = await answeredBy(shortBody(30))
  await using _ = origin
  const { bytes: came, error } = await failedBody(await answer)
  assert.deepEqual(came, Buffer.from(bytes.subarray(100, 170)))
  assert.deepEqual([error.reason, error.transient], ['truncated', true])
})

test('[fill 7] a body that goes on is cut where it should have ended', async () => {
  const { origin, answer } = await answeredBy(longBody(5_000))
  await using _ = origin
  assert.deepEqual(await bytesOf(await answer), Buffer.from(bytes.subarray(100, 200)))
  await origin.quiet()
})

test('[fill 7] a body that goes on for ever is cut, and its connection closed', async () => {
  const { origin, answer } = await answeredBy(async (_request, response) => {
    response.writeHead(206, { 'content-range': 'bytes 100-199/1000' })
    response.write(bytes.subarray(100, 300))
  })
  await using _ = origin
  assert.deepEqual(await bytesOf(await answer), Buffer.from(bytes.subarray(100, 200)))
  await origin.quiet()
  assert.equal(origin.requests[0]?.ended, 'cut')
})

test('[fill 7] the whole, where a part was asked for, is handed out as what it is: from 0', async () => {
  const { origin, answer } = await answeredBy(ignoreRanges())
  await using _ = origin
  const { body, ...response } = await answer
  assert.deepEqual([response.start, response.end, response.total], [0, 1_000, 1_000])
  assert.equal(response.acceptsRanges, false)
  assert.deepEqual(await bytesOf({ body }), Buffer.from(bytes))
})

test('[fill 7] a server that says it knows ranges and ignores ours is not believed, except from 0 and for If-Range', async () => {
  await using origin = await openOrigin({ [film]: { bytes, etag: '"two"' } })
  const source = httpSource(origin.url(film))
  origin.answer(film, shaped({ ranges: false, headers: { 'accept-ranges': 'none, Bytes' } }))
  const accepts = async (start: number, validator?: string) => {
    const response = await ask(source, { start, validator })
    await bytesOf(response)
    return response.acceptsRanges
  }
  assert.equal(await accepts(100), false)
  assert.equal(await accepts(0), true)
  assert.equal(await accepts(100, '"one"'), true)
  origin.answer(film, shaped({ ranges: false, headers: { 'accept-ranges': 'none' } }))
  assert.equal(await accepts(0), false)
})

test('[fill 7] chunked without a length: the whole comes to its end with a total that nobody knows', async () => {
  const { origin, answer } = await answeredBy(shaped({ ranges: false, chunked: true }), { start: 0 })
  await using _ = origin
  const response = await answer
  assert.deepEqual([response.start, response.end, response.total], [0, undefined, undefined])
  assert.deepEqual(await bytesOf(response), Buffer.from(bytes))
  await origin.quiet()
  assert.equal(origin.requests[0]?.ended, 'whole')
})

test('[fill 7] chunked without a length: a part is as long as its Content-Range', async () => {
  const { origin, answer } = await answeredBy(chunked())
  await using _ = origin
  assert.deepEqual(await bytesOf(await answer), Buffer.from(bytes.subarray(100, 200)))
})

test('[fill 7] gzip that was not accepted is refused, whole or part: fetch undoes it and no position holds', async () => {
  for (const answer of [gzipped(), shaped({ gzip: true, ranges: false })]) {
    const refused = await answeredBy(answer)
    await using _ = refused.origin
    const error = await refusal(refused.answer)
    assert.deepEqual([error.reason, error.transient], ['response', false])
    assert.match(error.message, /coded/)
    await refused.origin.quiet()
  }
  const { origin, answer } = await answeredBy(shaped({ headers: { 'content-encoding': 'Identity' } }))
  await using _ = origin
  assert.equal((await bytesOf(await answer)).length, 100)
})

test('[fill 7] several ranges in one answer are refused', async () => {
  const { origin, answer } = await answeredBy(
    shaped({ headers: { 'content-type': 'multipart/byteranges; boundary=x' } }),
  )
  await using _ = origin
  assert.equal((await refusal(answer)).reason, 'response')
})

test('a 416 that names no total, or one that has the byte asked for, is refused', async () => {
  for (const value of ['bytes */101', 'bytes */*', 'bytes 0-1/100', '']) {
    const { origin, answer } = await answeredBy((_request, response) => {
      response.writeHead(416, { 'content-range': value, 'content-length': 4 }).end('page')
    })
    await using _ = origin
    const error = await refusal(answer)
    assert.deepEqual([error.reason, error.status, error.transient], ['response', 416, false])
  }
})

test('what comes with a 416 is not handed out', async () => {
  const { origin, answer } = await answeredBy((_request, response) => {
    response.writeHead(416, { 'content-range': 'bytes */100', 'content-length': 4 }).end('page')
  })
  await using _ = origin
  const response = await answer
  assert.deepEqual([response.start, response.total, (await bytesOf(response)).length], [100, 100, 0])
})

test('a page in place of the file passes, unless accept refuses it', async () => {
  await using origin = await openOrigin({ [film]: { bytes, contentType: 'text/html' } })
  assert.equal((await bytesOf(await ask(httpSource(origin.url(film))))).length, 1_000)
  const seen: unknown[] = []
  const picky = httpSource(origin.url(film), {
    accept: (answer) => {
      seen.push(answer)
      return answer.contentType !== 'text/html'
    },
  })
  const error = await refusal(ask(picky))
  assert.deepEqual([error.reason, error.transient], ['response', false])
  assert.deepEqual(seen, [{ status: 206, contentType: 'text/html' }])
  await origin.quiet()
})
