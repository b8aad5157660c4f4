// What is fetched, in which order, and how often: over a source that the test holds in its hand.
import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import { type AssetStore, aes128Cbc, CisternError, ResourceKey, type ResourceReader } from '@cistern/assets'
import { Filler, SourceError } from '@cistern/fill'
import { MemStore } from '@cistern/mem-store'
import { onBoth } from '../assets/facade/stores.js'
import { randomBytes, randomInteger, randomNumbers, shuffled } from '../helpers/bytes.js'
import { deferred, eventLoopTurn, stateOf } from '../helpers/deferred.js'
import { CHUNK, calm, film, key, options, same, transient } from './film.js'
import { type Asked, ScriptedSource } from './scripted-source.js'

async function whole(reader: ResourceReader, source: ScriptedSource): Promise<void> {
  const got = await reader.bytes()
  assert.equal(got.length, source.script.bytes.length)
  same(got, source.script.bytes)
}

onBoth('[fill 1] a second full read asks the source for nothing', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(2.5)
  {
    using reader = await filler.open(key, source)
    await whole(reader, source)
    await reader.waitCommit()
  }
  assert.equal(source.given, source.script.bytes.length, 'each byte once')
  const before = source.asked.length
  using again = await filler.open(key, source)
  await whole(again, source)
  assert.equal(source.asked.length, before)
})

onBoth('[fill 2] what somebody waits for is the next request sent, equals go in order of arrival', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, concurrency: 1 })
  const slow = film(1)
  const gate = deferred()
  slow.beforePiece = () => gate.promise
  const order: string[] = []
  filler.on('request', ({ key: { path } }) => order.push(path))
  const wanted = ['a', 'b', 'c', 'd'].map((path) => ({ path, source: film(1) }))
  const first = filler.complete(ResourceKey.of('film', 'first'), slow)
  await slow.request(1)
  const rest = wanted.map(({ path, source }) => filler.complete(ResourceKey.of('film', path), source))
  await calm()
  const urgent = film(1)
  using reader = await filler.open(ResourceKey.of('film', 'urgent'), urgent)
  const reading = reader.bytes({ start: 0, end: 1 })
  await urgent.request(1)
  assert.deepEqual(order, ['first', 'urgent'], 'the one that nobody waits for made room')
  await reading
  reader.close()
  gate.resolve()
  await Promise.all([first, ...rest])
  assert.deepEqual(
    order.filter((path) => path.length === 1),
    ['a', 'b', 'c', 'd'],
  )
})

onBoth('[fill 3] a range wanted at low and then at critical is fetched once', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(1)
  const gate = deferred()
  source.beforePiece = () => gate.promise
  const fetched = filler.prefetch(key, source, { ranges: [{ start: 0, end: 1_000 }], priority: 'low' })
  await source.request(1)
  using reader = await filler.open(key, source)
  const reading = reader.bytes({ start: 0, end: 1_000 })
  await calm()
  gate.resolve()
  same(await reading, source.script.bytes)
  await fetched
  assert.equal(source.asked.filter(({ start }) => start === 0).length, 1)
})

onBoth('[fill 4] never more requests at a time than allowed, and all who wait get theirs', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(10)
  source.beforePiece = () => eventLoopTurn()
  const readers = await Promise.all(Array.from({ length: 10 }, () => filler.open(key, source)))
  await Promise.all(
    readers.map(async (reader, n) => {
      same(await reader.bytes({ start: n * CHUNK, end: (n + 1) * CHUNK }), source.script.bytes, n * CHUNK)
      reader.close()
    }),
  )
  assert.equal(source.mostAtOnce, 3)
})

onBoth('[fill 4] nor more to one origin', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, concurrency: 6, perOrigin: 2 })
  const sources = Array.from({ length: 6 }, (_, n) => film(3, { origin: n % 2 === 0 ? 'a' : 'b' }))
  let [most, now] = [0, 0]
  for (const source of sources) {
    source.answer = async () => {
      if (source.origin === 'a') most = Math.max(most, ++now)
      await eventLoopTurn()
      if (source.origin === 'a') now--
      return undefined
    }
  }
  await Promise.all(sources.map((source, n) => filler.complete(ResourceKey.of('film', String(n)), source)))
  assert.ok(most <= 2, `${most} at a time`)
})

