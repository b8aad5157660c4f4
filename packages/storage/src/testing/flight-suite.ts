import assert from 'node:assert/strict'
import { wrapWriter } from '../forwarding.js'
import type { ResourceReader, ResourceWriter } from '../types.js'
import { assertBytes, filled, type Gate, gate, isPending, patterned, rangesOf, rejectsWith } from './bytes.js'
import { type ResourceSuite, Rig } from './rig.js'

/** Reading what is being written, from the memory that its writer has lent. */
export function testFlights({ test, factory }: ResourceSuite): void {
  /** [0, 30) has landed, [30, 60) is being written; what settles that is `held`. */
  async function withFlight(
    body: (flight: {
      rig: Rig
      reader: ResourceReader
      writer: ResourceWriter
      write: Promise<void>
      held: Gate
    }) => Promise<void>,
  ): Promise<void> {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(0, patterned(30))
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    try {
      const wait = reader.waitRange(0, 60)
      const write = Promise.all([writer.writeAt(30, patterned(20, 30)), writer.writeAt(50, patterned(10, 50))]).then(
        () => undefined,
      )
      write.catch(() => undefined)
      assert.equal(await wait, 'ready')
      await body({ rig, reader, writer, write, held })
    } finally {
      held.open()
    }
  }

  test('[core 2] what is being written can be read before its write has settled, and counts as covered for readers alone', () =>
    withFlight(async ({ rig, reader, writer, write, held }) => {
      assert.deepEqual(rangesOf(reader.coverage), [[0, 60]])
      assert.deepEqual(rangesOf(writer.coverage), [[0, 30]])
      const target = filled(15, 0)
      assert.equal(await reader.readAt(40, target), 15, 'out of both pieces')
      assertBytes(target, patterned(15, 40))
      assert.ok(await isPending(write))
      await rejectsWith(reader.readAt(60, target), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')
      held.open()
      await write
      assert.deepEqual(rangesOf(writer.coverage), [[0, 60]])
      assertBytes(await reader.bytes({ end: 60 }), patterned(60))
      assert.equal(rig.resource.coverage.size, 60)
    }))

  test('a read over what has landed and what is being written gives both', () =>
    withFlight(async ({ rig, reader, write }) => {
      const target = filled(100, 0)
      assert.equal(await reader.readAt(20, target), 40)
      assertBytes(target.subarray(0, 40), patterned(40, 20))
      if (rig.driver.readSync !== undefined) {
        target.fill(0)
        assert.equal(reader.readAtSync(20, target), 40)
        assertBytes(target.subarray(0, 40), patterned(40, 20))
        assert.equal(reader.readAtSync(55, target), 5)
        assertBytes(target.subarray(0, 5), patterned(5, 55))
      }
      assert.ok(await isPending(write))
    }))

  test('a read that goes on behind what is being written waits for the landing', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(40, patterned(20, 40))
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    const write = writer.writeAt(10, patterned(30, 10))
    await reader.waitRange(10, 60)
    const target = filled(50, 0)
    const read = reader.readAt(10, target)
    assert.ok(await isPending(read))
    held.open()
    await write
    assert.equal(await read, 50)
    assertBytes(target, patterned(50, 10))
  })

  test('[core 14] a write that fails takes back what it let be read: it is waited for anew', () =>
    withFlight(async ({ rig, reader, writer, write, held }) => {
      using streaming = reader.clone()
      const chunks = streaming.chunks({ start: 35, end: 70, chunkSize: 25 })[Symbol.asyncIterator]()
      assertBytes((await chunks.next()).value ?? filled(0, 0), patterned(25, 35))
      rig.driver.beforeWrite = () => {
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      }
      held.fail(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
      await rejectsWith(write, 'ERR_CISTERN_NO_SPACE')
      assert.deepEqual(rangesOf(reader.coverage), [[0, 30]])
      await rejectsWith(reader.readAt(30, filled(1, 0)), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')
      const wait = reader.waitRange(30, 31)
      const next = chunks.next()
      assert.ok(await isPending(wait))
      rig.driver.beforeWrite = undefined
      await writer.writeAt(30, patterned(40, 30))
      assert.equal(await wait, 'ready')
      assertBytes((await next).value ?? filled(0, 0), patterned(10, 60))
      await chunks.return?.()
    }))

  test('removed while it is being written: only what has landed before can still be read', () =>
    withFlight(async ({ rig, reader, write, held }) => {
      rig.resource.remove()
      held.open()
      await rejectsWith(write, 'ERR_CISTERN_REMOVED')
      assert.deepEqual(rangesOf(reader.coverage), [[0, 30]])
      assertBytes(await reader.bytes({ end: 30 }), patterned(30))
      await rejectsWith(reader.waitRange(30, 31), 'ERR_CISTERN_REMOVED')
    }))

  test('dropped while it is being written: once it has landed it is there', () =>
    withFlight(async ({ rig, reader, write, held }) => {
      rig.resource.drop(20, 40)
      assert.deepEqual(rangesOf(reader.coverage), [
        [0, 20],
        [40, 60],
      ])
      const wait = reader.waitRange(30, 40)
      assert.ok(await isPending(wait))
      held.open()
      await write
      assert.equal(await wait, 'ready')
      assert.deepEqual(rangesOf(reader.coverage), [
        [0, 20],
        [30, 60],
      ])
    }))

  test('dropped while it is being written, and failed: a wait that goes on behind it is not met without it', () =>
    withFlight(async ({ rig, reader, writer, write, held }) => {
      const wait = reader.waitRange(0, 100)
      assert.ok(await isPending(wait))
      rig.resource.drop(30, 60)
      rig.driver.beforeWrite = undefined
      held.fail(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
      await rejectsWith(write, 'ERR_CISTERN_NO_SPACE')
      await writer.writeAt(60, patterned(40, 60))
      assert.ok(await isPending(wait))
      await writer.writeAt(30, patterned(30, 30))
      assert.equal(await wait, 'ready')
    }))

  test('lent bytes that were transferred away are not read as those behind them', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    const first = patterned(20)
    const write = Promise.all([writer.writeAt(0, first), writer.writeAt(20, patterned(20, 20))])
    await reader.waitRange(0, 40)
    structuredClone(first.buffer, { transfer: [first.buffer] })
    const target = filled(10, 0)
    assert.equal(await reader.readAt(25, target), 10)
    assertBytes(target, patterned(10, 25))
    const read = reader.readAt(5, target)
    read.catch(() => undefined)
    assert.ok(await isPending(read), 'what was lent has gone: only the storage can tell')
    held.open()
    await write.catch(() => undefined)
  })

  test('[core 14] a write that fails and is tried again at once ends no stream that waited for its landing', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = wrapWriter(rig.writer(), { onWriteError: async () => 'retry' })
    await writer.writeAt(60, patterned(40, 60))
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    const write = writer.writeAt(30, patterned(30, 30))
    await reader.waitRange(30, 100)
    const range = { start: 30, end: 100 }
    const all = [
      reader.chunks(range)[Symbol.asyncIterator]().next(),
      reader
        .chunks({ ...range, shared: true })
        [Symbol.asyncIterator]()
        .next(),
      reader.bytes(range).then((value) => ({ value })),
    ]
    assert.ok(await isPending(Promise.race(all)))
    rig.driver.beforeWrite = undefined
    held.fail(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
    await write
    for (const { value } of await Promise.all(all)) assertBytes(value ?? filled(0, 0), patterned(70, 30))
  })
}
