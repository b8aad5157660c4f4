// What is bounded: how many wait inside, what passes through memory, what a source may throw.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ResourceKey } from '@cistern/assets'
import { Filler, type Source } from '@cistern/fill'
import { Admission } from '#fill/admission.js'
import { PassingWindow, WindowBudget } from '#fill/passing-window.js'
import { onBoth } from '../assets/facade/stores.js'
import { randomBytes } from '../helpers/bytes.js'
import { deferred, stateOf } from '../helpers/deferred.js'
import { CHUNK, calm, film, key, options, same } from './film.js'
import { ScriptedSource } from './scripted-source.js'

onBoth('of very many prefetches few hold a writer at a time, and all are met', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const gate = deferred()
  const sources = Array.from({ length: 100 }, () => new ScriptedSource({ bytes: randomBytes(1, 100), validator: 'v1' }))
  for (const source of sources) source.beforePiece = () => gate.promise
  const all = sources.map((source, n) => filler.complete(ResourceKey.of('film', String(n)), source))
  await calm()
  assert.equal(store.stats().writers, 12, 'four for each of three slots')
  gate.resolve()
  await Promise.all(all)
  assert.equal(store.stats().resources, 100)
})

onBoth('those in line hear of it when the filler is closed', async (open) => {
  await using store = await open()
  const filler = new Filler(store, { ...options, concurrency: 1 })
  const source = film(1)
  source.answer = () => new Promise(() => undefined)
  const all = Array.from({ length: 20 }, (_, n) => filler.complete(ResourceKey.of('film', String(n)), source))
  const ends = Promise.allSettled(all)
  await calm()
  await filler.close()
  for (const end of await ends) assert.equal(end.status === 'rejected' && end.reason.code, 'ERR_CISTERN_STORE_CLOSED')
})

test('places are handed on in order of arrival, and who leaves the line is passed by', async () => {
  const admission = new Admission(1)
  const leaving = new AbortController()
  const order: string[] = []
  const enter = async (name: string, signal?: AbortSignal) => {
    const leave = await admission.enter(2, signal)
    order.push(name)
    return leave
  }
  const first = await enter('first')
  const second = enter('second', leaving.signal)
  const third = enter('third')
  const other = await admission.enter(3, undefined) // another priority has places of its own
  leaving.abort(new Error('left'))
  await assert.rejects(second, /left/)
  assert.equal(await stateOf(third), 'pending')
  first()
  first()
  const leave = await third
  const fourth = enter('fourth')
  assert.equal(await stateOf(fourth), 'pending', 'giving a place back twice makes no second one')
  leave()
  await fourth
  other()
  assert.deepEqual(order, ['first', 'third', 'fourth'])
})

test('a window gives back all that it took, pieces that overlap included', () => {
  const budget = new WindowBudget(1_000)
  const window = new PassingWindow(budget)
  assert.ok(window.put(0, new Uint8Array(400)))
  assert.ok(window.put(200, new Uint8Array(400)))
  assert.ok(!window.put(600, new Uint8Array(400)))
  window.dropOldest()
  assert.equal(budget.used, 400)
  assert.ok(window.put(600, new Uint8Array(400)))
  window.clear()
  assert.deepEqual([budget.used, window.isEmpty], [0, true])
})

onBoth('a wait for more than can pass at once is refused with the error of the store', async (open) => {
  await using store = await open({ maxBytes: 2 * CHUNK })
  await using filler = new Filler(store, { ...options, windowBytes: CHUNK })
  const source = film(10)
  using reader = await filler.open(key, source)
  await assert.rejects(reader.bytes(), { code: 'ERR_CISTERN_QUOTA_EXCEEDED' })
  let position = 0
  for await (const chunk of reader.chunks()) {
    same(chunk, source.script.bytes, position)
    position += chunk.length
  }
  assert.equal(position, source.script.bytes.length, 'piece by piece it gets through')
})

onBoth('whatever a source throws is told to who waits, and to nobody else', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const thrown = [new TypeError('a bug'), 'a string', undefined, Object.create(null)]
  for (const [n, what] of thrown.entries()) {
    const source: Source = { open: () => Promise.reject(what) }
    using reader = await filler.open(ResourceKey.of('film', String(n)), source)
    await assert.rejects(reader.bytes(), (error) => error instanceof Error && (error === what || error.cause === what))
  }
})

onBoth('a source with ranges that names no total is read to its end, and its length found', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = film(2.5)
  const { bytes } = source.script
  // As a server that answers `bytes 0-65535/*`, and behind the end what the total is.
  source.answer = (asked) => {
    const isBehind = asked.start >= bytes.length
    return { ...source.usual(asked), total: isBehind ? bytes.length : undefined }
  }
  using reader = await filler.open(key, source, { lookahead: 0 })
  same(await reader.bytes({ start: 0, end: 10 }), bytes)
  assert.equal(await reader.waitLength(), bytes.length)
  same(await reader.bytes(), bytes)
})
