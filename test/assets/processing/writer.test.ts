import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Processor } from '@cistern/assets'
import {
  CisternError,
  type Driver,
  IncompleteResourceError,
  InvalidRangeError,
  MemDriver,
  NoSpaceError,
  ProcessingError,
  ResourceRemovedError,
  WriterClosedError,
} from '@cistern/storage'
import { inPieces, randomBytes, randomInteger, randomNumbers, shuffled } from '../../helpers/bytes.js'
import { type Deferred, deferred, eventLoopTurn, stateOf } from '../../helpers/deferred.js'
import fc from '../../helpers/fast-check.js'
import { decrypted, decrypting, encrypted, PositionXor, staged } from './staged.js'

const KIB = 1024

for (const length of [0, 1, 15, 16, 17, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1]) {
  for (const size of [1, 7, 1000, 64 * KIB, 1024 * KIB]) {
    if (length / size > 20_000) continue
    test(`[core 38] ${length} bytes decrypted in writes of ${size} equal node:crypto in one go`, async () => {
      const plain = randomBytes(length + 1, length)
      const source = encrypted(plain)
      const { writer, reader } = await staged(decrypting())
      assert.equal(await writer.writeFrom(inPieces(source, size)), source.length)
      assert.equal(await writer.commit(), length)
      assert.deepEqual(Buffer.from(await reader.bytes()), decrypted(source))
    })
  }
}

test('[core 38] a source of no byte at all is what node:crypto says it is: not whole', async () => {
  const { writer, reader } = await staged(decrypting())
  await assert.rejects(writer.commit(0), ProcessingError)
  await assert.rejects(reader.waitRange(0, 1), ProcessingError)
})

test('[core 38] 5 MiB in shuffled order, several writes at once, equal node:crypto in one go', async () => {
  const random = randomNumbers(38)
  const plain = randomBytes(38, 5 * KIB * KIB)
  const source = encrypted(plain)
  const { writer, reader } = await staged(decrypting())
  const pieces = shuffled(random, cut(random, source, 200 * KIB))
  await Promise.all(pieces.map(({ at, bytes }) => writer.writeAt(at, bytes)))
  assert.equal(await writer.commit(), plain.length)
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(plain))
})

// In units of one byte, and of something that chunks of 64 KiB fall across.
for (const { unit, runs } of [
  { unit: 1, runs: 150 },
  { unit: 5003, runs: 40 },
]) {
  test(`[core 38] whatever is written over whatever, in units of ${unit}, the output is that of the last bytes`, async () => {
    const write = fc.record({
      at: fc.nat(60),
      length: fc.nat(30),
      seed: fc.nat(5),
      next: fc.constantFrom('go on', 'await', 'turn', 'commit short'),
    })
    const writes = fc.array(write, { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(writes, fc.boolean(), async (writes, isAsync) => {
        const processor = new PositionXor()
        processor.async = isAsync
        const { writer, reader } = await staged(processor)
        const model = randomBytes(99, 90 * unit)
        const pending: Promise<void>[] = []
        for (const { at, length, seed, next } of writes) {
          const bytes = randomBytes(seed, length * unit)
          model.set(bytes, at * unit)
          pending.push(writer.writeAt(at * unit, bytes))
          if (next === 'await') await pending.at(-1)
          if (next === 'turn') await eventLoopTurn()
          if (next === 'commit short') await assert.rejects(writer.commit(91 * unit), IncompleteResourceError)
        }
        await Promise.all(pending)
        for (const { start, end } of writer.coverage.gaps(0, model.length)) {
          await writer.writeAt(start, model.subarray(start, end))
        }
        assert.equal(await writer.commit(), model.length + 1)
        const isRight = Buffer.compare(await reader.bytes(), PositionXor.of(model)) === 0
        assert.ok(isRight, 'the output is of other bytes than the last written')
        assert.equal(processor.closed, processor.begun)
      }),
      { numRuns: runs },
    )
  })
}

test('a source fetched again from its start is neither written nor transformed twice', async () => {
  const source = randomBytes(1, 300 * KIB)
  const processor = new PositionXor()
  const { writer, reader, raw, again } = await staged(processor)
  await writer.writeFrom(inPieces(source, 10 * KIB))
  await writer.release()
  const written = raw.coverage.size
  const second = await again(processor)
  await second.writeFrom(inPieces(source, 30 * KIB))
  assert.equal(raw.coverage.size, written)
  assert.equal(await second.commit(), source.length + 1)
  assert.equal(processor.begun, 2) // once for each writer
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(PositionXor.of(source)))
})

