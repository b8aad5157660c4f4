import assert from 'node:assert/strict'
import { filled, isPending, patterned, rejectsWith } from './bytes.js'
import { type ResourceSuite, Rig } from './rig.js'

/** Who is woken, when, and in what order. */
export function testWaits({ test, factory }: ResourceSuite): void {
  test('[core 2] a wait blocks until the write that completes it, also over partial cover', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const wait = reader.waitRange(10, 40)
    assert.ok(await isPending(wait))
    await writer.writeAt(0, filled(20, 1))
    assert.ok(await isPending(wait))
    await writer.writeAt(30, filled(20, 1))
    assert.ok(await isPending(wait))
    await writer.writeAt(20, filled(10, 1))
    assert.equal(await wait, 'ready')
    assert.equal(await reader.waitRange(0, 50), 'ready')
  })

  test('[core 2] an empty range is ready, a reversed one refused', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    assert.equal(await reader.waitRange(0, 0), 'ready')
    assert.equal(await reader.waitRange(7, 7), 'ready')
    for (const [start, end] of [
      [2, 1],
      [-1, 1],
      [0, 0.5],
      [0, 2 ** 53],
      [Number.NaN, 1],
    ] as const) {
      await rejectsWith(reader.waitRange(start, end), 'ERR_CISTERN_INVALID_RANGE')
    }
  })

  test('[core 3] at or past a known end a wait is eof; one clamped by the length is ready, and its read short', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    const past = reader.waitRange(100, 110)
    const clamped = reader.waitRange(5, 1000)
    await writer.writeAt(0, patterned(5))
    await writer.declare({ length: 10 })
    assert.equal(await past, 'eof')
    assert.equal(await reader.waitRange(10, 11), 'eof')
    assert.equal(await reader.waitRange(10, 10), 'ready')
    assert.ok(await isPending(clamped))
    await writer.writeAt(5, patterned(5, 5))
    assert.equal(await clamped, 'ready')
    assert.equal(await reader.readAt(5, filled(100, 0)), 5)
    assert.equal(await reader.readAt(10, filled(100, 0)), 0)
    await writer.commit()
    assert.equal(await reader.waitRange(9, 12), 'ready')
    assert.equal(await reader.waitRange(12, 13), 'eof')
  })

  test('[core 6] aborting one wait leaves the others and the resource untouched', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const one = new AbortController()
    const shared = new AbortController()
    const others = [
      reader.waitRange(0, 10),
      reader.waitRange(0, 10, { signal: shared.signal }),
      reader.waitRange(5, 20, { signal: shared.signal }),
    ]
    const aborted = [
      reader.waitRange(0, 10, { signal: one.signal }),
      reader.waitRange(2, 5, { signal: one.signal }),
      reader.waitLength({ signal: one.signal }),
      reader.waitCommit({ signal: one.signal }),
    ]
    const reason = new Error('seek')
    const told = Promise.all(aborted.map((wait) => assert.rejects(wait, reason)))
    one.abort(reason)
    await told
    for (const other of others) assert.ok(await isPending(other))
    await assert.rejects(reader.waitRange(0, 10, { signal: one.signal }), reason)
    await writer.writeAt(0, filled(20, 1))
    assert.deepEqual(await Promise.all(others), ['ready', 'ready', 'ready'])
  })

  test('[core 12] 10,000 waiters are woken in the order of the bytes, each once', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const count = 10_000
    const woken: number[] = []
    // Asked for in an order of no kind, so that the order of waking cannot be that of asking.
    const waits = Array.from({ length: count }, (_, i) => (i * 7919) % count).map(async (end) => {
      assert.equal(await reader.waitRange(end % 3 === 0 ? end : 0, end + 1), 'ready')
      woken.push(end)
    })
    for (let at = 0; at < count; at += 1000) await writer.writeAt(at, filled(1000, 1))
    await Promise.all(waits)
    assert.equal(woken.length, count)
    assert.ok(woken.every((end, i) => end === i))
  })

  test('[core 12] many waits given up leave nothing behind, and the rest are woken', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const controller = new AbortController()
    const { signal } = controller
    const given: Promise<unknown>[] = []
    const kept: Promise<unknown>[] = []
    for (let i = 0; i < 1000; i++) {
      const position = (i * 37) % 500
      if (i % 10 === 0) kept.push(reader.waitRange(position, position + 10))
      else given.push(assert.rejects(reader.waitRange(position, position + 10, { signal })))
    }
    controller.abort()
    await Promise.all(given)
    await writer.writeAt(0, filled(600, 1))
    assert.ok((await Promise.all(kept)).every((outcome) => outcome === 'ready'))
  })
}
