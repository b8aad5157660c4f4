// What a filler must bear: callers that leave at the wrong moment, others at work on the same key, sources that falter.
import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import { type AssetStore, aes128Cbc, ResourceKey } from '@cistern/assets'
import { Filler, SourceError } from '@cistern/fill'
import { MemStore } from '@cistern/mem-store'
import { onBoth } from '../assets/facade/stores.js'
import { randomBytes } from '../helpers/bytes.js'
import { stateOf } from '../helpers/deferred.js'
import { CHUNK, calm, film, key, options, same, transient } from './film.js'
import { ScriptedSource } from './scripted-source.js'

onBoth('who gives up opening while the store is asked leaves no writer behind', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  for (let turns = 0; turns < 30; turns += 3) {
    const leaving = new AbortController()
    const opening = filler.open(ResourceKey.of('film', `${turns}`), film(1), { signal: leaving.signal })
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    leaving.abort(new Error('left'))
    await opening.then(
      (reader) => reader.close(),
      (error) => assert.match(error.message, /left/),
    )
  }
  await calm()
  assert.deepEqual([filler.stats().filling, store.stats().writers, store.stats().readers], [0, 0, 0])
})

onBoth('a prefetch that is withdrawn while the store is asked is withdrawn', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(1)
  source.beforePiece = () => new Promise(() => undefined)
  for (let turns = 0; turns < 30; turns += 3) {
    const leaving = new AbortController()
    const fetched = filler.prefetch(ResourceKey.of('film', `${turns}`), source, { signal: leaving.signal })
    fetched.catch(() => undefined)
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    leaving.abort(new Error('left'))
    await calm()
    assert.equal(await stateOf(fetched), 'rejected', `after ${turns}`)
  }
  await calm()
  assert.deepEqual([filler.stats().filling, store.stats().writers, store.stats().readers], [0, 0, 0])
})

onBoth("A3 who leaves while another's writer is taken over leaves no writer behind", async (open) => {
  for (let turns = 0; turns < 40; turns += 5) {
    await using store = await open()
    const first = new Filler(store, options)
    await using second = new Filler(store, options)
    const source = film(4)
    source.beforePiece = () => new Promise(() => undefined)
    const [one, two] = [await first.open(key, source), await second.open(key, source)]
    const reading = two.bytes().catch(() => undefined)
    one.close()
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    two.close()
    await reading
    await calm()
    assert.deepEqual([store.stats().writers, store.stats().readers], [0, 0], `after ${turns}`)
    await first.close()
  }
})

onBoth('where one filler gives up a key, another that waits for it goes on', async (open) => {
  await using store = await open()
  const first = new Filler(store, options)
  await using second = new Filler(store, options)
  const source = film(4)
  const [one, two] = [await first.open(key, film(4)), await second.open(key, source)]
  await one.bytes({ start: 0, end: 10 })
  const reading = two.bytes({ start: 2 * CHUNK, end: 3 * CHUNK })
  const more = two.bytes({ start: 0, end: 3 * CHUNK })
  one.close()
  await first.close()
  same(await reading, source.script.bytes, 2 * CHUNK)
  same(await more, source.script.bytes)
  two.close()
})

onBoth('an empty piece is not the end of a body', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  for (const unmeasured of [false, true]) {
    const source = film(1, { unmeasured, sequential: unmeasured })
    source.answer = (asked) => {
      const usual = source.usual(asked)
      return {
        ...usual,
        body: (async function* () {
          for await (const piece of usual.body) {
            yield new Uint8Array()
            yield piece
          }
        })(),
      }
    }
    using reader = await filler.open(ResourceKey.of('film', String(unmeasured)), source)
    same(await reader.bytes(), source.script.bytes)
    assert.equal(source.asked.length, 1)
  }
})

onBoth('a link that is cut ten times in a chunk and brings bytes each time gets there', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { chunkSize: 16 * CHUNK, backoffMs: 1, retries: 3 })
  const source = film(16)
  source.beforePiece = (asked) => {
    if (asked.given >= CHUNK) throw new SourceError('cut', { reason: 'network', transient: true })
  }
  using reader = await filler.open(key, source)
  same(await reader.bytes(), source.script.bytes)
})