test('another source written over the first from its start costs two runs, not one for each write', async () => {
  const processor = new PositionXor()
  const { writer, reader } = await staged(processor)
  await writer.writeFrom(inPieces(randomBytes(1, 2000 * KIB), 64 * KIB))
  const source = randomBytes(2, 2000 * KIB)
  for (const [index, piece] of [...inPieces(source, 64 * KIB)].entries()) await writer.writeAt(index * 64 * KIB, piece)
  await writer.commit()
  assert.equal(processor.begun, 2)
  assert.ok(processor.updates < 70, `${processor.updates} updates`)
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(PositionXor.of(source)))
})

test('small writes that land together are transformed together', async () => {
  const source = randomBytes(3, 64 * KIB)
  const processor = new PositionXor()
  const { writer } = await staged(processor)
  await Promise.all([...inPieces(source, 16)].map((piece, index) => writer.writeAt(index * 16, piece)))
  assert.ok(processor.updates < 20, `${processor.updates} updates for ${source.length / 16} writes`)
})

test('a write waits for the transform of its bytes, one behind a gap for nothing', async () => {
  const gate = deferred()
  const slow = processorOf(async (chunk) => {
    await gate.promise
    return chunk.slice()
  })
  const { writer } = await staged(slow)
  await writer.writeAt(10, randomBytes(1, 10))
  const first = writer.writeAt(0, randomBytes(2, 10))
  assert.equal(await stateOf(first), 'pending')
  gate.resolve()
  await first
  assert.equal(await writer.commit(), 20)
})

test('the event loop turns while much is transformed in memory', async () => {
  const slow = processorOf((chunk) => {
    const end = performance.now() + 3
    while (performance.now() < end);
    return chunk.slice()
  })
  const { writer } = await staged(slow)
  let turns = 0
  let isDone = false
  const count = (): void => {
    turns++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  await writer.writeAt(0, new Uint8Array(40 * 64 * KIB))
  isDone = true
  assert.ok(turns >= 5, `${turns} turns in 120 ms`)
})

test('a write that lands while what it overwrites is being transformed is not lost', async () => {
  const [disk, transform] = [deferred(), deferred()]
  let writes = 0
  class SlowDriver extends MemDriver {
    override async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
      if (++writes === 2) await disk.promise
      await super.write(position, parts)
    }
  }
  const slow = processorOf(async (chunk) => {
    const bytes = chunk.slice()
    await transform.promise
    return bytes
  })
  const { writer, reader } = await staged(slow, { rawDriver: new SlowDriver() })
  const written = [writer.writeAt(0, Buffer.from('first ')), writer.writeAt(0, Buffer.from('second'))]
  await eventLoopTurn()
  assert.equal(writer.coverage.size, 6)
  disk.resolve()
  await eventLoopTurn()
  transform.resolve()
  await Promise.all(written)
  await writer.commit()
  assert.equal(Buffer.from(await reader.bytes()).toString(), 'second')
})

test('a write that lands just as the pump comes to rest is transformed', async () => {
  // At rest is one microtask among many after the output is written: the second write lands in each of them in turn.
  for (let ticks = 0; ticks < 60; ticks++) {
    const stored = deferred()
    let writes = 0
    class RawDriver extends MemDriver {
      override async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
        await super.write(position, parts)
        if (++writes === 1) return
        await stored.promise
        for (let tick = 0; tick < ticks; tick++) await undefined
      }
    }
    class OutputDriver extends MemDriver {
      override async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
        await super.write(position, parts)
        stored.resolve()
      }
    }
    const { writer } = await staged(new PositionXor(), {
      rawDriver: new RawDriver(),
      outputDriver: new OutputDriver(),
    })
    const written = Promise.all([writer.writeAt(0, randomBytes(1, 10)), writer.writeAt(10, randomBytes(2, 10))])
    for (let turn = 0; turn < 5; turn++) await eventLoopTurn()
    assert.equal(await stateOf(written), 'fulfilled', `${ticks} microtasks after the output`)
  }
})