onBoth('[fill 5] what lands between the look and the wait wakes who waits, a thousand times', async (open) => {
  await using store = await open()
  const source = film(1)
  for (let round = 0; round < 1_000; round++) {
    await using filler = new Filler(store, options)
    using reader = await filler.open(
      ResourceKey.of(`film-${round % 50}`, `${round}`),
      new ScriptedSource({ bytes: source.script.bytes.subarray(0, 500) }),
    )
    const turns = round % 7
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    const [first, second] = await Promise.all([
      reader.bytes({ start: round % 400, end: 500 }),
      reader.bytes({ start: 0, end: 1 }),
    ])
    assert.equal(first.length + second.length, 501 - (round % 400))
  }
})

onBoth('[fill 6] a permanent failure rejects who waits after one attempt, and says what it was', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(2)
  const error = new SourceError('404', { reason: 'status', status: 404 })
  source.answer = () => Promise.reject(error)
  const failed: unknown[] = []
  filler.on('fail', (told) => failed.push(told.error))
  using reader = await filler.open(key, source)
  await assert.rejects(reader.bytes(), (thrown) => thrown === error)
  assert.equal(source.asked.length, 1)
  assert.deepEqual(failed, [error])
  await assert.rejects(filler.complete(key, source), (thrown) => thrown === error)
})

onBoth('[fill 6] two that pass and then an answer: it is there', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(1)
  source.answer = (_, nth) => (nth <= 2 ? Promise.reject(transient()) : undefined)
  using reader = await filler.open(key, source)
  await whole(reader, source)
  assert.equal(source.asked.length, 3)
})

onBoth('[fill 6] after the last attempt who waits is told', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, retries: 2 })
  const source = film(1)
  source.answer = () => Promise.reject(transient())
  using reader = await filler.open(key, source)
  await assert.rejects(reader.bytes(), { code: 'ERR_CISTERN_SOURCE', status: 503 })
  assert.equal(source.asked.length, 3)
})

onBoth('[fill 6] a source that names a time is not asked before', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(1)
  const times: number[] = []
  source.answer = (_, nth) => {
    times.push(performance.now())
    return nth === 1 ? Promise.reject(transient(120)) : undefined
  }
  using reader = await filler.open(key, source)
  await whole(reader, source)
  const [first = 0, second = 0] = times
  assert.ok(second - first >= 119, `after ${second - first} ms`)
})

onBoth('[fill 7] an answer that begins somewhere else puts no byte anywhere', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(3)
  source.answer = (asked) => ({ ...source.usual(asked), start: asked.start + 1 })
  using reader = await filler.open(key, source)
  await assert.rejects(reader.bytes({ start: CHUNK, end: CHUNK + 10 }), { code: 'ERR_CISTERN_SOURCE' })
  assert.equal(store.stat(key)?.coverage.size ?? 0, 0)
})

onBoth('[fill 7] a body longer than promised is cut off, a shorter one is gone on with', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(2)
  const { bytes } = source.script
  source.answer = (asked, nth) => {
    const usual = source.usual(asked)
    const end = usual.end as number
    if (nth === 1)
      return { ...usual, body: source.body(asked, bytes, asked.start, Math.min(bytes.length, end + 5_000)) }
    if (nth === 2) return { ...usual, body: source.body(asked, bytes, asked.start, end - 20_000) }
    return usual
  }
  using reader = await filler.open(key, source)
  await whole(reader, source)
})

onBoth('[fill 7] a source without ranges that is asked for the middle is used from its beginning', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(5, { sequential: true })
  using reader = await filler.open(key, source)
  same(await reader.bytes({ start: 3 * CHUNK, end: 3 * CHUNK + 100 }), source.script.bytes, 3 * CHUNK)
  await whole(reader, source)
  await reader.waitCommit()
  assert.ok(source.asked.length <= 2, `${source.asked.length} requests`)
})

for (const how of ['validator', 'length'] as const) {
  onBoth(`[fill 8] where the ${how} changes in the middle, nothing of the old version is kept`, async (open) => {
    await using store = await open()
    await using filler = new Filler(store, { ...options, concurrency: 1, lookahead: 0 })
    const source = film(4)
    using old = await filler.open(key, source)
    same(await old.bytes({ start: 0, end: 100 }), source.script.bytes)
    const next = randomBytes(9, how === 'length' ? 3 * CHUNK : 4 * CHUNK)
    source.script = { bytes: next, validator: how === 'length' ? 'v1' : 'v2' }
    await assert.rejects(old.bytes({ start: 2 * CHUNK, end: 3 * CHUNK }), { code: 'ERR_CISTERN_SOURCE_CHANGED' })
    old.close()
    using reader = await filler.open(key, source)
    await whole(reader, source)
  })
}

