import assert from 'node:assert/strict'
import { ResourceAbandonedError, StoreClosedError } from '../errors.js'
import { assertBytes, filled, gate, isPending, patterned, rangesOf, readAll, rejectsWith } from './bytes.js'
import { type ResourceSuite, Rig } from './rig.js'

/** From fresh to committed, failed, discarded, removed. */
export function testLife({ test, factory }: ResourceSuite): void {
  test('[core 1] new is active without a length; reopened after a commit it is committed with its length', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    assert.deepEqual(reader.status, { state: 'active', writing: false })
    assert.equal(reader.length, undefined)
    const writer = rig.writer()
    assert.deepEqual(reader.status, { state: 'active', writing: true })
    await writer.writeAt(0, patterned(1000))
    assert.equal(await writer.commit(), 1000)
    assert.deepEqual(reader.status, { state: 'committed', length: 1000 })
    using again = (await rig.reopen({ committed: true })).openReader()
    assert.deepEqual(again.status, { state: 'committed', length: 1000 })
    assert.equal(again.length, 1000)
    assert.equal(await again.waitCommit(), 1000)
    assertBytes(await again.bytes(), patterned(1000))
  })

  for (const [length, means] of [
    [10, 10],
    ['10', 10],
    [' 10 ', 10],
    ['10, 10', 10],
    [null, undefined],
    ['', undefined],
    ['*', undefined],
    [undefined, undefined],
  ] as const) {
    test(`[core 4] declare takes the length ${JSON.stringify(length)} as it comes`, async () => {
      await using rig = await Rig.open(factory)
      using reader = rig.reader()
      await using writer = rig.writer()
      await writer.declare({ length, validator: '' })
      assert.equal(reader.length, means)
      assert.equal(writer.validator, undefined)
    })
  }

  test('[core 4] declare refuses what is no length, and another one than it said', async () => {
    await using rig = await Rig.open(factory)
    await using writer = rig.writer()
    for (const length of [-1, 1.5, Number.NaN, 2 ** 53, '-1', '1.5', 'ten', '10, 11', '9007199254740993']) {
      await rejectsWith(writer.declare({ length }), 'ERR_CISTERN_INVALID_RANGE')
    }
    await writer.writeAt(0, filled(10, 1))
    await rejectsWith(writer.declare({ length: 9 }), 'ERR_CISTERN_INVALID_RANGE')
    await writer.declare({ length: 20 })
    await rejectsWith(writer.declare({ length: 21 }), 'ERR_CISTERN_INVALID_RANGE')
    assert.equal(rig.resource.length, 20)
  })

  test('[core 4] a write past the declared length, a shorter and a longer commit are refused, and the writer goes on', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    await writer.declare({ length: 10 })
    await rejectsWith(writer.writeAt(8, filled(3, 1)), 'ERR_CISTERN_INVALID_RANGE')
    await rejectsWith(writer.writeAt(11, filled(0, 1)), 'ERR_CISTERN_INVALID_RANGE')
    await writer.writeAt(0, filled(8, 1))
    await rejectsWith(writer.commit(11), 'ERR_CISTERN_INVALID_RANGE')
    const short = await rejectsWith(writer.commit(8), 'ERR_CISTERN_INCOMPLETE')
    assert.deepEqual((short as unknown as { gaps: unknown }).gaps, [{ start: 8, end: 10 }])
    await rejectsWith(writer.commit(), 'ERR_CISTERN_INCOMPLETE')
    await writer.writeAt(8, filled(2, 1))
    assert.equal(await writer.commit(), 10)
    assert.equal(await reader.waitLength(), 10)
  })

  test('[core 4] waitLength resolves on declare, and on commit where nothing was declared', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    const declared = reader.waitLength()
    const committed = reader.waitCommit()
    assert.ok(await isPending(declared))
    await writer.declare({ length: 4 })
    assert.equal(await declared, 4)
    assert.ok(await isPending(committed))
    await writer.writeAt(0, filled(4, 1))
    await writer.commit()
    assert.equal(await committed, 4)

    await using other = await Rig.open(factory)
    using otherReader = other.reader()
    const otherWriter = other.writer()
    const length = otherReader.waitLength()
    await otherWriter.writeAt(0, filled(3, 1))
    await otherWriter.commit()
    assert.equal(await length, 3)
  })

  for (const [before, after] of [
    ['"a"', '"b"'],
    [undefined, '"b"'],
  ] as const) {
    test(`[core 4] validator "b" discards bytes under ${before ?? 'none'}: who read of them is told, the others go on`, async () => {
      await using rig = await Rig.open(factory)
      using touched = rig.reader()
      using untouched = rig.reader()
      const writer = rig.writer()
      if (before !== undefined) await writer.declare({ validator: before })
      await writer.writeAt(0, filled(10, 1))
      await readAll(touched, 0, 10)
      const { generation } = writer
      const waiting = untouched.waitRange(0, 20)
      const waitingTouched = touched.waitRange(0, 20)
      waitingTouched.catch(() => {})
      await writer.declare({ validator: after, length: 20 })

      assert.notEqual(writer.generation, generation)
      assert.equal(untouched.generation, writer.generation)
      assert.equal(writer.validator, after)
      assert.deepEqual(rangesOf(untouched.coverage), [])
      await rejectsWith(waitingTouched, 'ERR_CISTERN_REMOVED')
      await rejectsWith(touched.readAt(0, filled(1, 0)), 'ERR_CISTERN_REMOVED')
      await rejectsWith(touched.waitRange(0, 1), 'ERR_CISTERN_REMOVED')
      assert.ok(await isPending(waiting))
      await writer.writeAt(0, filled(20, 2))
      assert.equal(await waiting, 'ready')
      assertBytes(await readAll(untouched, 0, 20), filled(20, 2))
      assert.equal(await writer.commit(), 20)
    })
  }

  test('[core 4] the same validator keeps the bytes; a later one over no bytes replaces it', async () => {
    await using rig = await Rig.open(factory)
    const writer = rig.writer()
    await writer.declare({ validator: '"a"' })
    const { generation } = writer
    await writer.declare({ validator: '"b"' })
    await writer.writeAt(0, filled(10, 1))
    await writer.declare({ validator: '"b"', length: 10 })
    await writer.declare({ validator: null, length: null })
    assert.equal(writer.generation, generation)
    assert.equal(writer.validator, '"b"')
    await writer.release()
    const next = rig.writer()
    await next.declare({ validator: '"b"', length: '10' })
    assert.equal(next.generation, generation)
    assert.equal(await next.commit(), 10)
  })

  test('[core 4] a source without validator, or of another length, does not go on with what an earlier writer left', async () => {
    for (const source of [{ validator: null }, { validator: '"a"', length: 30 }, { length: 5 }]) {
      await using rig = await Rig.open(factory)
      const first = rig.writer()
      await first.declare({ validator: '"a"', length: 20 })
      await first.writeAt(0, filled(10, 1))
      await first.release()
      const second = rig.writer()
      const { generation } = second
      await second.declare(source)
      assert.notEqual(second.generation, generation, JSON.stringify(source))
      assert.equal(second.coverage.size, 0)
      await second.release()
    }
  })

  test('[core 4] discard begins anew; bytes that a stream took count as read by its reader', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    using clone = reader.clone()
    const writer = rig.writer()
    await writer.writeAt(0, filled(10, 1))
    for await (const chunk of reader.chunks({ end: 4 })) assertBytes(chunk, filled(4, 1))
    await writer.discard()
    await rejectsWith(reader.readAt(0, filled(1, 0)), 'ERR_CISTERN_REMOVED')
    assert.throws(() => reader.clone(), { code: 'ERR_CISTERN_REMOVED' })
    await writer.writeAt(0, filled(4, 2))
    assertBytes(await readAll(clone, 0, 4), filled(4, 2))
  })

  test('[core 5] fail wakes every waiter with its error, reads reject with it, and nobody can write', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    await writer.writeAt(0, filled(10, 1))
    const pending = [reader.waitRange(0, 20), reader.waitRange(30, 40), reader.waitLength(), reader.waitCommit()]
    const error = new Error('origin: 503')
    const told = Promise.all(pending.map((wait) => assert.rejects(wait, error)))
    await writer.fail(error)
    await told
    assert.deepEqual(reader.status, { state: 'failed', error })
    await assert.rejects(reader.readAt(0, filled(1, 0)), error)
    await assert.rejects(reader.waitRange(0, 1), error)
    await assert.rejects(reader.bytes({ end: 1 }), error)
    assert.throws(() => rig.writer(), { code: 'ERR_CISTERN_WRITER_CLOSED' })
    await rejectsWith(writer.writeAt(0, filled(1, 0)), 'ERR_CISTERN_WRITER_CLOSED')
  })

  test('[core 5] release wakes waiters with ResourceAbandonedError; the next writer goes on over the same bytes', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    await writer.writeAt(0, filled(10, 1))
    const wait = reader.waitRange(0, 20)
    const patient = reader.waitRange(0, 20, { whenAbandoned: 'wait' })
    const cause = new Error('connection reset')
    const told = rejectsWith(wait, 'ERR_CISTERN_ABANDONED')
    await writer.release(cause)
    assert.equal((await told).cause, cause)
    assert.deepEqual(reader.status, { state: 'active', writing: false })
    assert.ok(await isPending(patient))
    assert.equal((await rejectsWith(reader.waitRange(5, 11), 'ERR_CISTERN_ABANDONED')).cause, cause)
    assert.equal(await reader.waitRange(0, 10), 'ready')
    const next = rig.writer()
    assert.deepEqual(rangesOf(next.coverage), [[0, 10]])
    await next.writeAt(10, filled(10, 2))
    assert.equal(await patient, 'ready')
    assert.equal(await next.commit(), 20)
  })

  test('[core 5] with no writer ever, a wait rejects at once, or is met by the first one', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const { cause } = await rejectsWith(reader.waitRange(0, 1), 'ERR_CISTERN_ABANDONED')
    assert.equal(cause, undefined)
    await assert.rejects(reader.waitLength(), ResourceAbandonedError)
    await assert.rejects(reader.waitCommit(), ResourceAbandonedError)
    const patient = [
      reader.waitRange(0, 1, { whenAbandoned: 'wait' }),
      reader.waitLength({ whenAbandoned: 'wait' }),
      reader.waitCommit({ whenAbandoned: 'wait' }),
    ]
    const writer = rig.writer()
    await writer.writeAt(0, filled(1, 1))
    await writer.commit()
    assert.deepEqual(await Promise.all(patient), ['ready', 1, 1])
  })

  test('[core 5] release drains what is being written before anyone else may write', async () => {
    await using rig = await Rig.open(factory)
    const writer = rig.writer()
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    const written = writer.writeAt(0, filled(10, 1))
    const released = writer.release()
    assert.ok(await isPending(released))
    assert.throws(() => rig.writer(), { code: 'ERR_CISTERN_WRITER_CLOSED' })
    held.open()
    await Promise.all([written, released])
    await using next = rig.writer()
    assert.equal(next.coverage.size, 10)
  })

  test('[core 9] a zero-length commit, and what it gives when reopened', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    const wait = reader.waitRange(0, 1)
    assert.equal(await writer.commit(), 0)
    assert.equal(await wait, 'eof')
    using again = (await rig.reopen({ committed: true })).openReader()
    assert.deepEqual(again.status, { state: 'committed', length: 0 })
    assert.equal(await again.readAt(0, filled(1, 0)), 0)
    assert.equal((await again.bytes()).length, 0)
  })

  test('[core 9] a commit with a gap names the gaps, changes nothing, and the writer goes on', async () => {
    await using rig = await Rig.open(factory)
    const writer = rig.writer()
    await writer.writeAt(10, filled(10, 1))
    await writer.writeAt(30, filled(10, 1))
    const error = await rejectsWith(writer.commit(50), 'ERR_CISTERN_INCOMPLETE')
    assert.deepEqual((error as unknown as { gaps: unknown }).gaps, [
      { start: 0, end: 10 },
      { start: 20, end: 30 },
      { start: 40, end: 50 },
    ])
    await rejectsWith(writer.commit(), 'ERR_CISTERN_INCOMPLETE')
    assert.deepEqual(rig.resource.status, { state: 'active', writing: true })
    await writer.writeAt(0, filled(10, 1))
    await writer.writeAt(20, filled(10, 1))
    assert.equal(await writer.commit(), 40)
  })

  test('[core 9] a commit may be shorter than what was written, where nothing was declared', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    await writer.writeAt(0, patterned(100))
    const wait = reader.waitRange(60, 120)
    assert.equal(await writer.commit(60), 60)
    assert.equal(await wait, 'eof')
    assert.deepEqual(rangesOf(reader.coverage), [[0, 60]])
    assertBytes(await reader.bytes(), patterned(60))
    assert.equal(await reader.readAt(60, filled(1, 0)), 0)
  })

  test('[core 9] second commit and late write are refused; release and fail of a settled writer do nothing', async () => {
    for (const settle of ['commit', 'release', 'fail'] as const) {
      await using rig = await Rig.open(factory)
      using reader = rig.reader()
      const writer = rig.writer()
      await writer.writeAt(0, filled(4, 1))
      if (settle === 'fail') await writer.fail(new Error('no'))
      else await writer[settle]()
      const { status } = reader
      await rejectsWith(writer.commit(), 'ERR_CISTERN_WRITER_CLOSED')
      await rejectsWith(writer.writeAt(0, filled(1, 1)), 'ERR_CISTERN_WRITER_CLOSED')
      await rejectsWith(writer.writeFrom([filled(1, 1)]), 'ERR_CISTERN_WRITER_CLOSED')
      await rejectsWith(writer.declare({ length: 4 }), 'ERR_CISTERN_WRITER_CLOSED')
      await rejectsWith(writer.discard(), 'ERR_CISTERN_WRITER_CLOSED')
      assert.throws(() => writer.setMetadata({}), { code: 'ERR_CISTERN_WRITER_CLOSED' })
      await writer.release(new Error('late'))
      await writer.fail(new Error('late'))
      await writer[Symbol.asyncDispose]()
      assert.deepEqual(reader.status, status)
    }
  })

  test('[core 9] calls behind a commit wait for its verdict', async () => {
    await using rig = await Rig.open(factory)
    const writer = rig.writer()
    await writer.writeAt(1, filled(1, 1))
    const refused = rejectsWith(writer.commit(), 'ERR_CISTERN_INCOMPLETE')
    const repaired = writer.writeAt(0, filled(1, 1))
    const committed = writer.commit()
    const late = rejectsWith(writer.writeAt(2, filled(1, 1)), 'ERR_CISTERN_WRITER_CLOSED')
    await Promise.all([refused, repaired, late])
    assert.equal(await committed, 2)
  })

  test('[core 11] a reader opened before the commit reads on across it, and its clone outlives it', async () => {
    await using rig = await Rig.open(factory)
    const reader = rig.reader()
    const writer = rig.writer()
    await writer.writeAt(0, patterned(50))
    assertBytes(await readAll(reader, 0, 50), patterned(50))
    await writer.writeAt(50, patterned(50, 50))
    await writer.commit()
    assertBytes(await readAll(reader, 25, 75), patterned(75, 25))
    using clone = reader.clone()
    const { generation } = reader
    reader.close()
    reader.close()
    await rejectsWith(reader.readAt(0, filled(1, 0)), 'ERR_CISTERN_READER_CLOSED')
    await rejectsWith(reader.waitRange(0, 1), 'ERR_CISTERN_READER_CLOSED')
    assert.throws(() => reader.readAtSync(0, filled(1, 0)), { code: 'ERR_CISTERN_READER_CLOSED' })
    assert.throws(() => reader.clone(), { code: 'ERR_CISTERN_READER_CLOSED' })
    assert.equal(clone.generation, generation)
    assertBytes(await clone.bytes(), patterned(100))
  })

  test('calls pending on a closed reader reject with ReaderClosedError', async () => {
    await using rig = await Rig.open(factory)
    const reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(0, filled(10, 1))
    const held = gate()
    rig.driver.beforeRead = () => held.opened
    const pending = [
      reader.readAt(0, filled(10, 0)),
      reader.waitRange(0, 20),
      reader.waitLength(),
      reader.waitCommit(),
      reader.bytes({ end: 20 }),
    ]
    const told = Promise.all(pending.map((call) => rejectsWith(call, 'ERR_CISTERN_READER_CLOSED')))
    reader.close()
    held.open()
    await told
  })

  test('removed under its handles: what is covered stays readable, waits and the writer are told', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    await writer.writeAt(0, patterned(10))
    const wait = rejectsWith(reader.waitRange(0, 20), 'ERR_CISTERN_REMOVED')
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    const writing = rejectsWith(writer.writeAt(10, filled(10, 1)), 'ERR_CISTERN_REMOVED')
    rig.resource.remove()
    held.open()
    await Promise.all([wait, writing])
    await rejectsWith(writer.writeAt(0, filled(1, 1)), 'ERR_CISTERN_REMOVED')
    await rejectsWith(writer.commit(), 'ERR_CISTERN_REMOVED')
    await writer.release()
    assertBytes(await reader.bytes({ end: 10 }), patterned(10))
    using clone = reader.clone()
    assert.equal(await clone.waitRange(2, 8), 'ready')
    await rejectsWith(clone.waitRange(2, 11, { whenAbandoned: 'wait' }), 'ERR_CISTERN_REMOVED')
    await rejectsWith(clone.readAt(10, filled(1, 0)), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')
    assert.equal(rig.resource.removed, true)
  })

  test('shut down: every pending and later call rejects, and nothing counts as open', async () => {
    await using rig = await Rig.open(factory)
    const reader = rig.reader()
    const writer = rig.writer()
    await writer.writeAt(0, filled(10, 1))
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    const pending = [writer.writeAt(10, filled(1, 1)), reader.waitRange(0, 20)]
    const told = Promise.all(pending.map((call) => rejectsWith(call, 'ERR_CISTERN_STORE_CLOSED')))
    assert.ok(await isPending(told), 'the write is in flight')
    rig.resource.shutdown(new StoreClosedError('closed'))
    const drained = rig.resource.drained()
    assert.ok(await isPending(drained))
    held.open()
    await Promise.all([told, drained])
    assert.equal(rig.resource.handles, 0)
    await rejectsWith(reader.bytes({ end: 1 }), 'ERR_CISTERN_STORE_CLOSED')
    await rejectsWith(writer.writeAt(0, filled(1, 1)), 'ERR_CISTERN_STORE_CLOSED')
    assert.throws(() => rig.reader(), { code: 'ERR_CISTERN_STORE_CLOSED' })
    assert.throws(() => rig.writer(), { code: 'ERR_CISTERN_STORE_CLOSED' })
    reader.close()
    await writer.release()
  })
}