test('[core 39] bytes can be read as soon as what precedes them is there, before commit', async () => {
  const plain = randomBytes(5, 1000)
  const source = encrypted(plain)
  const { writer, reader } = await staged(decrypting())
  await writer.writeAt(500, source.subarray(500, 700))
  const waiting = reader.waitRange(0, 400)
  assert.equal(await stateOf(waiting), 'pending')
  await writer.writeAt(0, source.subarray(0, 500))
  assert.equal(await waiting, 'ready')
  // A decipher holds the last block back: it may be the padding.
  assert.deepEqual(await reader.bytes({ start: 100, end: 672 }), plain.slice(100, 672))
  assert.equal(reader.length, undefined)
  await writer.writeAt(700, source.subarray(700))
  await writer.commit()
  assert.equal(reader.length, 1000)
})

test('[core 40] what breaks in the processor fails waits, reads, the write and the commit, with the cause', async () => {
  const cause = new Error('broken')
  const failing = processorOf((chunk) => {
    if (chunk.includes(7)) throw cause
    return chunk.slice()
  })
  const { writer, reader } = await staged(failing)
  await writer.writeAt(0, new Uint8Array(100))
  assert.equal(await reader.waitRange(0, 100), 'ready')
  const waiting = reader.waitRange(0, 101)
  waiting.catch(() => {})
  const isFailure = (error: unknown): boolean =>
    CisternError.is(error, 'ERR_CISTERN_PROCESSING') && error.cause === cause && !error.message.includes('broken')
  await assert.rejects(writer.writeAt(100, new Uint8Array([7])), isFailure)
  await assert.rejects(waiting, isFailure)
  await assert.rejects(reader.bytes({ start: 0, end: 10 }), isFailure)
  await assert.rejects(writer.commit(), isFailure)
  await assert.rejects(writer.writeAt(101, new Uint8Array(1)), isFailure)
  assert.equal(failing.closed, 1)
})

test('[core 40] a source that is cut or padded wrongly fails at commit', async () => {
  const source = encrypted(randomBytes(6, 1000))
  const { writer, reader } = await staged(decrypting())
  await writer.writeAt(0, source.subarray(0, -1))
  await assert.rejects(writer.commit(), ProcessingError)
  await assert.rejects(reader.waitCommit(), ProcessingError)
  await writer.release()
})

for (const at of ['begin', 'update', 'final'] as const) {
  for (const how of ['throws', 'rejects', 'gives no bytes'] as const) {
    test(`[core 42] a transform whose ${at} ${how}: ProcessingError, closed once`, async () => {
      const fail = (): never => {
        if (how === 'throws') throw new Error(at)
        return (how === 'rejects' ? Promise.reject(new Error(at)) : at === 'begin' ? fail : 'text') as never
      }
      const processor = processorOf((chunk) => (at === 'update' ? fail() : chunk.slice()), {
        begin: at === 'begin' && how !== 'gives no bytes' ? fail : undefined,
        final: at === 'final' || at === 'begin' ? fail : undefined,
      })
      const { writer } = await staged(processor)
      const written = writer.writeAt(0, new Uint8Array(10)).then(() => writer.commit())
      await assert.rejects(written, ProcessingError)
      assert.equal(processor.closed, processor.begun)
    })
  }
}

test('a transform may answer with a view of the buffer under its chunk, longer than the chunk', async () => {
  const given: Uint8Array[] = []
  const processor: Processor = {
    identity: 'whole-buffer',
    begin: () => ({
      update: (chunk) => {
        const whole = new Uint8Array(chunk.buffer)
        given.push(whole.slice())
        return whole
      },
      final: () => new Uint8Array(),
    }),
  }
  const { writer, reader } = await staged(processor)
  await writer.writeAt(0, randomBytes(42, 700 * KIB))
  await writer.commit()
  assert.ok(
    given.some(({ length }) => length > 512 * KIB),
    'longer than what is written at once',
  )
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.concat(given))
})

test('[core 42] a transform is closed once, whether committed, released, failed, discarded, removed or closed', async () => {
  const endings: readonly ((all: Awaited<ReturnType<typeof staged>>) => unknown)[] = [
    ({ writer }) => writer.commit(),
    ({ writer }) => writer.release(),
    ({ writer }) => writer.fail(new Error('no')),
    ({ writer }) => writer.discard().then(() => writer.release()),
    ({ raw, output }) => {
      raw.remove()
      output.remove()
    },
    ({ raw, output, closing }) => {
      closing.abort(new Error('closed'))
      raw.shutdown(new Error('closed'))
      output.shutdown(new Error('closed'))
    },
  ]
  for (const end of endings) {
    let aborted = 0
    const processor = processorOf((chunk) => chunk.slice(), {
      begin: ({ signal }) => signal.addEventListener('abort', () => aborted++),
    })
    const all = await staged(processor)
    await all.writer.writeAt(0, new Uint8Array(10))
    await end(all)
    await all.writer.release()
    assert.equal(processor.begun, 1)
    assert.equal(processor.closed, 1, String(end))
    assert.equal(aborted, 1)
  }
})

