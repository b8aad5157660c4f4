import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { Bytes, ReadOptions, ResourceReader } from '../types.js'
import { assertBytes, filled, gate, isPending, patterned, rejectsWith } from './bytes.js'
import { type ResourceSuite, Rig } from './rig.js'

const ways = {
  chunks: (reader: ResourceReader, options?: ReadOptions): AsyncIterable<Uint8Array> => reader.chunks(options),
  toReadable: (reader: ResourceReader, options?: ReadOptions): AsyncIterable<Uint8Array> => reader.toReadable(options),
  toWeb: (reader: ResourceReader, options?: ReadOptions): AsyncIterable<Uint8Array> =>
    reader.toWeb(options) as ReadableStream<Bytes> & AsyncIterable<Uint8Array>,
}

/** Whole ranges out, whole sources in. */
export function testStreams({ test, factory }: ResourceSuite): void {
  for (const [way, open] of Object.entries(ways)) {
    test(`[core 13] ${way} delivers exactly the bytes while a slow writer goes on`, async () => {
      await using rig = await Rig.open(factory)
      const writer = rig.writer()
      const received = collect(open(rig.reader(), { start: 3, end: 900, chunkSize: 64 }))
      const whole = collect(open(rig.reader()))
      for (let at = 0; at < 1000; at += 100) {
        await writer.writeAt(at, patterned(100, at))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await writer.commit()
      const { chunks, bytes } = await received
      assertBytes(bytes, patterned(897, 3))
      assert.ok(chunks.every((chunk) => chunk.length <= 64))
      assertBytes((await whole).bytes, patterned(1000))
    })

    test(`[core 13] ${way}: early return, abort and failure close what it holds`, async () => {
      await using rig = await Rig.open(factory)
      using reader = rig.reader()
      const writer = rig.writer()
      await writer.writeAt(0, patterned(100))
      for await (const chunk of open(reader, { chunkSize: 10 })) {
        assertBytes(chunk, patterned(10))
        break
      }
      await turns()
      assert.equal(rig.resource.readers, 1, 'after an early return')

      const controller = new AbortController()
      const reason = new Error('enough')
      const aborted = assert.rejects(collect(open(reader, { signal: controller.signal })), reason)
      await new Promise((resolve) => setImmediate(resolve))
      controller.abort(reason)
      await aborted
      await turns()
      assert.equal(rig.resource.readers, 1, 'after an abort')
      await assert.rejects(collect(open(reader, { signal: controller.signal })), reason)
      await turns()
      assert.equal(rig.resource.readers, 1, 'after an abort before')

      const error = new Error('origin gone')
      const failed = assert.rejects(collect(open(reader)), error)
      await new Promise((resolve) => setImmediate(resolve))
      await writer.fail(error)
      await failed
      await turns()
      assert.equal(rig.resource.readers, 1, 'after a failure')
    })

    test(`[core 11] ${way} outlives the reader it came from`, async () => {
      await using rig = await Rig.open(factory)
      const writer = rig.writer()
      const reader = rig.reader()
      const stream = open(reader, { chunkSize: 16 })
      reader.close()
      const received = collect(stream)
      await writer.writeAt(0, patterned(100))
      await writer.commit()
      assertBytes((await received).bytes, patterned(100))
      assert.equal(rig.resource.handles, 0)
    })

    test(`[core 13] ${way} is pulled: what nobody takes is not read`, async () => {
      await using rig = await Rig.open(factory)
      const writer = rig.writer()
      await writer.writeAt(0, patterned(1000))
      await writer.commit()
      let reads = 0
      rig.driver.beforeRead = () => {
        reads++
      }
      const iterator = open(rig.reader(), { chunkSize: 10 })[Symbol.asyncIterator]()
      await iterator.next()
      await turns()
      assert.ok(reads <= 3, `${reads} chunks were read for one that was taken`)
      await iterator.return?.()
    })
  }

  test('[core 13] a stream that is thrown away before it began closes what it holds', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await (reader.chunks() as AsyncIterableIterator<Bytes>).return?.()
    const readable = reader.toReadable()
    readable.destroy()
    await once(readable, 'close')
    await reader.toWeb().cancel()
    assert.equal(rig.resource.handles, 1)
  })

  test('[core 13] refused options leave nothing open', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    for (const open of Object.values(ways)) {
      for (const chunkSize of [0, -1, 1.5, Number.NaN]) {
        assert.throws(() => open(reader, { chunkSize }), { code: 'ERR_CISTERN_INVALID_OPTION' })
      }
      assert.throws(() => open(reader, { start: 2, end: 1 }), { code: 'ERR_CISTERN_INVALID_RANGE' })
    }
    assert.equal(rig.resource.handles, 1)
  })

  test('[core 13] bytes waits for its range, clamps at the end of the file, and gives memory of its own', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    const middle = reader.bytes({ start: 10, end: 20 })
    const whole = reader.bytes()
    const clamped = reader.bytes({ start: 90, end: 1000 })
    const past = reader.bytes({ start: 500, end: 600 })
    const tail = reader.bytes({ start: 200 })
    await writer.writeAt(0, patterned(50))
    assertBytes(await middle, patterned(10, 10))
    assert.equal((await middle).buffer.byteLength, 10)
    assert.ok(await isPending(whole))
    await writer.writeAt(50, patterned(50, 50))
    await writer.commit()
    assertBytes(await whole, patterned(100))
    assertBytes(await clamped, patterned(10, 90))
    assert.equal((await past).length, 0)
    assert.equal((await tail).length, 0)
  })

  test('[core 4] bytes of a resource that is discarded while it waits are those of the new one, whole', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    const writer = rig.writer()
    await writer.declare({ length: 10 })
    const bytes = reader.bytes()
    const chunks = collect(reader.chunks())
    await writer.discard()
    await writer.declare({ length: 20 })
    await writer.writeAt(0, patterned(20))
    assertBytes(await bytes, patterned(20))
    assertBytes((await chunks).bytes, patterned(20))
  })

  test('[core 14] writeFrom takes arrays, generators, Node and web streams, and null', async () => {
    const parts = [patterned(10), patterned(0), patterned(20, 10)]
    const sources = [
      () => parts,
      () => parts.values(),
      async function* () {
        yield* parts
      },
      () => Readable.from(parts),
      () => Readable.toWeb(Readable.from(parts)) as ReadableStream<Uint8Array>,
    ]
    for (const source of sources) {
      await using rig = await Rig.open(factory)
      using reader = rig.reader()
      const writer = rig.writer()
      const made = source()
      const iterable = typeof made === 'function' ? (made as () => AsyncIterable<Uint8Array>)() : made
      assert.equal(await writer.writeFrom(iterable), 30)
      assert.equal(await writer.writeFrom(null), 0)
      assert.equal(await writer.writeFrom([patterned(5, 30)], { at: 30 }), 5)
      assert.equal(await writer.commit(), 35)
      assertBytes(await reader.bytes(), patterned(35))
    }
  })

  test('[core 14] writeFrom keeps at most about 1 MiB in flight', async () => {
    await using rig = await Rig.open(factory)
    const writer = rig.writer()
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    let taken = 0
    async function* source() {
      for (; taken < 64; taken++) yield patterned(64 * 1024, taken * 64 * 1024)
    }
    const writing = writer.writeFrom(source())
    assert.ok(await isPending(writing))
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(taken >= 15 && taken <= 17, `${taken} chunks of 64 KiB were taken`)
    held.open()
    assert.equal(await writing, 64 * 64 * 1024)
    await writer.commit()
  })

  test('[core 14] writeFrom keeps at most 1,024 pieces in flight, however small: others have their turn', async () => {
    await using rig = await Rig.open(factory)
    const writer = rig.writer()
    const held = gate()
    rig.driver.beforeWrite = () => held.opened
    let taken = 0
    function* source() {
      for (; taken < 5000; taken++) yield patterned(1, taken)
    }
    const writing = writer.writeFrom(source())
    assert.ok(await isPending(writing))
    assert.ok(taken <= 1024, `${taken} were taken`)
    held.open()
    assert.equal(await writing, 5000)
    using reader = rig.reader()
    await writer.commit()
    assertBytes(await reader.bytes(), patterned(5000))
  })

  test('[core 14] a failing source: its error is reported, and what came before is there', async () => {
    await using rig = await Rig.open(factory)
    const writer = rig.writer()
    const error = new Error('reset')
    async function* source() {
      yield patterned(10)
      throw error
    }
    await assert.rejects(writer.writeFrom(source()), error)
    assert.equal(writer.coverage.size, 10)
    function* synchronous() {
      yield patterned(10)
      throw error
    }
    await assert.rejects(writer.writeFrom(synchronous()), error)
    await rejectsWith(writer.writeFrom(['text'] as unknown as Uint8Array[]), 'ERR_CISTERN_INVALID_OPTION')
    await rejectsWith(writer.writeFrom(7 as unknown as Uint8Array[]), 'ERR_CISTERN_INVALID_OPTION')
    await writer.release()
  })

  test('[core 14] a failing disk ends the source, whatever it is; the first failure is reported', async () => {
    const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    for (const kind of ['generator', 'node', 'web'] as const) {
      await using rig = await Rig.open(factory)
      const writer = rig.writer()
      let failures = 0
      rig.driver.beforeWrite = () => {
        failures++
        throw full
      }
      let ended = false
      async function* endless() {
        try {
          for (;;) yield filled(1000, 1)
        } finally {
          ended = true
        }
      }
      const readable = Readable.from(endless())
      const source = kind === 'generator' ? endless() : kind === 'node' ? readable : webOf(endless())
      const error = await rejectsWith(writer.writeFrom(source), 'ERR_CISTERN_NO_SPACE')
      assert.equal(error.cause, full)
      assert.ok(failures > 0)
      // A Node stream tells its own source a turn later.
      for (let turn = 0; turn < 5 && !ended; turn++) await new Promise((resolve) => setImmediate(resolve))
      assert.ok(ended, kind)
      readable.destroy()
      await writer.release()
    }
  })

  test('[core 14] an aborted writeFrom rejects with the reason, also while the source is silent, and ends it', async () => {
    const reason = new Error('left')
    for (const kind of ['generator', 'node', 'web'] as const) {
      await using rig = await Rig.open(factory)
      const writer = rig.writer()
      const controller = new AbortController()
      const silent = gate()
      let ended = false
      async function* source() {
        try {
          yield patterned(10)
          await silent.opened
        } finally {
          ended = true
        }
      }
      const readable = new Readable({ read() {} })
      readable.push(patterned(10))
      const from = kind === 'generator' ? source() : kind === 'node' ? readable : webOf(source())
      const writing = assert.rejects(writer.writeFrom(from, { signal: controller.signal }), reason)
      await turns()
      controller.abort(reason)
      await writing
      assert.equal(writer.coverage.size, 10)
      if (kind === 'node') assert.ok(readable.destroyed)
      silent.open()
      await turns()
      if (kind !== 'node') assert.ok(ended, kind)
      readable.destroy()
      await assert.rejects(writer.writeFrom([patterned(1)], { signal: controller.signal }), reason)
      await assert.rejects(writer.writeFrom(null, { signal: controller.signal }), reason)
      await writer.release()
    }
  })
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<{ chunks: Uint8Array[]; bytes: Uint8Array }> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return { chunks, bytes: Buffer.concat(chunks) }
}

function webOf(source: AsyncGenerator<Uint8Array, void, undefined>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await source.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await source.return()
    },
  })
}

/** A few turns of the event loop. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}
