// A thousand readers of one resource: what they want is one want, and what they are told comes in bounded turns.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourceReader } from '@cistern/assets'
import { Filler, type SourceResponse } from '@cistern/fill'
import { PassingWindow, WindowBudget } from '#fill/passing-window.js'
import { type Want, WantIndex } from '#fill/want-index.js'
import { onBoth } from '../assets/facade/stores.js'
import { deferred, eventLoopTurn, stateOf } from '../helpers/deferred.js'
import { TurnCounter } from '../helpers/turn-counter.js'
import { CHUNK, film, key, options, same, transient } from './film.js'

const MANY = 1_000
/** Those who are woken where the bytes land, and those whose turn is later in the same turn of the event loop. */
const MOST_PER_TURN = 64

test('what a thousand want is one want, as old as the first of them that still has it', () => {
  const wants = new WantIndex()
  const want = (start: number): Want => ({ start, end: start + 10, rank: 0 })
  const readers = Array.from({ length: MANY }, (_, arrival) => ({ arrival, want: want(0) }))
  for (const { want, arrival } of readers) wants.add(want, { arrival })
  assert.deepEqual(
    [...wants].map(({ want, arrival }) => [want.start, arrival]),
    [[0, 0]],
  )
  for (const { want } of readers.slice(0, 400)) wants.delete(want)
  assert.deepEqual(
    [...wants].map(({ arrival }) => arrival),
    [400],
  )
  for (const { want } of readers) wants.delete(want)
  assert.deepEqual([...wants], [])
})

test('wants that differ in anything are kept apart, and who has the same twice has it until both are over', () => {
  const wants = new WantIndex()
  const by = { arrival: 1 }
  const base = { start: 0, end: 10, rank: 0 }
  const kinds: Want[] = [
    base,
    { ...base, end: 11 },
    { ...base, rank: 1 },
    { ...base, limit: 10 },
    { ...base, isAhead: true },
    { ...base, isForLength: true },
  ]
  const again = { ...base }
  for (const want of [...kinds, again]) wants.add(want, by)
  assert.equal([...wants].length, kinds.length)
  wants.delete(base)
  wants.delete({ ...base })
  assert.equal([...wants].length, kinds.length, 'the other one still waits')
  wants.delete(again)
  assert.equal([...wants].length, kinds.length - 1)
})

/** All opened, and all waiting for the first byte. */
async function waiting(filler: Filler, source: ReturnType<typeof film>) {
  const readers = await Promise.all(Array.from({ length: MANY }, () => filler.open(key, source)))
  return { readers, waits: readers.map((reader) => reader.waitRange(0, 1)) }
}

function closeAll(readers: readonly ResourceReader[]): void {
  for (const reader of readers) reader.close()
}

onBoth(
  'a thousand who wait for the same bytes of a source are told in turns, and nobody else waits for it',
  async (open) => {
    await using store = await open()
    await using filler = new Filler(store, options)
    const source = film(2)
    const gate = deferred()
    source.beforePiece = () => gate.promise
    const { readers, waits } = await waiting(filler, source)
    using counter = new TurnCounter()
    const counted = waits.map((wait) => wait.then(counter.count))
    gate.resolve()
    await Promise.all(counted)
    assert.ok(counter.most <= MOST_PER_TURN, `${counter.most} in one turn`)
    for (const reader of readers.slice(0, 20)) same(await reader.bytes(), source.script.bytes)
    assert.equal(source.given, source.script.bytes.length)
    closeAll(readers)
  },
)

onBoth('a source that fails tells a thousand in turns, and at once those who leave meanwhile', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, { ...options, retries: 0 })
  const source = film(2)
  const answer = deferred<SourceResponse>()
  source.answer = () => answer.promise
  const { readers, waits } = await waiting(filler, source)
  await source.request(1)
  const leaving = new AbortController()
  const [closing, aborting] = [await filler.open(key, source), await filler.open(key, source)]
  const closed = assert.rejects(closing.waitRange(0, 1), { code: 'ERR_CISTERN_READER_CLOSED' })
  const aborted = assert.rejects(aborting.waitRange(0, 1, { signal: leaving.signal }), /seek/)
  using counter = new TurnCounter()
  const counted = waits.map((wait) => assert.rejects(wait, { code: 'ERR_CISTERN_SOURCE' }).then(counter.count))
  filler.once('fail', () => {
    closing.close()
    leaving.abort(new Error('seek'))
  })
  answer.reject(transient())
  await Promise.all([closed, aborted])
  assert.ok(counter.total < MANY, 'the others have their turn to come')
  await Promise.all(counted)
  assert.ok(counter.most <= MOST_PER_TURN, `${counter.most} in one turn`)
  closeAll([...readers, closing, aborting])
})

onBoth('what a full store refuses reaches a thousand readers in turns, each byte of it right', async (open) => {
  await using store = await open({ maxBytes: CHUNK })
  await using filler = new Filler(store, { ...options, windowBytes: 2 * CHUNK })
  const source = film(4)
  const { readers, waits } = await waiting(filler, source)
  await Promise.all(waits)
  using counter = new TurnCounter()
  await Promise.all(
    readers.map(async (reader) => {
      const target = new Uint8Array(CHUNK)
      for (let at = 0; at < source.script.bytes.length; ) {
        const isThere = reader.coverage.has(at, at + 1)
        await reader.waitRange(at, at + 1)
        if (!isThere) counter.count()
        const got = await reader.readAt(at, target)
        same(target.subarray(0, got), source.script.bytes, at)
        at += got
      }
    }),
  )
  assert.ok(counter.total >= MANY, `${counter.total} waits`)
  assert.ok(counter.most <= MOST_PER_TURN, `${counter.most} in one turn`)
  closeAll(readers)
})

test('who waits at the window is asked for each piece, told once in a turn that has room, and forgotten when he leaves', async () => {
  const window = new PassingWindow(new WindowBudget(1_000))
  using counter = new TurnCounter()
  const waits = Array.from({ length: MANY }, () => deferred())
  const isMet = (): boolean => window.coverage.has(0, 10)
  const look = (n: number) => (): void => {
    counter.count()
    waits[n]?.resolve()
  }
  const forgets = waits.map((_, n) => window.wait({ isMet, look: look(n) }))
  window.put(20, new Uint8Array(10))
  await eventLoopTurn()
  assert.equal(counter.total, 0, 'that is not what they wait for')
  window.put(0, new Uint8Array(10))
  forgets.at(-1)?.()
  await Promise.all(waits.slice(0, -1).map(({ promise }) => promise))
  await eventLoopTurn()
  assert.equal(counter.total, MANY - 1)
  assert.ok(counter.most <= MOST_PER_TURN, `${counter.most} in one turn`)
  assert.equal(await stateOf(waits.at(-1)?.promise as Promise<void>), 'pending')
})