test('[core 42] a transform that hangs holds up neither release nor removal, and is closed', async () => {
  for (const at of ['begin', 'update', 'final'] as const) {
    const hanging = processorOf((chunk) => (at === 'update' ? new Promise(() => {}) : chunk.slice()), {
      begin: at === 'begin' ? () => new Promise<never>(() => {}) : undefined,
      final: at === 'final' ? () => new Promise<never>(() => {}) : undefined,
    })
    const { writer, raw, output } = await staged(hanging)
    const written = writer.writeAt(0, new Uint8Array(10))
    const committed = writer.commit()
    await eventLoopTurn()
    // Bytes that are dropped before they came through were not taken in.
    const refused = at === 'final' ? written : assert.rejects(written, ResourceRemovedError)
    raw.remove()
    output.remove()
    await refused
    await assert.rejects(committed, ResourceRemovedError)
    assert.equal(hanging.closed, at === 'begin' ? 0 : 1)
  }
})

test('[core 42] a transform that begins too late is closed all the same', async () => {
  const gate = deferred()
  const late = processorOf((chunk) => chunk.slice(), { begin: () => gate.promise })
  const { writer } = await staged(late)
  const written = writer.writeAt(0, new Uint8Array(10))
  await eventLoopTurn()
  await writer.release()
  await written
  gate.resolve()
  await eventLoopTurn()
  assert.equal(late.closed, 1)
})

test('coverage, gaps and length are those of the source; a refused commit changes nothing', async () => {
  const source = encrypted(randomBytes(7, 100))
  const { writer, reader } = await staged(decrypting())
  await writer.declare({ length: String(source.length), validator: '"1"' })
  assert.equal(writer.validator, '"1"')
  assert.equal(writer.length, 112)
  assert.equal(reader.length, undefined) // padding: nobody knows before the end
  await writer.writeAt(0, source.subarray(0, 10))
  await writer.writeAt(50, source.subarray(50))
  await assert.rejects(writer.commit(), (error) => {
    assert.ok(error instanceof IncompleteResourceError)
    assert.deepEqual(error.gaps, [{ start: 10, end: 50 }])
    return true
  })
  await assert.rejects(writer.commit(200), InvalidRangeError)
  await assert.rejects(writer.commit(-1), InvalidRangeError)
  await assert.rejects(writer.writeAt(-1, source), InvalidRangeError)
  await assert.rejects(writer.writeAt(100, source), InvalidRangeError)
  assert.deepEqual(writer.coverage.toFlat(), [0, 10, 50, 112])
  await writer.writeAt(10, source.subarray(10, 50))
  assert.equal(await writer.commit(), 100)
  await assert.rejects(writer.commit(), WriterClosedError)
  await assert.rejects(writer.writeAt(0, source), WriterClosedError)
  await writer.release()
  await writer.fail(new Error('too late'))
  assert.equal((await reader.bytes()).length, 100)
})

test('a commit shorter than what was written cuts source and output', async () => {
  const processor = new PositionXor()
  const { writer, reader } = await staged(processor)
  const source = randomBytes(8, 1000)
  await writer.writeAt(0, source)
  assert.equal(await writer.commit(600), 601)
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(PositionXor.of(source.subarray(0, 600))))
})

test('another validator begins anew: what was transformed before reaches nobody', async () => {
  const processor = new PositionXor()
  const { writer, reader, output } = await staged(processor)
  const stale = output.openReader()
  await writer.declare({ length: 500, validator: 'one' })
  await writer.writeAt(0, randomBytes(9, 500))
  assert.equal((await stale.bytes({ start: 0, end: 1 })).length, 1)
  const before = writer.generation
  await writer.declare({ length: 400, validator: 'two' })
  assert.notEqual(writer.generation, before)
  assert.equal(writer.coverage.size, 0)
  const source = randomBytes(10, 400)
  await writer.writeAt(100, source.subarray(100))
  assert.equal(await stateOf(reader.waitRange(0, 1)), 'pending')
  await writer.writeAt(0, source.subarray(0, 100))
  await writer.commit()
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(PositionXor.of(source)))
  await assert.rejects(stale.bytes(), ResourceRemovedError)
  assert.equal(processor.begun, 2)
  assert.equal(processor.closed, 2)
})