onBoth('[fill 8] a source that has another version each time is given up', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(6)
  source.answer = (asked, nth) => ({ ...source.usual(asked), start: asked.start, validator: `v${nth}` })
  using reader = await filler.open(key, source)
  await assert.rejects(reader.bytes(), { code: 'ERR_CISTERN_SOURCE_CHANGED' })
})

onBoth('[fill 9] chunks in any order become one covered run, and nothing counts twice', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, lookahead: 0 })
  const source = film(12.3)
  const random = randomNumbers(4)
  using reader = await filler.open(key, source)
  const starts = shuffled(
    random,
    Array.from({ length: 40 }, () => randomInteger(random, 0, source.script.bytes.length - 5_000)),
  )
  await Promise.all(
    starts.map(async (start) => same(await reader.bytes({ start, end: start + 5_000 }), source.script.bytes, start)),
  )
  await whole(reader, source)
  await reader.waitCommit()
  assert.deepEqual([...(store.stat(key)?.coverage ?? [])], [{ start: 0, end: source.script.bytes.length }])
  assert.equal(source.given, source.script.bytes.length)
})

onBoth('[fill 11] what is there from before is not asked for', async (open) => {
  const source = film(10)
  await using store = await open()
  const missing = [{ start: 4 * CHUNK, end: source.script.bytes.length }]
  {
    await using filler = new Filler(store, options)
    await filler.prefetch(key, source, { ranges: [{ start: 0, end: 4 * CHUNK }] })
  }
  assert.equal(source.given, 4 * CHUNK)
  source.asked.length = 0
  await using filler = new Filler(store, options)
  await filler.complete(key, source)
  assert.ok(source.asked.every(({ start }) => start >= (missing[0]?.start ?? 0)))
  assert.ok(
    source.asked.every(({ validator }) => validator === 'v1'),
    'it is asked for the same version',
  )
  assert.equal(source.given, 6 * CHUNK)
})

onBoth('[fill 12] after a seek the next request is for where it went, and the old look-ahead ends', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(100)
  const gate = deferred()
  source.beforePiece = (asked) => (asked.start === 0 ? undefined : asked.start < 50 * CHUNK ? gate.promise : undefined)
  using reader = await filler.open(key, source)
  await reader.bytes({ start: 0, end: 10 })
  await source.once(() => source.openRequests === 2 && source.asked.length === 3)
  const before = source.asked.length
  const seek = 70 * CHUNK + 5
  same(await reader.bytes({ start: seek, end: seek + 10 }), source.script.bytes, seek)
  assert.equal(source.asked[before]?.start, seek)
  assert.ok(
    source.asked
      .slice(0, before)
      .filter(({ start }) => start > 0)
      .every(({ signal }) => signal.aborted),
  )
  gate.resolve()
})

onBoth(
  '[fill 13] a hundred readers of one cold range are one request; one leaves, one stalls, the rest finish',
  async (open) => {
    await using store = await open()
    await using filler = new Filler(store, options)
    const source = film(1)
    const gate = deferred()
    source.beforePiece = (_, position) => (position > 0 ? gate.promise : undefined)
    const readers = await Promise.all(Array.from({ length: 100 }, () => filler.open(key, source)))
    const leaving = new AbortController()
    const reading = readers.map((reader, n) =>
      n === 1 ? reader.readAt.bind(reader) : reader.bytes(n === 0 ? { signal: leaving.signal } : {}),
    )
    await source.once(() => source.given > 0)
    leaving.abort(new Error('left'))
    await assert.rejects(reading[0] as Promise<unknown>, /left/)
    readers[0]?.close()
    gate.resolve()
    for (const got of reading.slice(2)) same(await (got as Promise<Uint8Array>), source.script.bytes)
    for (const reader of readers) reader.close()
    assert.equal(source.asked.length, 1)
  },
)

onBoth('[fill 14] who reads a byte goes on when it has landed, not at the end of its chunk', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(1)
  const gate = deferred()
  source.beforePiece = (_, position) => (position >= 32 * 1024 ? gate.promise : undefined)
  using reader = await filler.open(key, source)
  same(await reader.bytes({ start: 20_000, end: 20_001 }), source.script.bytes, 20_000)
  assert.equal(source.openRequests, 1)
  gate.resolve()
})

