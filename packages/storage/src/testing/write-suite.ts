import assert from 'node:assert/strict'
import { NoSpaceError, type RangeNotAvailableError, StorageIoError } from '../errors.js'
import type { ResourceReader } from '../types.js'
import { assertBytes, filled, gate, isPending, patterned, rangesOf, readAll, rejectsWith } from './bytes.js'
import { type ResourceSuite, Rig } from './rig.js'

/** What is where after writes in any order, and what a hole is. */
export function testWrites({ test, factory }: ResourceSuite): void {
  test('[core 7] writes that overlap, come out of order, backward and again: bytes and gaps are exact after each', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const model = new Int16Array(300).fill(-1)
    const steps = [
      [100, 20],
      [140, 20],
      [120, 20],
      [90, 15],
      [0, 10],
      [50, 1],
      [49, 3],
      [5, 60],
      [5, 60],
      [110, 10],
      [290, 10],
      [0, 300],
    ] as const
    for (const [i, [position, length]] of steps.entries()) {
      await writer.writeAt(position, filled(length, i))
      model.fill(i, position, position + length)
      await assertModel(reader, model)
    }
  })

  test('[core 7] concurrent writes that overlap: the later call wins', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const model = new Int16Array(4000).fill(-1)
    const writes: Promise<void>[] = []
    for (let i = 0; i < 200; i++) {
      const position = (i * 1237) % 3700
      const length = 1 + ((i * 31) % 300)
      writes.push(writer.writeAt(position, filled(length, i)))
      model.fill(i, position, position + length)
    }
    await Promise.all(writes)
    await assertModel(reader, model)
  })

  test('[core 7] what is written in one turn leaves together, sorted, and at most 1 MiB at once', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const held = gate()
    const seen: number[][] = []
    rig.driver.beforeWrite = (position, bytes) => {
      seen.push([position, bytes])
      return held.opened
    }
    const size = 64 * 1024
    const pieces = Array.from({ length: 24 }, (_, i) => 23 - i)
    const writes = pieces.map((i) => writer.writeAt(i * size, patterned(size, i * size)))
    held.open()
    await Promise.all(writes)
    assert.deepEqual(seen, [
      [0, 16 * size],
      [16 * size, 8 * size],
    ])
    assertBytes(await readAll(reader, 0, 24 * size), patterned(24 * size))
  })

  test('[core 7] one piece larger than 1 MiB arrives whole, its beginning first', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const bytes = patterned(5 * 512 * 1024 + 7)
    const beginning = reader.waitRange(0, 1)
    const written = writer.writeAt(0, bytes)
    await beginning
    await written
    assertBytes(await reader.bytes({ end: bytes.length }), bytes)
  })

  test('[core 7] positions that are none are refused before any I/O', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    for (const position of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1' as unknown as number]) {
      await rejectsWith(writer.writeAt(position, filled(1, 1)), 'ERR_CISTERN_INVALID_RANGE')
      await rejectsWith(writer.writeFrom([filled(1, 1)], { at: position }), 'ERR_CISTERN_INVALID_RANGE')
      await rejectsWith(reader.readAt(position, filled(1, 1)), 'ERR_CISTERN_INVALID_RANGE')
      await rejectsWith(reader.bytes({ start: position }), 'ERR_CISTERN_INVALID_RANGE')
      await rejectsWith(writer.commit(position), 'ERR_CISTERN_INVALID_RANGE')
      assert.throws(() => reader.chunks({ start: position }), { code: 'ERR_CISTERN_INVALID_RANGE' })
    }
    await rejectsWith(writer.writeAt(Number.MAX_SAFE_INTEGER, filled(1, 1)), 'ERR_CISTERN_INVALID_RANGE')
    await rejectsWith(writer.writeAt(0, 'text' as unknown as Uint8Array), 'ERR_CISTERN_INVALID_OPTION')
    await rejectsWith(reader.readAt(0, [] as unknown as Uint8Array), 'ERR_CISTERN_INVALID_OPTION')
    assert.equal(rig.driver.writes, 0)
    assert.equal(rig.resource.coverage.size, 0)
  })

  test('[core 8] a read of a hole rejects and names what comes next; over covered-then-hole it gives the covered prefix', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const empty = (await rejectsWith(reader.readAt(0, filled(1, 0)), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')) as unknown
    assert.equal((empty as RangeNotAvailableError).nextCovered, undefined)
    await writer.writeAt(0, patterned(10))
    await writer.writeAt(100, patterned(10, 100))
    const hole = (await rejectsWith(reader.readAt(10, filled(1, 0)), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')) as unknown
    assert.equal((hole as RangeNotAvailableError).position, 10)
    assert.deepEqual((hole as RangeNotAvailableError).nextCovered, { start: 100, end: 110 })
    await rejectsWith(reader.readAt(110, filled(1, 0)), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')
    const target = filled(20, 0xee)
    assert.equal(await reader.readAt(4, target), 6)
    assertBytes(target.subarray(0, 6), patterned(6, 4))
    assertBytes(target.subarray(6), filled(14, 0xee), 'what is behind the prefix')
    assert.equal(await reader.readAt(0, filled(0, 0)), 0)
  })

  test('[core 8] readAtSync keeps the same promises, where there is one', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(0, patterned(10))
    if (rig.driver.readSync === undefined) {
      assert.throws(() => reader.readAtSync(0, filled(1, 0)), { code: 'ERR_CISTERN_NOT_SUPPORTED' })
      return
    }
    const target = filled(20, 0xee)
    assert.equal(reader.readAtSync(4, target), 6)
    assertBytes(target.subarray(0, 6), patterned(6, 4))
    assert.throws(() => reader.readAtSync(10, target), { code: 'ERR_CISTERN_RANGE_NOT_AVAILABLE' })
    assert.throws(() => reader.readAtSync(-1, target), { code: 'ERR_CISTERN_INVALID_RANGE' })
    await writer.declare({ length: 10 })
    assert.equal(reader.readAtSync(10, target), 0)
  })

  test('[core 10] growth far past the first write', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const far = 4 * 2 ** 30
    await writer.writeAt(0, patterned(10))
    if (factory.maxBytes !== undefined) {
      await rejectsWith(writer.writeAt(far, filled(1, 1)), 'ERR_CISTERN_NO_SPACE')
      await rejectsWith(writer.writeAt(factory.maxBytes - 1, filled(2, 1)), 'ERR_CISTERN_NO_SPACE')
      assert.deepEqual(rangesOf(writer.coverage), [[0, 10]])
      await writer.writeAt(factory.maxBytes - 1, filled(1, 1))
      return
    }
    await writer.writeAt(far, patterned(10, far))
    assertBytes(await readAll(reader, far, 10), patterned(10, far))
    assertBytes(await readAll(reader, 0, 10), patterned(10))
    assert.deepEqual([...reader.coverage.gaps(0, far + 10)], [{ start: 10, end: far }])
  })

  test('[core 14] a failing disk fails those writes alone; the range does not count, and the writer stays usable', async () => {
    const lost: number[][] = []
    await using rig = await Rig.open(factory, { lost: (start, end) => lost.push([start, end]) })
    using reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(0, patterned(30))
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    rig.driver.beforeWrite = () => {
      throw full
    }
    const error = await rejectsWith(writer.writeAt(30, filled(10, 1)), 'ERR_CISTERN_NO_SPACE')
    const wait = reader.waitRange(30, 40)
    assert.equal(error.cause, full)
    assert.deepEqual(lost, [], 'nothing was covered there')
    rig.driver.beforeWrite = () => {
      throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
    }
    // Over covered bytes: nobody knows what is there now.
    const torn = await rejectsWith(writer.writeAt(10, filled(10, 1)), 'ERR_CISTERN_STORAGE_IO')
    assert.ok(StorageIoError.is(torn) && !NoSpaceError.is(torn))
    assert.deepEqual(lost, [[10, 20]])
    assert.deepEqual(rangesOf(reader.coverage), [
      [0, 10],
      [20, 30],
    ])
    rig.driver.beforeWrite = undefined
    assert.ok(await isPending(wait))
    await writer.writeAt(10, patterned(30, 10))
    assert.equal(await wait, 'ready')
    assertBytes(await readAll(reader, 0, 40), patterned(40))
  })

  test('a failing read is StorageIoError, and that range does not count as covered any more', async () => {
    const lost: number[][] = []
    await using rig = await Rig.open(factory, { lost: (start, end) => lost.push([start, end]) })
    using reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(0, patterned(30))
    const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
    rig.driver.beforeRead = () => {
      throw cause
    }
    const error = await rejectsWith(reader.readAt(10, filled(10, 0)), 'ERR_CISTERN_STORAGE_IO')
    assert.equal(error.cause, cause)
    rig.driver.beforeRead = undefined
    assert.deepEqual(lost, [[10, 20]])
    await rejectsWith(reader.readAt(10, filled(10, 0)), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')
    assertBytes(await readAll(reader, 0, 10), patterned(10))
  })

  test('a read that the storage cannot meet any more is StorageIoError, and what is missing does not count', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(0, patterned(30))
    await rig.driver.inner.truncate(20)
    await rejectsWith(reader.readAt(10, filled(20, 0)), 'ERR_CISTERN_STORAGE_IO')
    assert.deepEqual(rangesOf(reader.coverage), [[0, 20]])
    assertBytes(await readAll(reader, 10, 10), patterned(10, 10))
  })

  test('[core 15] a read or write queued, then its handle closed, while new storage opens at once: never other bytes', async () => {
    for (let round = 0; round < 10_000; round += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => reuseRound(round + i)))
    }
  })

  /** One resource goes away with a read and a write under way; another takes its place, and its descriptor's number. */
  async function reuseRound(round: number): Promise<void> {
    const mine = 1 + (round % 250)
    const other = 255 - mine
    await using old = await Rig.open(factory)
    const writer = old.writer()
    const reader = old.reader()
    await writer.writeAt(0, filled(32, mine))
    const target = filled(32, 0)
    const reading = reader.readAt(0, target).then(
      () => assertBytes(target, filled(32, mine), `round ${round}`),
      () => {},
    )
    const writing = writer.writeAt(32, filled(32, mine)).catch(() => {})
    reader.close()
    const closing = old[Symbol.asyncDispose]()
    await using fresh = await Rig.open(factory)
    const freshWriter = fresh.writer()
    await freshWriter.writeAt(0, filled(64, other))
    await Promise.all([reading, writing, closing])
    using freshReader = fresh.reader()
    assertBytes(await readAll(freshReader, 0, 64), filled(64, other), `round ${round}, the new one`)
  }
}

async function assertModel(reader: ResourceReader, model: Int16Array): Promise<void> {
  const covered = Array.from(model, (byte) => byte >= 0)
  const runs: number[][] = []
  for (let at = 0; at < model.length; ) {
    let end = at
    while (end < model.length && covered[end] === covered[at]) end++
    if (covered[at]) {
      runs.push([at, end])
      assertBytes(await readAll(reader, at, end - at), Uint8Array.from(model.subarray(at, end)))
    } else await rejectsWith(reader.readAt(at, filled(1, 0)), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')
    at = end
  }
  assert.deepEqual(rangesOf(reader.coverage), runs)
}