test('a discard in the middle of a slow transform keeps its bytes out of the next generation', async () => {
  const gates = [deferred(), deferred()]
  let updates = 0
  const slow = processorOf(async (chunk) => {
    const bytes = chunk.slice()
    await gates[updates++]?.promise
    return bytes
  })
  const { writer, reader } = await staged(slow)
  const first = writer.writeAt(0, new Uint8Array(100).fill(1))
  await eventLoopTurn()
  await writer.discard()
  await first
  const second = writer.writeAt(0, new Uint8Array(50).fill(2))
  await eventLoopTurn()
  gates[0]?.resolve()
  await eventLoopTurn()
  assert.equal(reader.coverage.size, 0)
  gates[1]?.resolve()
  await second
  assert.equal(await writer.commit(), 50)
  assert.deepEqual(await reader.bytes(), new Uint8Array(50).fill(2))
})

test('what an earlier writer left is transformed without a further write', async () => {
  const processor = new PositionXor()
  const { writer, reader, again } = await staged(processor)
  const source = randomBytes(11, 200 * KIB)
  await writer.writeAt(100, source.subarray(100))
  await writer.release()
  await writer.writeAt(0, source).catch(() => {})
  const second = await again(processor)
  await second.writeAt(0, source.subarray(0, 100))
  await second.release()
  const third = await again(processor)
  assert.equal(await reader.waitRange(0, source.length), 'ready')
  assert.equal(await third.commit(), source.length + 1)
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(PositionXor.of(source)))
})

test('a processor that fails over what an earlier writer left fails the resource, and the writer says so', async () => {
  const failing = processorOf(() => {
    throw new Error('no')
  })
  const { writer, reader, again } = await staged(new PositionXor())
  await writer.writeAt(0, randomBytes(12, 10))
  await writer.release()
  const second = await again(failing)
  await assert.rejects(reader.waitCommit(), ProcessingError)
  await assert.rejects(second.writeAt(10, new Uint8Array(1)), ProcessingError)
  await assert.rejects(second.commit(), ProcessingError)
})

test('a full disk under the output leaves the writer usable, in the middle and at the end', async () => {
  const driver = new FullDriver()
  const processor = new PositionXor()
  const { writer, reader } = await staged(processor, { outputDriver: driver })
  const source = randomBytes(13, 300 * KIB)
  await writer.writeAt(0, source.subarray(0, 1000))
  driver.isFull = true
  await assert.rejects(writer.writeAt(1000, source.subarray(1000, 200 * KIB)), NoSpaceError)
  await assert.rejects(writer.writeAt(200 * KIB, source.subarray(200 * KIB)), NoSpaceError)
  driver.isFull = false
  // As a caller would that does not know how far it came.
  await writer.writeAt(1000, source.subarray(1000, 200 * KIB))
  await writer.writeAt(200 * KIB, source.subarray(200 * KIB))
  driver.isFull = true
  await assert.rejects(writer.commit(), NoSpaceError)
  await assert.rejects(writer.commit(), NoSpaceError)
  assert.equal(reader.status.state, 'active')
  driver.isFull = false
  assert.equal(await writer.commit(), source.length + 1)
  assert.equal(processor.begun, 1)
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(PositionXor.of(source)))
})

test('after a commit refused for want of space, more can be written, and committed', async () => {
  const driver = new FullDriver()
  const { writer, reader } = await staged(new PositionXor(), { outputDriver: driver })
  const source = randomBytes(14, 1000)
  await writer.writeAt(0, source.subarray(0, 600))
  driver.isFull = true
  await assert.rejects(writer.commit(), NoSpaceError)
  driver.isFull = false
  await writer.writeAt(600, source.subarray(600))
  assert.equal(await writer.commit(), 1001)
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(PositionXor.of(source)))
})

