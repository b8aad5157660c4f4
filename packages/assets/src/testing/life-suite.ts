import assert from 'node:assert/strict'
import { ResourceKey } from '../key.js'
import { assertBytes, patterned, rangesOf, rejectsWith } from './bytes.js'
import { begin, fill, leave, read, type Suite } from './suite.js'

const KEY = ResourceKey.of('film', 'film.mp4')

/** One resource, as seen through the store: from its first acquire to its end. */
export function testLife(suite: Suite): void {
  const { survivesReopening } = suite.capabilities

  suite.test(
    '[core 1] what is acquired first is active, without a length, and is there for open and stat',
    async () => {
      await using place = await suite.open()
      const { store } = place
      assert.equal(store.stat(KEY), undefined)
      await rejectsWith(store.open(KEY), 'ERR_CISTERN_NOT_FOUND')
      await using got = await begin(store, KEY)
      assert.deepEqual(got.reader.status, { state: 'active', writing: true })
      assert.equal(got.reader.length, undefined)
      using other = await store.open(KEY)
      assert.equal(other.generation, got.reader.generation)
      const stat = store.stat(KEY)
      assert.deepEqual([stat?.state, stat?.writing, stat?.length, stat?.readers], ['active', true, undefined, 2])
    },
  )

  suite.test('[core 1] committed, it says so with its length, and its reader and stat agree', async () => {
    await using place = await suite.open()
    const { store } = place
    await using got = await begin(store, KEY)
    await got.writer.writeAt(0, patterned(1000))
    assert.equal(await got.writer.commit(), 1000)
    assert.deepEqual(got.reader.status, { state: 'committed', length: 1000 })
    const stat = store.stat(KEY)
    assert.deepEqual([stat?.state, stat?.length, stat?.storedBytes], ['committed', 1000, 1000])
    assert.ok(stat?.committedAt instanceof Date)
    assertBytes(await store.get(KEY), patterned(1000))
  })

  if (survivesReopening) {
    suite.test('[core 1] reopened, what was committed is committed with its length and its bytes', async () => {
      await using place = await suite.open()
      await fill(place.store, KEY, patterned(300_000))
      const { generation, committedAt } = place.store.stat(KEY) ?? {}
      const store = await place.reopen()
      assert.equal(store.recovery.resources, 1)
      const stat = store.stat(KEY)
      assert.deepEqual(
        [stat?.state, stat?.length, stat?.generation, stat?.committedAt],
        ['committed', 300_000, generation, committedAt],
      )
      assertBytes(await read(store, KEY), patterned(300_000))
      using reader = await store.open(KEY) // once it is open, what is open is asked
      assert.deepEqual(store.stat(KEY)?.committedAt, committedAt)
      assert.equal(reader.generation, generation)
    })

    suite.test('[core 1] reopened, what was left half done is there for the next writer', async () => {
      await using place = await suite.open()
      await leave(place.store, KEY, patterned(1000))
      const before = place.store.stat(KEY)
      const store = await place.reopen()
      assert.deepEqual(rangesOf(store.stat(KEY)?.coverage ?? []), [[0, 1000]])
      assert.equal(store.stat(KEY)?.generation, before?.generation)
      await using got = await begin(store, KEY)
      assert.deepEqual(rangesOf(got.writer.coverage), [[0, 1000]])
      await got.writer.writeAt(1000, patterned(500, 0, 1000))
      assert.equal(await got.writer.commit(), 1500)
      assertBytes(await got.reader.bytes(), patterned(1500))
    })
  }

  suite.test('[core 4] a length given to acquire is declared: known at once, and kept to', async () => {
    await using place = await suite.open()
    await using got = await begin(place.store, KEY, { length: 10 })
    assert.equal(await got.reader.waitLength(), 10)
    assert.equal(place.store.stat(KEY)?.length, 10)
    await rejectsWith(got.writer.writeAt(8, patterned(3)), 'ERR_CISTERN_INVALID_RANGE')
    await got.writer.writeAt(0, patterned(8))
    await rejectsWith(got.writer.commit(), 'ERR_CISTERN_INCOMPLETE')
    await got.writer.writeAt(8, patterned(2, 0, 8))
    assert.equal(await got.writer.commit(), 10)
  })

  suite.test('[core 4] another validator discards: who read gets ResourceRemovedError, the others go on', async () => {
    await using place = await suite.open()
    const { store } = place
    await using got = await begin(store, KEY)
    await got.writer.declare({ validator: '"v1"' })
    await got.writer.writeAt(0, patterned(100, 1))
    using touched = await store.open(KEY)
    await touched.readAt(0, new Uint8Array(1))
    using untouched = await store.open(KEY)
    const [removed, goesOn] = [touched.waitRange(0, 200), untouched.waitRange(0, 200)]
    removed.catch(() => undefined)
    await got.writer.declare({ validator: '"v2"' })
    assert.equal(got.writer.validator, '"v2"')
    assert.equal(got.writer.coverage.size, 0)
    assert.equal(store.stat(KEY)?.coverage.size, 0)
    await rejectsWith(removed, 'ERR_CISTERN_REMOVED')
    await got.writer.writeAt(0, patterned(200, 2))
    assert.equal(await goesOn, 'ready')
    assertBytes(await untouched.bytes({ end: 200 }), patterned(200, 2))
    await got.writer.commit()
    assertBytes(await store.get(KEY), patterned(200, 2))
  })

  suite.test('[core 4] the validator stays with the bytes for the next writer; the same one keeps them', async () => {
    await using place = await suite.open()
    {
      await using got = await begin(place.store, KEY)
      await got.writer.declare({ length: '200', validator: '"v1"' })
      await got.writer.writeAt(0, patterned(100))
    }
    const store = survivesReopening ? await place.reopen() : place.store
    await using got = await begin(store, KEY)
    assert.equal(got.writer.validator, '"v1"')
    assert.equal(got.reader.length, 200)
    await got.writer.declare({ length: '200', validator: '"v1"' })
    assert.equal(got.writer.coverage.size, 100)
    await got.writer.declare({ length: '300', validator: '"v2"' })
    assert.equal(got.writer.coverage.size, 0)
  })

  suite.test('[core 4] bytes without a validator are discarded by one', async () => {
    await using place = await suite.open()
    await leave(place.store, KEY, patterned(100))
    await using got = await begin(place.store, KEY)
    await got.writer.declare({ validator: '"v1"' })
    assert.equal(got.writer.coverage.size, 0)
  })

  suite.test('[core 5] fail wakes all who wait with its cause, and the next acquire starts anew', async () => {
    await using place = await suite.open()
    const { store } = place
    await using got = await begin(store, KEY)
    using other = await store.open(KEY)
    await got.writer.writeAt(0, patterned(10))
    const waits = [got.reader.waitRange(0, 100), other.waitCommit(), other.waitLength()]
    const cause = new Error('the origin is gone')
    const told = Promise.all(waits.map((wait) => assert.rejects(wait, cause)))
    await got.writer.fail(cause)
    await told
    await assert.rejects(other.readAt(0, new Uint8Array(1)), cause)
    assert.equal(store.stat(KEY), undefined)
    await rejectsWith(store.open(KEY), 'ERR_CISTERN_NOT_FOUND')
    await using next = await begin(store, KEY)
    assert.notEqual(next.reader.generation, got.reader.generation)
    assert.equal(next.writer.coverage.size, 0)
  })

  suite.test(
    '[core 5] release keeps the bytes; waits reject at once, those who like to wait are met later',
    async () => {
      await using place = await suite.open()
      const { store } = place
      const got = await begin(store, KEY)
      using patient = await store.open(KEY)
      await got.writer.writeAt(0, patterned(100))
      const patiently = patient.waitRange(0, 200, { whenAbandoned: 'wait' })
      const impatiently = rejectsWith(got.reader.waitRange(0, 200), 'ERR_CISTERN_ABANDONED')
      const cause = new Error('offline')
      await got.writer.release(cause)
      assert.equal((await impatiently).cause, cause)
      await rejectsWith(patient.waitRange(0, 200), 'ERR_CISTERN_ABANDONED')
      assert.equal(await patient.waitRange(0, 100), 'ready')
      await using next = await begin(store, KEY)
      assert.equal(next.reader.generation, patient.generation)
      await next.writer.writeAt(100, patterned(100, 0, 100))
      assert.equal(await patiently, 'ready')
      assertBytes(await patient.bytes({ end: 200 }), patterned(200))
      got.reader.close()
    },
  )

  suite.test('[core 9] nothing at all can be committed, and is there again', async () => {
    await using place = await suite.open()
    {
      await using got = await begin(place.store, KEY)
      assert.equal(await got.writer.commit(0), 0)
    }
    for (const again of survivesReopening ? [false, true] : [false]) {
      const store = again ? await place.reopen() : place.store
      assert.equal(store.stat(KEY)?.length, 0)
      using reader = await store.open(KEY)
      assert.deepEqual(reader.status, { state: 'committed', length: 0 })
      assert.equal(await reader.readAt(0, new Uint8Array(1)), 0)
      assert.equal((await reader.bytes()).length, 0)
    }
  })

  suite.test(
    '[core 9] a commit with a gap names it and the writer goes on; settled, it is closed for good',
    async () => {
      await using place = await suite.open()
      const got = await begin(place.store, KEY)
      await got.writer.writeAt(10, patterned(10, 0, 10))
      const gap = await rejectsWith(got.writer.commit(20), 'ERR_CISTERN_INCOMPLETE')
      assert.deepEqual((gap as unknown as { gaps: unknown }).gaps, [{ start: 0, end: 10 }])
      await got.writer.writeAt(0, patterned(10))
      assert.equal(await got.writer.commit(), 20)
      await rejectsWith(got.writer.commit(), 'ERR_CISTERN_WRITER_CLOSED')
      await rejectsWith(got.writer.writeAt(0, patterned(1)), 'ERR_CISTERN_WRITER_CLOSED')
      await got.writer.release()
      await got.writer.fail(new Error('too late'))
      got.reader.close()
      got.reader.close()
      await got[Symbol.asyncDispose]()
      assertBytes(await place.store.get(KEY), patterned(20))
    },
  )
}