onBoth('a prefetch of what lies behind the end is met once the end is known', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(2)
  const total = source.script.bytes.length
  const fetched = filler.prefetch(key, source, { ranges: [{ start: total + 5, end: total + 10 }] })
  await calm()
  assert.equal(await stateOf(fetched), 'fulfilled')
})

onBoth('what passed by while there was no room is fetched for who wants all', async (open) => {
  await using store: AssetStore = await open({ maxBytes: 3 * CHUNK })
  await using filler = new Filler(store, { ...options, windowBytes: 2 * CHUNK, lookahead: 1 })
  await store.put(ResourceKey.of('other', 'a'), randomBytes(5, 2 * CHUNK))
  await store.pin('other')
  const source = film(2.5)
  using reader = await filler.open(key, source)
  const chunks = reader.chunks({ start: CHUNK + 100 })[Symbol.asyncIterator]()
  await chunks.next()
  await calm()
  await store.unpin('other')
  await store.remove(ResourceKey.of('other', 'a'))
  const done = filler.complete(key, source)
  done.catch(() => undefined)
  while (!(await chunks.next()).done);
  await done
  assert.equal(store.stat(key)?.state, 'committed')
})

onBoth('what was removed is opened anew, though somebody holds a reader of it', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(30)
  using old = await filler.open(key, source)
  await old.bytes({ start: 0, end: 10 })
  await source.once(() => source.openRequests === 0)
  await calm()
  await store.remove(key)
  using reader = await filler.open(key, source)
  same(await reader.bytes({ start: 0, end: 10 }), source.script.bytes)
})

onBoth('a source that asks to be left alone for a year holds nothing up', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(1)
  source.answer = () => Promise.reject(transient(365 * 86_400_000))
  const warnings: unknown[] = []
  const warn = (warning: unknown): void => void warnings.push(warning)
  process.on('warning', warn)
  using reader = await filler.open(key, source)
  const reading = reader.bytes().catch(() => undefined)
  await source.request(1)
  await new Promise((resolve) => setTimeout(resolve, 30))
  process.off('warning', warn)
  assert.deepEqual(warnings, [])
  reader.close()
  await reading
})

for (const size of [0, 1]) {
  for (const more of [{}, { sequential: true }, { unmeasured: true, sequential: true }]) {
    onBoth(`a file of ${size} bytes is there at once ${JSON.stringify(more)}`, async (open) => {
      await using store = await open()
      await using filler = new Filler(store, options)
      const source = new ScriptedSource({ bytes: randomBytes(1, size), validator: 'v1', ...more })
      using reader = await filler.open(key, source)
      assert.equal((await reader.bytes()).length, size)
      assert.equal(await reader.waitCommit(), size)
    })
  }
}

onBoth('the length of an encrypted resource is waited for to its end', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, lookahead: 1 })
  const [cipherKey, iv] = [randomBytes(1, 16), randomBytes(2, 16)]
  const plain = randomBytes(3, 15 * CHUNK + 77)
  const cipher = createCipheriv('aes-128-cbc', cipherKey, iv)
  const source = new ScriptedSource({ bytes: Buffer.concat([cipher.update(plain), cipher.final()]), validator: 'v1' })
  using reader = await filler.open(key, source, { processor: aes128Cbc({ key: cipherKey, iv }) })
  same(await reader.bytes({ start: 14 * CHUNK }), plain, 14 * CHUNK)
  assert.equal(await reader.waitLength(), plain.length)
})

test("A6 a listener that throws is the host's to hear of, and nothing stops", async () => {
  await using store = await MemStore.open()
  await using filler = new Filler(store, options)
  const thrown: unknown[] = []
  const catching = (error: unknown): void => void thrown.push(error)
  const before = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', catching)
  try {
    for (const event of ['request', 'progress', 'fail'] as const)
      filler.on(event, () => {
        throw new Error(event)
      })
    const source = film(3)
    using reader = await filler.open(key, source)
    same(await reader.bytes(), source.script.bytes)
    const failing = film(1)
    failing.answer = () => Promise.reject(new Error('gone'))
    await assert.rejects(filler.complete(ResourceKey.of('film', 'b'), failing), /gone/)
    await calm()
    assert.deepEqual(filler.stats().running, [])
    assert.deepEqual(new Set(thrown.map((e) => (e as Error).message)), new Set(['request', 'progress', 'fail']))
  } finally {
    process.off('uncaughtException', catching)
    for (const each of before) process.on('uncaughtException', each)
  }
})
