import assert from 'node:assert/strict'
import test from 'node:test'
import { httpSource } from '@cistern/fill'
import { randomBytes } from '../../helpers/bytes.js'
import { type FixtureOrigin, type OriginFile, openOrigin, shaped } from '../../helpers/fixture-origin.js'
import { ask, bytesOf } from './asking.js'

const bytes = randomBytes(3, 1_000)
const film = '/film.mp4'
const longAgo = 'Sat, 01 Jan 2022 00:00:00 GMT'

async function validatorOf(origin: FixtureOrigin, validator?: string): Promise<string | undefined> {
  const response = await ask(httpSource(origin.url(film)), { start: 100, end: 200, validator })
  await bytesOf(response)
  return response.validator
}

/** Validator of a file, and the If-Range that a request for that version then has. */
async function bothOf(file: Omit<OriginFile, 'bytes'>) {
  await using origin = await openOrigin({ [film]: { bytes, ...file } })
  const validator = await validatorOf(origin)
  assert.equal(await validatorOf(origin, validator), validator)
  return { validator, ifRange: (await origin.asked(2)).headers['if-range'] }
}

test('a strong ETag is the validator as it stands, and goes into If-Range', async () => {
  assert.deepEqual(await bothOf({ etag: '"one"' }), { validator: '"one"', ifRange: '"one"' })
  assert.deepEqual(await bothOf({ etag: '""', lastModified: longAgo }), { validator: '""', ifRange: '""' })
})

test('without an ETag it is the date with the total, and the date goes into If-Range', async () => {
  const { validator, ifRange } = await bothOf({ etag: false, lastModified: longAgo })
  assert.deepEqual([validator, ifRange], [`last-modified=${longAgo}; total=1000`, longAgo])
})

test('a weak ETag never goes into If-Range, nor does a date beside it', async () => {
  const weak = await bothOf({ etag: 'W/"one"' })
  assert.deepEqual(weak, { validator: 'etag=W/"one"; total=1000', ifRange: undefined })
  const both = await bothOf({ etag: 'W/"one"', lastModified: longAgo })
  assert.equal(both.validator, `etag=W/"one"; last-modified=${longAgo}; total=1000`)
  assert.equal(both.ifRange, undefined)
})

test('an ETag without quotes counts as a weak one', async () => {
  assert.deepEqual(await bothOf({ etag: 'one' }), { validator: 'etag=one; total=1000', ifRange: undefined })
})

test('a date of this minute is no strong one: it is compared, not sent', async () => {
  const lastModified = new Date().toUTCString()
  const { validator, ifRange } = await bothOf({ etag: false, lastModified })
  assert.deepEqual([validator, ifRange], [`last-modified=${lastModified}; total=1000`, undefined])
})

test('nothing that says which version it is: no validator', async () => {
  assert.deepEqual(await bothOf({ etag: false }), { validator: undefined, ifRange: undefined })
})

test('validators from elsewhere that are no ETag are not sent', async () => {
  await using origin = await openOrigin({ [film]: { bytes, etag: '"one"' } })
  for (const validator of ['one', '"o\r\nne"', 'W/"one"', longAgo, `last-modified=x\n; total=5`]) {
    assert.equal(await validatorOf(origin, validator), '"one"')
  }
  assert.ok(origin.requests.every(({ headers }) => headers['if-range'] === undefined))
})

test('another version is answered in whole where the server knows If-Range, and says so by its validator', async () => {
  await using origin = await openOrigin({ [film]: { bytes: randomBytes(4, 1_200), etag: '"two"' } })
  const response = await ask(httpSource(origin.url(film)), { start: 100, end: 200, validator: '"one"' })
  assert.deepEqual([response.start, response.total, response.validator], [0, 1_200, '"two"'])
  assert.equal(response.acceptsRanges, true)
  assert.equal((await bytesOf(response)).length, 1_200)
})

test('a part of another version says so by its validator, too, where the server knows no If-Range', async () => {
  await using origin = await openOrigin({ [film]: { bytes, etag: 'W/"two"', lastModified: longAgo } })
  const answer = await validatorOf(origin, `last-modified=${longAgo}; total=1000`) // If-Range holds by its date
  assert.equal(answer, `etag=W/"two"; last-modified=${longAgo}; total=1000`)
})

test('the same date and another length is another version', async () => {
  await using origin = await openOrigin({ [film]: { bytes, etag: false, lastModified: longAgo } })
  const first = await validatorOf(origin)
  origin.put(film, { bytes: randomBytes(5, 999), etag: false, lastModified: longAgo })
  assert.notEqual(await validatorOf(origin, first), first)
})

test('a part that came for If-Range and names no version is of the one asked for: that is what 206 says then', async () => {
  await using origin = await openOrigin({ [film]: { bytes, etag: '"one"' } })
  origin.answer(film, shaped({ headers: { etag: false } }))
  assert.equal(await validatorOf(origin, '"one"'), '"one"')
  assert.equal(await validatorOf(origin), undefined)
  assert.equal(await validatorOf(origin, '"other"'), undefined) // the whole, of a version that nobody names
  const behind = await ask(httpSource(origin.url(film)), { start: 1_000, validator: '"one"' })
  assert.equal(behind.validator, '"one"')
})