onBoth('[fill 15] when the last reader leaves, the fetch stops and nothing is left', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(10)
  const never = deferred()
  source.beforePiece = (_, position) => (position > 0 ? never.promise : undefined)
  const readers = [await filler.open(key, source), await filler.open(key, source)]
  for (const reader of readers) await reader.bytes({ start: 0, end: 10 })
  readers[0]?.close()
  await calm()
  assert.ok(source.openRequests > 0, 'somebody reads')
  readers[1]?.close()
  assert.equal(source.openRequests, 0)
  never.resolve()
  await calm()
  const { readers: open_, writers } = store.stats()
  assert.deepEqual([open_, writers, filler.stats().filling, filler.stats().running], [0, 0, 0, []])
})

onBoth('[fill 15] or goes on to the end, where that is asked for', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, whenLeft: 'finish' })
  const source = film(10)
  {
    using reader = await filler.open(key, source)
    await reader.bytes({ start: 0, end: 10 })
  }
  const committed = deferred()
  store.on('commit', () => committed.resolve())
  if (store.stat(key)?.state !== 'committed') await committed.promise
  same((await store.get(key)) ?? new Uint8Array(), source.script.bytes)
})

onBoth('[fill 16] what failed for a while is tried again after what lies elsewhere', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, concurrency: 1, backoffMs: 50 })
  const source = film(4)
  source.answer = (_, nth) =>
    nth === 2 ? Promise.reject(new SourceError('no byte', { reason: 'timeout', transient: true })) : undefined
  await filler.prefetch(key, source, { ranges: [{ start: 0, end: CHUNK }] })
  await filler.complete(key, source)
  const [, second, third] = source.asked
  assert.equal(second?.start, CHUNK)
  assert.equal(third?.start, 2 * CHUNK, 'elsewhere first')
  same((await store.get(key)) ?? new Uint8Array(), source.script.bytes)
})

onBoth('[fill 16] an answer that comes after its request was given up writes nothing', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(2)
  const late = deferred()
  const other = randomBytes(99, 2 * CHUNK)
  source.beforePiece = () => late.promise
  const reader = await filler.open(key, source)
  const reading = reader.bytes().catch(() => undefined)
  const asked = await source.request(1)
  reader.close()
  await reading
  assert.ok(asked.signal.aborted)
  source.script = { bytes: other, validator: 'v2' }
  source.beforePiece = undefined
  late.resolve()
  await calm()
  using next = await filler.open(key, source)
  await whole(next, source)
})

onBoth('[fill 18] a source that does not say how long it is ends where it ends', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(3.2, { unmeasured: true, sequential: true })
  using reader = await filler.open(key, source)
  await whole(reader, source)
  assert.equal(await reader.waitCommit(), source.script.bytes.length)
  assert.equal(source.asked.length, 1)
})

onBoth('an encrypted resource is readable in the clear as it comes', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const [cipherKey, iv] = [randomBytes(1, 16), randomBytes(2, 16)]
  const plain = randomBytes(3, 5 * CHUNK + 77)
  const cipher = createCipheriv('aes-128-cbc', cipherKey, iv)
  const source = new ScriptedSource({ bytes: Buffer.concat([cipher.update(plain), cipher.final()]), validator: 'v1' })
  const gate = deferred()
  source.beforePiece = (_, position) => (position >= 3 * CHUNK ? gate.promise : undefined)
  using reader = await filler.open(key, source, { processor: aes128Cbc({ key: cipherKey, iv }) })
  same(await reader.bytes({ start: 2 * CHUNK, end: 2 * CHUNK + 1_000 }), plain, 2 * CHUNK)
  gate.resolve()
  same(await reader.bytes(), plain)
  assert.equal(await reader.waitCommit(), plain.length)
  assert.equal(source.given, source.script.bytes.length)
})

onBoth('[fill 17] what the store has no room for still gets to who reads it, byte for byte', async (open) => {
  await using store: AssetStore = await open({ maxBytes: 3 * CHUNK })
  await using filler = new Filler(store, { ...options, windowBytes: 2 * CHUNK, lookahead: 2 })
  await store.put(ResourceKey.of('kept', 'a'), randomBytes(5, CHUNK))
  await store.pin('kept')
  const source = film(20)
  using reader = await filler.open(key, source)
  let position = 0
  for await (const chunk of reader.chunks()) {
    same(chunk, source.script.bytes, position)
    position += chunk.length
  }
  assert.equal(position, source.script.bytes.length)
  assert.equal((await store.get(ResourceKey.of('kept', 'a')))?.length, CHUNK, 'what is pinned is there')
  await assert.rejects(filler.complete(key, film(20)), (error) => CisternError.is(error, 'ERR_CISTERN_QUOTA_EXCEEDED'))
})

