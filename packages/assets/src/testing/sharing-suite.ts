import assert from 'node:assert/strict'
import { CisternError } from '@cistern/storage'
import { ResourceKey } from '../key.js'
import { assertBytes, gate, isPending, patterned, rangesOf, rejectsWith } from './bytes.js'
import { begin, fill, leave, type Suite } from './suite.js'

const KEY = ResourceKey.of('film', 'film.mp4')
const CALLERS = 20

/** Many callers, one resource: one of them fills. */
export function testSharing(suite: Suite): void {
  suite.test('[core 18] of concurrent acquires one gets the writer, and all read the same bytes', async () => {
    await using place = await suite.open()
    const { store } = place
    const all = await Promise.all(Array.from({ length: CALLERS }, () => store.acquire(KEY)))
    const [writer, ...others] = all.flatMap((got) => (got.writer ? [got.writer] : []))
    assert.ok(writer)
    assert.deepEqual(others, [])
    assert.equal(new Set(all.map(({ reader }) => reader.generation)).size, 1)
    assert.equal(store.stats().resources, 1)
    assert.equal(store.stat(KEY)?.readers, CALLERS)
    const reads = Promise.all(all.map(({ reader }) => reader.bytes()))
    await writer.writeAt(0, patterned(5000))
    await writer.commit()
    for (const bytes of await reads) assertBytes(bytes, patterned(5000))
    await Promise.all(all.map((got) => got[Symbol.asyncDispose]()))
    assert.equal(store.stat(KEY)?.readers, 0)
    const { readers, writers } = store.stats()
    assert.deepEqual({ readers, writers }, { readers: 0, writers: 0 })
  })

  suite.test('[core 18] when the writer is released, the next acquire gets it over the same bytes', async () => {
    await using place = await suite.open()
    const { store } = place
    const first = await begin(store, KEY)
    const joined = await store.acquire(KEY)
    assert.equal(joined.writer, undefined)
    await first.writer.writeAt(0, patterned(100))
    await first.writer.release()
    const [one, two] = await Promise.all([store.acquire(KEY), store.acquire(KEY)])
    assert.equal([one.writer, two.writer].filter(Boolean).length, 1)
    const { writer } = one.writer ? one : two
    assert.equal(one.reader.generation, first.reader.generation)
    assert.deepEqual(rangesOf(writer?.coverage ?? []), [[0, 100]])
    for (const got of [first, joined, one, two]) await got[Symbol.asyncDispose]()
  })

  suite.test('[core 18] openOrFill calls one fill for all who ask, and none once it is committed', async () => {
    await using place = await suite.open()
    const { store } = place
    let calls = 0
    const ask = (): ReturnType<typeof store.openOrFill> =>
      store.openOrFill(KEY, async (writer) => {
        calls++
        await writer.writeAt(0, patterned(3000))
      })
    const readers = await Promise.all(Array.from({ length: CALLERS }, ask))
    for (const reader of readers) {
      assertBytes(await reader.bytes(), patterned(3000))
      reader.close()
    }
    assert.equal(calls, 1)
    using again = await ask()
    assertBytes(await again.bytes(), patterned(3000))
    assert.equal(calls, 1)
  })

  suite.test('[core 18] openOrFill returns before anything was filled, and its reader reads what arrives', async () => {
    await using place = await suite.open()
    const going = gate()
    using reader = await place.store.openOrFill(KEY, async (writer) => {
      await writer.writeAt(0, patterned(100))
      await going.opened
      await writer.writeAt(100, patterned(100, 0, 100))
    })
    assertBytes(await reader.bytes({ end: 100 }), patterned(100))
    const rest = reader.bytes({ start: 100 })
    assert.ok(await isPending(rest))
    going.open()
    assertBytes(await rest, patterned(100, 0, 100))
    assert.equal(await reader.waitCommit(), 200)
  })

  suite.test('[core 18] openOrFill fills nothing where a declared length is covered: it commits', async () => {
    await using place = await suite.open()
    const { store } = place
    {
      await using got = await begin(store, KEY, { length: 100 })
      await got.writer.writeAt(0, patterned(100))
    }
    using reader = await store.openOrFill(KEY, () => assert.fail('there is nothing to fill'))
    assert.equal(await reader.waitCommit(), 100)
    assertBytes(await store.get(KEY), patterned(100))
  })

  suite.test(
    '[core 18] a fill that rejects releases: who waits hears why, and the next goes on from there',
    async () => {
      await using place = await suite.open()
      const { store } = place
      const cause = new Error('connection reset')
      using reader = await store.openOrFill(KEY, async (writer) => {
        await writer.writeAt(0, patterned(100))
        throw cause
      })
      const error = await rejectsWith(reader.waitCommit(), 'ERR_CISTERN_ABANDONED')
      assert.equal(error.cause, cause)
      assert.equal(store.stat(KEY)?.writing, false)
      using next = await store.openOrFill(KEY, async (writer) => {
        assert.deepEqual(rangesOf(writer.coverage), [[0, 100]])
        await writer.writeAt(100, patterned(100, 0, 100))
      })
      assertBytes(await next.bytes(), patterned(200))
    },
  )

  suite.test('[core 18] a fill that settles the writer itself is left alone', async () => {
    await using place = await suite.open()
    const { store } = place
    const broken = new Error('not a film')
    using failed = await store.openOrFill(KEY, (writer) => writer.fail(broken))
    await assert.rejects(failed.waitCommit(), broken)
    using reader = await store.openOrFill(KEY, async (writer) => {
      await writer.writeAt(0, patterned(100))
      await writer.commit(100)
    })
    assert.equal(await reader.waitCommit(), 100)
  })

  suite.test("[core 18] a caller's signal ends the caller's wait, never the shared fill", async () => {
    await using place = await suite.open()
    const { store } = place
    const going = gate()
    const leaving = new AbortController()
    let heard = false
    using impatient = await store.openOrFill(
      KEY,
      async (writer, signal) => {
        await going.opened
        heard = signal.aborted
        await writer.writeAt(0, patterned(100))
      },
      { signal: leaving.signal },
    )
    using patient = await store.openOrFill(KEY, () => assert.fail('it is being filled'))
    const [ended, bytes] = [impatient.bytes({ signal: leaving.signal }), patient.bytes()]
    leaving.abort(new Error('left'))
    await assert.rejects(ended, /left/)
    impatient.close()
    going.open()
    assertBytes(await bytes, patterned(100))
    assert.equal(heard, false)
  })

  suite.test('[core 18] a fill runs to its end though everybody left', async () => {
    await using place = await suite.open()
    const { store } = place
    const [going, committed] = [gate(), gate()]
    store.once('commit', () => committed.open())
    const reader = await store.openOrFill(KEY, async (writer) => {
      await going.opened
      await writer.writeAt(0, patterned(100))
    })
    reader.close()
    going.open()
    await committed.opened
    assertBytes(await store.get(KEY), patterned(100))
  })

  suite.test(
    '[core 18] the signal of a fill aborts when the resource is removed, and when the store closes',
    async () => {
      await using place = await suite.open()
      const { store } = place
      const untilAborted = (signal: AbortSignal): Promise<never> =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        })
      using removed = await store.openOrFill(KEY, (_, signal) => untilAborted(signal))
      const heardOfRemoval = rejectsWith(removed.waitCommit(), 'ERR_CISTERN_REMOVED')
      await store.remove(KEY)
      await heardOfRemoval
      const reasons: unknown[] = []
      using closed = await store.openOrFill(KEY, async (_, signal) => {
        await untilAborted(signal).catch((reason: unknown) => reasons.push(reason))
      })
      const heardOfClosing = rejectsWith(closed.waitCommit(), 'ERR_CISTERN_STORE_CLOSED')
      await store.close()
      await heardOfClosing
      assert.ok(CisternError.is(reasons[0], 'ERR_CISTERN_STORE_CLOSED'))
    },
  )

  suite.test('closed under its readers and writers, all their calls reject with StoreClosedError', async () => {
    await using place = await suite.open()
    const { store } = place
    await using got = await begin(store, KEY)
    const done = ResourceKey.of('film', 'poster.jpg')
    await fill(store, done, patterned(100))
    using reader = await store.open(done)
    const wait = rejectsWith(got.reader.waitRange(0, 10), 'ERR_CISTERN_STORE_CLOSED')
    await Promise.all([store.close(), store.close()])
    await wait
    await rejectsWith(got.writer.writeAt(0, patterned(1)), 'ERR_CISTERN_STORE_CLOSED')
    await rejectsWith(reader.bytes(), 'ERR_CISTERN_STORE_CLOSED')
    await rejectsWith(store.open(done), 'ERR_CISTERN_STORE_CLOSED')
    await rejectsWith(store.put(done, 'x'), 'ERR_CISTERN_STORE_CLOSED')
    assert.equal(store.stats().state, 'closed')
  })

  if (suite.capabilities.survivesReopening) {
    suite.test('[core 18] what nobody finished is finished by the next process', async () => {
      await using place = await suite.open()
      await leave(place.store, KEY, patterned(1000))
      const store = await place.reopen()
      using reader = await store.openOrFill(KEY, async (writer) => {
        for (const { start, end } of [...writer.coverage.gaps(0, 3000)]) {
          assert.deepEqual([start, end], [1000, 3000])
          await writer.writeAt(start, patterned(end - start, 0, start))
        }
      })
      assertBytes(await reader.bytes(), patterned(3000))
    })
  }
}