test('after a commit refused for want of space, the next writer can take over', async () => {
  const driver = new FullDriver()
  const processor = new PositionXor()
  const { writer, again } = await staged(processor, { outputDriver: driver })
  await writer.writeAt(0, randomBytes(15, 600))
  driver.isFull = true
  await assert.rejects(writer.commit(), NoSpaceError)
  await writer.release()
  driver.isFull = false
  assert.equal(await (await again(processor)).commit(), 601)
})

test("what is being written is nobody else's memory, though its writer is released meanwhile", async () => {
  const driver = new HeldDriver()
  const first = await staged(new PositionXor(), { outputDriver: driver })
  const writing = first.writer.writeAt(0, randomBytes(18, 300 * KIB)).catch(() => undefined)
  const written = await driver.begun.promise
  const before = Buffer.from(written)
  const released = first.writer.release()
  const second = await staged(new PositionXor())
  await second.writer.writeAt(0, randomBytes(19, 300 * KIB))
  assert.deepEqual(Buffer.from(written), before)
  driver.go.resolve()
  await Promise.all([writing, released])
})

test('a failing disk under the source leaves the writer usable', async () => {
  const driver = new FullDriver()
  const { writer, reader } = await staged(new PositionXor(), { rawDriver: driver })
  const source = randomBytes(16, 1000)
  await writer.writeAt(0, source.subarray(0, 500))
  driver.isFull = true
  await assert.rejects(writer.writeAt(500, source.subarray(500)), NoSpaceError)
  driver.isFull = false
  await writer.writeAt(500, source.subarray(500))
  await writer.commit()
  assert.deepEqual(Buffer.from(await reader.bytes()), Buffer.from(PositionXor.of(source)))
})

test('a length that the processor knows beforehand is declared to readers, and held to', async () => {
  const same: Processor = { ...processorOf((chunk) => chunk.slice()).only, outputLength: (length) => length }
  const { writer, reader } = await staged(same)
  await writer.declare({ length: 10 })
  assert.equal(await reader.waitLength(), 10)
  await writer.writeAt(0, new Uint8Array(10))
  assert.equal(await writer.commit(), 10)

  for (const off of [-1, 1]) {
    const wrong: Processor = { ...processorOf((chunk) => chunk.slice()).only, outputLength: (length) => length + off }
    const { writer, reader } = await staged(wrong)
    await writer.declare({ length: 10 })
    await assert.rejects(
      writer.writeAt(0, new Uint8Array(10)).then(() => writer.commit()),
      ProcessingError,
    )
    await assert.rejects(reader.waitCommit(), ProcessingError)
  }
})

interface Counting extends Processor {
  begun: number
  closed: number
  readonly only: Processor
}

/** A processor of one function; `begin` and `final` run before, or instead of, what they would do. */
function processorOf(
  update: (chunk: Uint8Array) => Uint8Array | Promise<Uint8Array>,
  also: {
    begin?: ((of: { readonly signal: AbortSignal }) => unknown) | undefined
    final?: (() => Uint8Array | Promise<Uint8Array>) | undefined
  } = {},
): Counting {
  const transform = {
    update,
    final: also.final ?? (() => new Uint8Array(0)),
    close: () => {
      counting.closed++
    },
  }
  const counting: Counting = {
    identity: 'test',
    begun: 0,
    closed: 0,
    begin: (of) => {
      const before = also.begin?.(of)
      if (before instanceof Promise) {
        return before.then(() => {
          counting.begun++
          return transform
        })
      }
      counting.begun++
      return transform
    },
    get only() {
      return { identity: 'test', begin: counting.begin }
    },
  }
  return counting
}

/** Its first write of several pieces in one ends when it may. */
class HeldDriver extends MemDriver {
  readonly begun: Deferred<Uint8Array> = deferred()
  readonly go: Deferred<void> = deferred()

  override async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    const [part] = parts
    if (part && part.length > 64 * KIB) {
      this.begun.resolve(part)
      await this.go.promise
    }
    await super.write(position, parts)
  }
}

/** Refuses writes while it is full. */
class FullDriver extends MemDriver implements Driver {
  isFull = false

  override async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    if (this.isFull) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    await super.write(position, parts)
  }
}

function cut(random: () => number, bytes: Uint8Array, largest: number): { at: number; bytes: Uint8Array }[] {
  const pieces: { at: number; bytes: Uint8Array }[] = []
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + randomInteger(random, 1, largest))
    pieces.push({ at, bytes: piece })
    at += piece.length
  }
  return pieces
}