onBoth('what nobody wants is not fetched', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(100)
  using reader = await filler.open(key, source, { lookahead: 2 })
  await calm()
  assert.equal(source.asked.length, 0, 'who opens may be about to begin anywhere')
  await reader.bytes({ start: 50 * CHUNK, end: 50 * CHUNK + 1 })
  await source.once(() => source.openRequests === 0)
  await calm()
  assert.ok(source.asked.every(({ start }: Asked) => start >= 50 * CHUNK))
  assert.ok(source.given <= 4 * CHUNK, `${source.given} bytes`)
})

onBoth('who waits on a filler that is closed is told', async (open) => {
  await using store = await open()
  const filler = new Filler(store, options)
  const source = film(2)
  source.answer = () => new Promise(() => undefined)
  using reader = await filler.open(key, source)
  const reading = reader.bytes()
  assert.equal(await stateOf(reading), 'pending')
  await filler.close()
  await assert.rejects(reading, { code: 'ERR_CISTERN_STORE_CLOSED' })
  await assert.rejects(filler.open(key, source), { code: 'ERR_CISTERN_STORE_CLOSED' })
})

onBoth('a resource shorter than a chunk is asked for once, whatever lies ahead of who reads it', async (open) => {
  const secret = { key: randomBytes(1, 16), iv: randomBytes(2, 16) }
  const clear = randomBytes(3, CHUNK / 4)
  const cipher = createCipheriv('aes-128-cbc', secret.key, secret.iv)
  const source = new ScriptedSource({ bytes: Buffer.concat([cipher.update(clear), cipher.final()]), validator: 'v1' })
  const gate = deferred()
  source.answer = async () => {
    await gate.promise
    return undefined
  }
  await using store = await open()
  await using filler = new Filler(store, options)
  using reader = await filler.open(key, source, { processor: aes128Cbc(secret) })
  const reading = reader.bytes()
  await source.request(1)
  await calm()
  gate.resolve()
  same(await reading, clear)
  assert.equal(source.asked.length, 1, 'what is behind its end is not asked for before anybody knows the end')
})

for (const validator of ['v1', undefined])
  onBoth(`who waits behind the end of what nobody has measured hears of it, from ${validator}`, async (open) => {
    await using store = await open()
    await using filler = new Filler(store, options)
    const source = film(0.5, { validator: 'v1' })
    source.answer = ({ start }) => (start > 0 ? { start, end: start, total: CHUNK / 2, validator, ...bare } : undefined)
    using reader = await filler.open(key, source)
    assert.equal(await reader.waitRange(3 * CHUNK, 3 * CHUNK + 1), 'eof')
    assert.equal(reader.length, CHUNK / 2)
    same(await reader.bytes(), source.script.bytes)
    assert.equal(await reader.waitCommit(), CHUNK / 2)
    using again = await filler.open(key, source)
    assert.equal(again.generation, reader.generation, 'what it says of its length is of no other version')
    assert.equal(source.asked.filter(({ start }) => start === 0).length, 1)
  })

onBoth('an answer without bytes and without a version drops nothing of what is there', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(0.5, { unmeasured: true })
  const [gate, rest] = [deferred(), deferred()]
  source.beforePiece = (_asked, position) => (position === 0 ? undefined : rest.promise)
  source.answer = async ({ start }) => {
    if (start === 0) return undefined
    await gate.promise
    return { start, end: start, total: CHUNK / 2, validator: undefined, ...bare }
  }
  using reader = await filler.open(key, source)
  using behind = reader.clone()
  const [first, end] = [reader.bytes({ start: 0, end: 100 }), behind.waitRange(3 * CHUNK, 3 * CHUNK + 1)]
  await source.request(2)
  same(await first, source.script.bytes)
  gate.resolve()
  assert.equal(await end, 'eof')
  rest.resolve()
  same(await reader.bytes(), source.script.bytes)
  assert.equal(await reader.waitCommit(), CHUNK / 2)
  assert.equal(source.asked.filter(({ start }) => start === 0).length, 1)
})

