import assert from 'node:assert/strict'
import test from 'node:test'
import { type HttpAnswer, type HttpFetch, type HttpFetchInit, httpSource } from '@cistern/fill'
import { randomBytes } from '../../helpers/bytes.js'
import { type FixtureOrigin, openOrigin, redirectTo } from '../../helpers/fixture-origin.js'
import { ask, bytesOf, refusal } from './asking.js'

const bytes = randomBytes(6, 1_000)
const film = '/film.mp4'

/** `/5` leads to `/4` and so on to `/0`, which leads to the film. */
function chainOf(origin: FixtureOrigin): void {
  for (let hop = 1; hop <= 6; hop++) origin.answer(`/${hop}`, redirectTo(`/${hop - 1}`))
  origin.answer('/0', redirectTo(film))
}

test('[fill 20] all five kinds of redirect are followed, relative ones too, and the range goes with them', async () => {
  for (const code of [301, 302, 303, 307, 308]) {
    await using origin = await openOrigin({ [film]: { bytes, etag: '"one"' } })
    origin.answer('/there/old', redirectTo('../film.mp4?x=1#y', code))
    const response = await ask(httpSource(origin.url('/there/old')), { start: 100, end: 200, validator: '"one"' })
    assert.deepEqual(await bytesOf(response), Buffer.from(bytes.subarray(100, 200)))
    const { method, path, headers } = await origin.asked(2)
    assert.deepEqual([method, path], ['GET', '/film.mp4?x=1'])
    assert.deepEqual([headers.range, headers['if-range']], ['bytes=100-199', '"one"'])
  }
})

test('[fill 20] five redirects are followed and a sixth is not; maxRedirects says another number', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  chainOf(origin)
  assert.equal((await bytesOf(await ask(httpSource(origin.url('/4'))))).length, 1_000)
  assert.equal(origin.requests.length, 6)
  const error = await refusal(ask(httpSource(origin.url('/5'))))
  assert.deepEqual([error.reason, error.transient, error.status], ['response', false, 302])
  assert.equal(origin.requests.length, 12)
  await refusal(ask(httpSource(origin.url('/0'), { maxRedirects: 0 })))
  assert.equal(origin.requests.length, 13)
  await bytesOf(await ask(httpSource(origin.url('/6'), { maxRedirects: 7 })))
  await origin.quiet()
})

test('[fill 20] credentials stay with their origin, and are not picked up again on the way back', async () => {
  await using home = await openOrigin({ [film]: { bytes } })
  await using away = await openOrigin()
  home.answer('/start', redirectTo('/out'))
  home.answer('/out', redirectTo(away.url('/back')))
  away.answer('/back', redirectTo('/again'))
  away.answer('/again', redirectTo(home.url('/in')))
  home.answer('/in', redirectTo(film))
  const url = new URL(home.url('/start'))
  url.username = 'user'
  url.password = 'pass'
  const headers = {
    Cookie: 'a=1',
    'X-Api-Token': 'hush',
    'Proxy-Authorization': 'Basic x',
    Accept: 'video/*',
    'Accept-Language': 'en',
    'User-Agent': 'player',
  }
  const response = await ask(httpSource(url, { headers }), { start: 0, end: 10 })
  assert.equal((await bytesOf(response)).length, 10)

  const secrets = ['authorization', 'cookie', 'x-api-token', 'proxy-authorization']
  const kept = ['accept', 'accept-language', 'user-agent']
  const [start, out, ...returned] = home.requests
  assert.deepEqual([away.requests.length, returned.length], [2, 2])
  for (const request of [start, out]) {
    assert.deepEqual(
      secrets.map((name) => request?.headers[name] !== undefined),
      secrets.map(() => true),
    )
  }
  for (const request of [...away.requests, ...returned]) {
    assert.deepEqual(
      secrets.map((name) => request?.headers[name]),
      secrets.map(() => undefined),
    )
    assert.deepEqual(
      kept.map((name) => request?.headers[name]),
      ['video/*', 'en', 'player'],
    )
    assert.equal(request?.headers.range, 'bytes=0-9')
  }
})

test('[fill 20] user and password in a Location are not taken up', async () => {
  await using origin = await openOrigin({ [film]: { bytes } })
  origin.answer('/old', redirectTo(`http://user:pass@${new URL(origin.origin).host}${film}`))
  await bytesOf(await ask(httpSource(origin.url('/old'))))
  assert.equal((await origin.asked(2)).headers.authorization, undefined)
})

test('[fill 20] redirects to nowhere, to no URL, to another scheme and from https to http are refused', async () => {
  const answers: [from: string, location: string | undefined][] = [
    ['http://example.org/a?hush', undefined],
    ['http://example.org/a?hush', 'http://hush:99999/'],
    ['http://example.org/a?hush', 'file:///hush'],
    ['https://example.org/a?hush', 'http://example.org/a?hush'],
    ['https://example.org/a?hush', '//example.org:bad/hush'],
  ]
  for (const [from, location] of answers) {
    const asked: string[] = []
    const fetch: HttpFetch = async (url) => {
      asked.push(url)
      return new Response(null, { status: 302, headers: location === undefined ? {} : { location } })
    }
    const error = await refusal(ask(httpSource(from, { fetch })))
    assert.deepEqual([error.reason, error.transient, asked.length], ['response', false, 1])
    assert.doesNotMatch(error.message, /hush/)
  }
})

test('[fill 20] from http to https, and within https, redirects are followed', async () => {
  const asked: string[] = []
  const fetch = async (url: string, init: HttpFetchInit): Promise<HttpAnswer> => {
    asked.push(url)
    assert.equal(init.redirect, 'manual')
    if (asked.length === 1) return new Response(null, { status: 301, headers: { location: 'https://example.org/b' } })
    if (asked.length === 2) return new Response(null, { status: 301, headers: { location: 'https://other.org/c' } })
    return new Response('abc', { status: 206, headers: { 'content-range': 'bytes 0-2/3' } })
  }
  const response = await ask(httpSource('http://example.org/a', { fetch }))
  assert.equal(String(await bytesOf(response)), 'abc')
  assert.deepEqual(asked, ['http://example.org/a', 'https://example.org/b', 'https://other.org/c'])
})
