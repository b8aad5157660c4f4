import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { appendFileSync, renameSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import test, { type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { fileSource } from '@cistern/fill'
import { randomBytes } from '../../helpers/bytes.js'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { countDescriptorsUnder, showsDescriptors } from '../../helpers/descriptors.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { ask, bytesOf, failedBody, refusal } from './asking.js'

const bytes = randomBytes(9, 600_000)

function filmIn(t: TestContext): string {
  const path = `${tempFolder(t)}/film.mp4`
  writeFileSync(path, bytes)
  return path
}

test('a file is read from its path or URL, whole and in ranges, and tells its total', async (t) => {
  const path = filmIn(t)
  const source = fileSource(path, { contentType: 'video/mp4', retries: 0 })
  assert.deepEqual([source.retries, source.origin], [0, undefined])
  const { body, validator, ...response } = await ask(source)
  const expected = { start: 0, end: 600_000, total: 600_000, acceptsRanges: true, contentType: 'video/mp4' }
  assert.deepEqual(response, expected)
  assert.match(validator ?? '', /size=600000/)
  assert.deepEqual(await bytesOf({ body }), Buffer.from(bytes))

  const part = await ask(fileSource(pathToFileURL(path)), { start: 100, end: 300_000 })
  assert.deepEqual([part.start, part.end, part.total, part.validator], [100, 300_000, 600_000, validator])
  assert.deepEqual(await bytesOf(part), Buffer.from(bytes.subarray(100, 300_000)))
  const long = await ask(fileSource(path), { start: 599_990, end: 700_000 })
  assert.deepEqual([long.end, (await bytesOf(long)).length], [600_000, 10])
})

test('behind the last byte of a file there is nothing, and no error, however far behind', async (t) => {
  const source = fileSource(filmIn(t))
  for (const start of [600_000, 600_001]) {
    const behind = await ask(source, { start })
    assert.deepEqual([behind.start, behind.end, behind.total], [start, start, 600_000])
    assert.equal((await bytesOf(behind)).length, 0)
  }
  await assert.rejects(ask(source, { start: 5, end: 5 }), { code: 'ERR_CISTERN_INVALID_RANGE' })
})

test('a file that is absent, a folder, or a FIFO is refused for good', async (t) => {
  const folder = tempFolder(t)
  const absent = await refusal(ask(fileSource(`${folder}/absent`)))
  assert.deepEqual([absent.reason, absent.transient], ['status', false])
  assert.equal((absent.cause as NodeJS.ErrnoException).code, 'ENOENT')
  assert.match(absent.message, /absent: cannot be opened: ENOENT/)
  execFileSync('mkfifo', [`${folder}/fifo`])
  for (const path of [folder, `${folder}/fifo`]) {
    assert.equal((await refusal(ask(fileSource(path)))).transient, false)
  }
  if (showsDescriptors) assert.equal(countDescriptorsUnder(folder), 0)
})

test('size, time and file are in the validator of a file: a change of one is another version', async (t) => {
  const path = filmIn(t)
  const versionOf = async (): Promise<string | undefined> => {
    const { body, validator } = await ask(fileSource(path), { end: 1 })
    await bytesOf({ body })
    return validator
  }
  const versions = [await versionOf(), await versionOf()]
  assert.equal(versions[0], versions[1])
  utimesSync(path, 1, 1)
  versions.push(await versionOf())
  appendFileSync(path, 'x')
  utimesSync(path, 1, 1)
  versions.push(await versionOf())
  writeFileSync(`${path}.new`, Buffer.concat([bytes, Buffer.from('y')]))
  renameSync(`${path}.new`, path)
  utimesSync(path, 1, 1)
  versions.push(await versionOf())
  assert.equal(new Set(versions).size, 4)
})

test('a file that shrinks or changes while it is read hands out no more of it', async (t) => {
  const path = filmIn(t)
  const first = async () => {
    const response = await ask(fileSource(path))
    const iterator = response.body[Symbol.asyncIterator]()
    assert.ok((await iterator.next()).value?.length)
    return { body: { [Symbol.asyncIterator]: () => iterator } }
  }
  const shrinking = await first()
  truncateSync(path, 300_000)
  const shrunk = await failedBody(shrinking)
  assert.deepEqual([shrunk.error.reason, shrunk.error.transient, shrunk.bytes.length], ['truncated', true, 0])

  writeFileSync(path, bytes)
  const changing = await first()
  writeFileSync(path, randomBytes(10, 600_000))
  utimesSync(path, 1, 1)
  const changed = await failedBody(changing)
  assert.deepEqual([changed.error.reason, changed.error.transient, changed.bytes.length], ['response', true, 0])
})

test('a file that was replaced by another one is read to its end as it was', async (t) => {
  const path = filmIn(t)
  const response = await ask(fileSource(path))
  writeFileSync(`${path}.new`, 'other')
  renameSync(`${path}.new`, path)
  assert.deepEqual(await bytesOf(response), Buffer.from(bytes))
})

test('links to files are followed', async (t) => {
  const path = filmIn(t)
  symlinkSync(path, `${path}.link`)
  assert.equal((await bytesOf(await ask(fileSource(`${path}.link`)))).length, 600_000)
})

test('a file is closed at its end, on return, on failure and by the signal', { skip: !showsDescriptors }, async (t) => {
  const path = filmIn(t)
  const source = fileSource(path)
  const { signal } = new AbortController()
  await bytesOf(await ask(source, { signal }))
  for await (const _ of (await ask(source, { signal })).body) break
  const unbegun = (await ask(source, { signal })).body[Symbol.asyncIterator]()
  assert.equal(countDescriptorsUnder(path), 1)
  await unbegun.return?.()
  const waiting = (await ask(source, { signal })).body[Symbol.asyncIterator]()
  const [piece] = await Promise.all([waiting.next(), waiting.return?.()])
  assert.deepEqual(await waiting.next(), { done: true, value: undefined })
  assert.ok(piece.done || piece.value.length > 0)
  await bytesOf(await ask(source, { signal, start: 600_001 }))
  const failing = await ask(source, { signal })
  truncateSync(path, 5)
  await failedBody(failing)
  assert.equal(countDescriptorsUnder(path), 0)
  assert.equal(getEventListeners(signal, 'abort').length, 0)

  const leaving = new AbortController()
  const reason = new Error('on purpose')
  const left = (await ask(source, { signal: leaving.signal })).body[Symbol.asyncIterator]()
  const idle = await ask(source, { signal: leaving.signal })
  const read = left.next()
  leaving.abort(reason)
  await assert.rejects(read, (error) => error === reason)
  while (countDescriptorsUnder(path) > 0) await eventLoopTurn() // the idle one, too, that nobody reads
  await assert.rejects(idle.body[Symbol.asyncIterator]().next(), (error) => error === reason)
  await assert.rejects(ask(source, { signal: leaving.signal }), (error) => error === reason)
})

test('a path or an option of a file that cannot be is refused at once', () => {
  for (const path of ['', 'a\0b', 5, null, undefined, new URL('http://example.org/')]) {
    assert.throws(() => fileSource(path as string), { code: 'ERR_CISTERN_INVALID_OPTION' })
  }
  assert.throws(() => fileSource('a', { retries: -1 }), { code: 'ERR_CISTERN_INVALID_OPTION' })
  assert.throws(() => fileSource('a', { contentType: 5 as unknown as string }), /contentType/)
})