onBoth('a version that was first heard of by its length is told from the one behind it', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, lookahead: 0 })
  const source = film(4, { validator: 'v1' })
  source.answer = ({ start }) => {
    const total = source.script.bytes.length
    return start < total ? undefined : { start, end: start, total, validator: undefined, ...bare }
  }
  using held = await filler.open(key, source) // what the filler knows of the source lasts as long as this
  await filler.prefetch(key, source, { ranges: [{ start: 0, end: CHUNK }] })
  source.script = { bytes: randomBytes(8, 2 * CHUNK), validator: 'v2' }
  assert.equal(await held.waitRange(3 * CHUNK, 3 * CHUNK + 1), 'eof')
  await filler.prefetch(key, source, { ranges: [{ start: 0, end: CHUNK }] })
  source.script = { bytes: randomBytes(9, 2 * CHUNK), validator: 'v3' }
  using reader = await filler.open(key, source)
  same(await reader.bytes(), source.script.bytes)
})

onBoth('an end before what is there is the end of another version', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, lookahead: 0 })
  const source = film(1, { unmeasured: true })
  {
    using reader = await filler.open(key, source)
    await reader.bytes({ start: 0, end: CHUNK })
    source.script = { bytes: randomBytes(8, CHUNK / 2), validator: 'v2' }
    const total = CHUNK / 2
    source.answer = ({ start }) =>
      start < total ? undefined : { start, end: start, total, validator: undefined, ...bare }
    using behind = await filler.open(key, source)
    assert.equal(await behind.waitRange(3 * CHUNK, 3 * CHUNK + 1), 'eof')
  }
  using again = await filler.open(key, source)
  same(await again.bytes(), source.script.bytes)
})

test('so it is where what is behind that end is still being written', async () => {
  const held = deferred()
  let isHeld = true
  await using store = await MemStore.open({ fault: ({ op }) => (op === 'write' && isHeld ? held.promise : undefined) })
  await using filler = new Filler(store, { ...options, lookahead: 0 })
  const source = film(1, { unmeasured: true })
  using reader = await filler.open(key, source)
  await reader.bytes({ start: 0, end: CHUNK }) // out of memory
  const total = CHUNK / 2
  source.script = { bytes: randomBytes(8, total), validator: 'v2' }
  source.answer = ({ start }) =>
    start < total ? undefined : { start, end: start, total, validator: undefined, ...bare }
  using behind = await filler.open(key, source)
  const end = behind.waitRange(3 * CHUNK, 3 * CHUNK + 1)
  await source.request(2)
  await calm()
  isHeld = false
  held.resolve()
  assert.equal(await end, 'eof')
})

onBoth('what lies behind a chunk that is tried again is not asked for before anybody knows the end', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(0.25)
  source.answer = (_asked, nth) => {
    if (nth <= 3) throw transient()
    return undefined
  }
  using reader = await filler.open(key, source)
  assert.equal(await reader.waitRange(0, 1), 'ready')
  same(await reader.bytes(), source.script.bytes)
  assert.deepEqual(
    source.asked.map(({ start }) => start),
    [0, 0, 0, 0],
  )
})

onBoth('who asks for the length of what is processed hears of it, however much is there already', async (open) => {
  const secret = { key: randomBytes(1, 16), iv: randomBytes(2, 16) }
  const clear = randomBytes(3, 3.5 * CHUNK)
  const cipher = createCipheriv('aes-128-cbc', secret.key, secret.iv)
  const bytes = Buffer.concat([cipher.update(clear), cipher.final()])
  const source = new ScriptedSource({ bytes, validator: 'v1', sequential: true, unmeasured: true })
  const processor = aes128Cbc(secret)
  await using store = await open()
  await using filler = new Filler(store, options)
  {
    using reader = await filler.open(key, source, { processor })
    source.beforePiece = (_asked, position) => (position < 3 * CHUNK ? undefined : deferred().promise)
    await reader.waitRange(2.5 * CHUNK, 2.5 * CHUNK + 1)
  }
  source.beforePiece = undefined
  using reader = await filler.open(key, source, { processor })
  assert.equal(await reader.waitLength(), clear.length)
  same(await reader.bytes(), clear)
})

onBoth('who waits across an end that only the end itself tells hears of it', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, lookahead: 0 })
  const source = film(1.5, { unmeasured: true })
  using reader = await filler.open(key, source)
  await reader.waitRange(CHUNK, 2 * CHUNK)
  assert.equal(reader.length, 1.5 * CHUNK)
  same(await reader.bytes(), source.script.bytes)
})

const nothing: AsyncIterable<Uint8Array> = { async *[Symbol.asyncIterator]() {} }
const bare = { acceptsRanges: true, contentType: undefined, body: nothing }
