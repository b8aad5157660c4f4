import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createGunzip, createGzip, gzipSync } from 'node:zlib'
import {
  type AcquireOptions,
  type Acquisition,
  AssetStore,
  AssetsLayer,
  aes128Cbc,
  chain,
  fromTransform,
  IntegrityError,
  InvalidOptionError,
  type Layer,
  NotSupportedError,
  ProcessingError,
  type Processor,
  ProcessorMismatchError,
  ResourceAbandonedError,
  ResourceKey,
  type ResourceReader,
} from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { inPieces, randomBytes, randomNumbers, shuffled } from '../../helpers/bytes.js'
import { deferred, eventLoopTurn, stateOf } from '../../helpers/deferred.js'
import { nextEvent } from '../../helpers/events.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { inMemory, onBoth, onDisk, text } from '../facade/stores.js'
import { decrypting, encrypted, IV, PositionXor } from './staged.js'

const MIB = 1024 * 1024
const key = ResourceKey.of('film', 'a.ts')
const plain = randomBytes(1, 300_007) // its last block is not all padding
const source = encrypted(plain)
const sri = (bytes: Uint8Array): string => `sha256-${createHash('sha256').update(bytes).digest('base64')}`
const wrongKey = (): Processor => aes128Cbc({ key: randomBytes(5, 16), iv: IV })
const isPlain = async (reader: ResourceReader): Promise<boolean> => Buffer.compare(await reader.bytes(), plain) === 0

/** Opens what must be there already. */
const nobodyFills = (): never => assert.fail('filled once more')

onBoth('[core 38] 5 MiB, in and out of order, are decrypted into what was encrypted', async (open) => {
  await using store = await open()
  const plain = randomBytes(38, 5 * MIB + 3)
  const source = encrypted(plain)
  const processor = decrypting()
  for (const [name, size] of [
    ['small', 10_007],
    ['large', MIB],
  ] as const) {
    const key = ResourceKey.of('film', name)
    using reader = await store.openOrFill(key, (writer) => writer.writeFrom(inPieces(source, size)), { processor })
    assert.equal(await reader.waitCommit(), plain.length)
    assert.equal(Buffer.compare(await reader.bytes(), plain), 0)
    assert.equal(store.stat(key)?.length, plain.length)
  }
  const mixed = ResourceKey.of('film', 'mixed')
  const pieces = shuffled(
    randomNumbers(5),
    [...inPieces(source, 100_003)].map((bytes, index) => ({ at: index * 100_003, bytes })),
  )
  await using got = await store.acquire(mixed, { processor })
  for (const { at, bytes } of pieces) await got.writer?.writeAt(at, bytes)
  assert.equal(await got.writer?.commit(), plain.length)
  assert.equal(Buffer.compare(await got.reader.bytes(), plain), 0)
})

onBoth('[core 38] put, too, stores what comes out', async (open) => {
  await using store = await open()
  const stat = await store.put(key, source, { processor: decrypting(), integrity: sri(plain) })
  assert.equal(stat.length, plain.length)
  assert.deepEqual(await store.get(key), plain)
})

onBoth('[core 39] clear bytes are there before the commit; committed: true waits for the verdict', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key, { processor: decrypting() })
  assert.ok(got.writer)
  using early = await store.open(key)
  const verdict = store.open(key, { committed: true })
  await got.writer.writeAt(0, source.subarray(0, 100_000))
  assert.deepEqual(await early.bytes({ end: 99_000 }), plain.slice(0, 99_000))
  assert.equal(await stateOf(verdict), 'pending')
  assert.equal(store.stat(key)?.received.size, 100_000)
  assert.ok((store.stat(key)?.coverage.size ?? 0) < 100_000)
  await got.writer.writeAt(100_000, source.subarray(100_000))
  assert.equal(await stateOf(verdict), 'pending')
  await got.writer.commit()
  using late = await verdict
  assert.ok(await isPlain(late))
  assert.ok(await isPlain(early))
})

for (const [what, bytes, processor, integrity] of [
  ['a wrong key', source, wrongKey(), sri(plain)],
  ['a last block cut short', source.subarray(0, -1), decrypting(), undefined],
  ['a last block missing', source.subarray(0, -16), decrypting(), sri(plain)],
  ['a broken padding', Uint8Array.from([...source.subarray(0, -16), ...new Uint8Array(16)]), decrypting(), undefined],
  ['another digest', source, decrypting(), sri(source)],
] as const) {
  onBoth(`[core 40] ${what}: waits and reads reject, nothing is committed, the next acquire works`, async (open) => {
    await using store = await open()
    const failed = nextEvent(store, 'fail')
    const wanted = store.openOrFill(key, (writer) => writer.writeFrom(inPieces(bytes, 50_000)), {
      processor,
      integrity,
    })
    using reader = await wanted
    await reader.waitRange(0, 1)
    const [{ error }] = await failed
    assert.ok(error instanceof ProcessingError || error instanceof IntegrityError)
    await assert.rejects(reader.waitRange(0, plain.length), (rejected) => rejected === error)
    await assert.rejects(reader.readAt(0, new Uint8Array(10)), (rejected) => rejected === error)
    assert.equal(store.stat(key), undefined)
    await assert.rejects(store.open(key), { code: 'ERR_CISTERN_NOT_FOUND' })
    using next = await store.openOrFill(key, (writer) => writer.writeAt(0, source), { processor: decrypting() })
    assert.equal(await next.waitCommit(), plain.length)
    assert.ok(await isPlain(next))
    await store.checkpoint()
    assert.equal(store.stats().bytes, plain.length)
  })
}

onDisk(
  '[core 41] the transform runs once: with the processor, without, and after a restart bytes are clear',
  async (open) => {
    const processor = new PositionXor()
    const expected = PositionXor.of(source)
    {
      await using store = await open()
      using reader = await store.openOrFill(key, (writer) => writer.writeAt(0, source), { processor })
      await reader.waitCommit()
      for (const options of [{ processor }, {}, { processor: () => assert.fail('made') }]) {
        using again = await store.openOrFill(key, nobodyFills, options)
        assert.deepEqual(await again.bytes(), expected)
      }
    }
    await using store = await open()
    using opened = await store.open(key)
    assert.deepEqual(await opened.bytes(), expected)
    using again = await store.openOrFill(key, nobodyFills, { processor })
    assert.deepEqual(await again.bytes(), expected)
    assert.equal(processor.begun, 1)
    assert.equal(processor.closed, 1)
  },
)

test('[core 41] what is committed lies clear on the disk, and no cipher text beside it', async (t) => {
  const root = tempFolder(t)
  await using store = await AssetStore.open({ root, minFreeBytes: 0 })
  await using got = await store.acquire(key, { processor: decrypting() })
  await got.writer?.writeAt(100, source.subarray(100))
  await store.checkpoint()
  await got.writer?.writeAt(0, source.subarray(0, 100))
  await got.writer?.commit()
  await store.checkpoint()
  assert.deepEqual(new Uint8Array(readFileSync(join(root, 'film', 'a.ts'))), plain)
  assert.deepEqual(readdirSync(join(root, 'film')), ['a.ts'])
})

onBoth('[core 42] gunzip through a stream; a chain of two', async (open) => {
  await using store = await open()
  const gunzip = fromTransform('gunzip', () => createGunzip())
  const zipped = new Uint8Array(gzipSync(plain))
  using one = await store.openOrFill(key, (writer) => writer.writeFrom(inPieces(zipped, 1000)), { processor: gunzip })
  assert.equal(await one.waitCommit(), plain.length)
  assert.ok(await isPlain(one))
  const both = ResourceKey.of('film', 'both')
  const processor = chain(decrypting(), gunzip)
  using two = await store.openOrFill(both, (writer) => writer.writeFrom(inPieces(encrypted(zipped), 999)), {
    processor,
  })
  assert.equal(await two.waitCommit(), plain.length)
  assert.ok(await isPlain(two))
  const cut = ResourceKey.of('film', 'cut')
  using three = await store.openOrFill(cut, (writer) => writer.writeAt(0, zipped.subarray(0, -10)), {
    processor: gunzip,
  })
  await assert.rejects(three.waitCommit(), ProcessingError)
  const larger = ResourceKey.of('film', 'larger')
  const gzip = fromTransform('gzip', () => createGzip({ level: 0 }))
  using four = await store.openOrFill(larger, (writer) => writer.writeFrom(inPieces(plain, 70_000)), {
    processor: gzip,
  })
  assert.ok((await four.waitCommit()) > plain.length)
})

onBoth(
  '[core 42] a begin that takes its time, and a transform that does, slow the fill and nothing else',
  async (open) => {
    await using store = await open()
    const gates = [deferred(), deferred()] as const
    const processor: Processor = {
      identity: 'slow',
      begin: async () => {
        await gates[0].promise
        return {
          update: async (chunk) => {
            await gates[1].promise
            return chunk.slice()
          },
          final: () => Buffer.from('!'),
        }
      },
    }
    using reader = await store.openOrFill(key, (writer) => writer.writeFrom([Buffer.from('slow')]), { processor })
    await store.put(ResourceKey.of('film', 'other'), 'quick')
    assert.equal(await stateOf(reader.waitRange(0, 1)), 'pending')
    for (const gate of gates) gate.resolve()
    assert.equal(text(await reader.bytes()), 'slow!')
  },
)

onBoth('[core 42] a transform that throws in the middle fails those who wait, and is closed once', async (open) => {
  await using store = await open()
  let closed = 0
  const cause = new Error('in the middle')
  let updates = 0
  const processor: Processor = {
    identity: 'throwing',
    begin: () => ({
      update: (chunk) => {
        if (++updates === 3) throw cause
        return chunk.slice()
      },
      final: () => new Uint8Array(0),
      close: () => closed++,
    }),
  }
  using reader = await store.openOrFill(key, (writer) => writer.writeFrom(inPieces(source, 70_000)), { processor })
  await assert.rejects(reader.waitCommit(), (error) => error instanceof ProcessingError && error.cause === cause)
  assert.equal(closed, 1)
})

onBoth('[core 43] another processor, or none on record: mismatch when committed and in flight', async (open) => {
  await using store = await open()
  const processor = decrypting()
  await using got = await store.acquire(key, { processor })
  await assert.rejects(store.acquire(key, { processor: wrongKey() }), ProcessorMismatchError)
  await using joined = await store.acquire(key, { processor: decrypting() })
  assert.equal(joined.writer, undefined)
  await using joinedByFunction = await store.acquire(key, { processor: () => assert.fail('made') })
  assert.equal(joinedByFunction.writer, undefined)
  assert.equal(store.stat(key)?.readers, 3) // those that were refused hold none
  await got.writer?.writeAt(0, source)
  await got.writer?.commit()
  await assert.rejects(store.acquire(key, { processor: wrongKey() }), ProcessorMismatchError)
  using reader = await store.openOrFill(key, nobodyFills)
  assert.ok(await isPlain(reader))

  const clear = ResourceKey.of('film', 'clear')
  await using filling = await store.acquire(clear)
  await assert.rejects(store.acquire(clear, { processor }), ProcessorMismatchError)
  await filling.writer?.writeAt(0, plain)
  await filling.writer?.commit()
  await assert.rejects(store.acquire(clear, { processor }), ProcessorMismatchError)
})

onBoth(
  '[core 43] rewriting, and replacing, with another processor is allowed; extending with one is not',
  async (open) => {
    await using store = await open()
    await store.put(key, source, { processor: decrypting() })
    const xor = new PositionXor()
    await using rewriting = await store.acquire(key, { processor: xor, mode: 'rewrite' })
    assert.ok(rewriting.writer)
    await assert.rejects(store.acquire(key, { processor: decrypting(), mode: 'rewrite' }), ProcessorMismatchError)
    await using joined = await store.acquire(key, { processor: xor, mode: 'rewrite' })
    assert.equal(joined.writer, undefined)
    await rewriting.writer.writeAt(0, plain)
    await using before = await store.acquire(key, { processor: decrypting() })
    assert.ok(await isPlain(before.reader))
    await rewriting.writer.commit()
    assert.deepEqual(await store.get(key), PositionXor.of(plain))
    await store.put(key, source, { processor: decrypting() })
    assert.deepEqual(await store.get(key), plain)
    await assert.rejects(store.acquire(key, { processor: xor, mode: 'extend' }), (error) => {
      assert.ok(error instanceof NotSupportedError)
      assert.match(error.message, /source bytes are not kept/)
      return true
    })
  },
)

onBoth('[core 43] raw bytes at rest go on under the same identity, and are dropped under another', async (open) => {
  await using store = await open()
  const leave = async (processor: Processor): Promise<void> => {
    await using got = await store.acquire(key, { processor })
    await got.writer?.writeAt(0, source.subarray(0, 200_000))
  }
  await leave(decrypting())
  {
    await using got = await store.acquire(key, { processor: decrypting() })
    assert.equal(got.writer?.coverage.size, 200_000)
    // Without a further write: what is there is enough for that.
    assert.deepEqual(await got.reader.bytes({ end: 190_000 }), plain.slice(0, 190_000))
    await got.writer?.writeAt(200_000, source.subarray(200_000))
    assert.equal(await got.writer?.commit(), plain.length)
    assert.ok(await isPlain(got.reader))
  }
  await store.remove(key)
  await leave(decrypting())
  {
    const before = store.stat(key)?.generation
    await using got = await store.acquire(key, { processor: new PositionXor() })
    assert.equal(got.writer?.coverage.size, 0)
    assert.notEqual(got.writer?.generation, before)
    await got.writer?.writeAt(0, plain)
    await got.writer?.commit()
    assert.deepEqual(await store.get(key), PositionXor.of(plain))
  }
  await store.remove(key)
  await leave(decrypting())
  await using got = await store.acquire(key)
  assert.equal(got.writer?.coverage.size, 0)
})

onDisk('[core 43] raw bytes at rest outlast a restart, and are never taken for clear ones', async (open) => {
  {
    await using store = await open()
    await using got = await store.acquire(key, { processor: decrypting() })
    await got.writer?.writeAt(0, source.subarray(0, 200_000))
  }
  {
    await using store = await open()
    assert.equal(store.stat(key)?.received.size, 200_000)
    assert.equal(store.stat(key)?.coverage.size, 0)
    using reader = await store.open(key)
    await assert.rejects(reader.bytes({ end: 10 }), ResourceAbandonedError)
    await using got = await store.acquire(key, { processor: decrypting() })
    assert.equal(got.writer?.coverage.size, 200_000)
    assert.deepEqual(await reader.bytes({ end: 190_000 }), plain.slice(0, 190_000))
    await got.writer?.writeAt(200_000, source.subarray(200_000))
    await got.writer?.commit()
    assert.ok(await isPlain(reader))
  }
  await using store = await open()
  assert.deepEqual(await store.get(key), plain)
})

onBoth('[core 43] a processor that cannot be made is the error of the caller: nothing is written', async (open) => {
  await using store = await open()
  const cause = new Error('no key')
  const makers = [
    () => {
      throw cause
    },
    () => Promise.reject(cause),
  ]
  for (const processor of makers) {
    await assert.rejects(store.openOrFill(key, nobodyFills, { processor }), (error) => error === cause)
    await assert.rejects(store.put(key, source, { processor }), (error) => error === cause)
  }
  for (const made of [undefined, {}, 'aes']) {
    await assert.rejects(store.acquire(key, { processor: (() => made) as never }), InvalidOptionError)
  }
  assert.equal(store.stats().writers, 0)
  assert.equal(store.stats().readers, 0)
  assert.equal(store.stats().bytes, 0)
  assert.equal(store.assetStat('film')?.leases ?? 0, 0)
  using reader = await store.openOrFill(key, (writer) => writer.writeAt(0, source), {
    processor: async () => decrypting(),
  })
  assert.equal(await reader.waitCommit(), plain.length)
})

onBoth('[core 43] who joins while the processor is being made waits for it, or takes over', async (open) => {
  await using store = await open()
  const key1 = deferred<Processor>()
  const asked = deferred()
  const processor = (): Promise<Processor> => {
    asked.resolve()
    return key1.promise
  }
  const first = store.acquire(key, { processor })
  await asked.promise
  const same = store.acquire(key, { processor: decrypting() })
  const another = store.acquire(key, { processor: wrongKey() })
  another.catch(() => {})
  using byFunction = (await store.acquire(key, { processor: () => assert.fail('made') })).reader
  assert.equal(byFunction.status.state, 'active')
  assert.equal(await stateOf(same), 'pending')
  key1.resolve(decrypting())
  await using got = await first
  assert.ok(got.writer)
  await using joined = await same
  assert.equal(joined.writer, undefined)
  await assert.rejects(another, ProcessorMismatchError)
  await got.writer.fail(new Error('start over'))

  const key2 = deferred<Processor>()
  const askedAgain = deferred()
  const failing = store.acquire(key, {
    processor: () => {
      askedAgain.resolve()
      return key2.promise
    },
  })
  await askedAgain.promise
  const waiting = store.acquire(key, { processor: decrypting() })
  await eventLoopTurn()
  key2.reject(new Error('no key'))
  await assert.rejects(failing, { message: 'no key' })
  await using taken = await waiting
  assert.ok(taken.writer)
})

onBoth('[core 43] what is put with another processor meanwhile is nobody else’s', async (open) => {
  await using store = await open()
  const gate = deferred()
  await using filling = await store.acquire(key, { processor: decrypting() })
  async function* slow(): AsyncGenerator<Uint8Array> {
    await gate.promise
    yield plain
  }
  const putting = store.put(key, slow(), { processor: new PositionXor() })
  await eventLoopTurn()
  await using joined = await store.acquire(key, { processor: decrypting() })
  assert.equal(joined.reader.generation, filling.reader.generation)
  gate.resolve()
  await putting
  assert.deepEqual(await store.get(key), PositionXor.of(plain))
})

test('[core 43] who joins is compared with the writer, though a layer inside hands that out late', async () => {
  class Late extends AssetsLayer {
    override async acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
      const got = await this.inner.acquire(key, options)
      if (got.writer) for (let turn = 0; turn < 5; turn++) await eventLoopTurn()
      return got
    }
  }
  const late: Layer = (inner) => new Late(inner)
  await using store = await MemStore.open({ layers: ({ processing }) => [processing, late] })
  const all = await Promise.all([1, 2, 3].map(() => store.acquire(key, { processor: decrypting() })))
  assert.equal(all.filter(({ writer }) => writer).length, 1)
  for (const got of all) await got[Symbol.asyncDispose]()
})

onBoth('[core 43] the signal ends a wait for the processor of another, and for one of my own', async (open) => {
  await using store = await open()
  const reason = new Error('no time')
  const leaving = new AbortController()
  const key1 = deferred<Processor>()
  const asked = deferred()
  const processor = (): Promise<Processor> => {
    asked.resolve()
    return key1.promise
  }
  const first = store.acquire(key, { processor })
  await asked.promise
  const joining = store.acquire(key, { processor: decrypting(), signal: leaving.signal })
  const making = store.acquire(ResourceKey.of('film', 'b.ts'), {
    processor: () => new Promise(() => {}),
    signal: leaving.signal,
  })
  await eventLoopTurn()
  leaving.abort(reason)
  await assert.rejects(joining, (error) => error === reason)
  await assert.rejects(making, (error) => error === reason)
  key1.resolve(decrypting())
  await (await first)[Symbol.asyncDispose]()
  await eventLoopTurn()
  assert.equal(store.stats().readers, 0)
  assert.equal(store.stats().writers, 0)
})

onBoth('[core 18] of many at once with one processor one fills, and all read clear bytes', async (open) => {
  await using store = await open()
  let calls = 0
  let made = 0
  const processor = async (): Promise<Processor> => {
    made++
    await eventLoopTurn()
    return decrypting()
  }
  const readers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      store.openOrFill(
        key,
        async (writer) => {
          calls++
          await writer.writeFrom(inPieces(source, 20_000))
        },
        { processor: index % 2 ? processor : index === 0 ? processor : decrypting() },
      ),
    ),
  )
  for (const reader of readers) {
    assert.ok(await isPlain(reader))
    reader.close()
  }
  assert.equal(calls, 1)
  assert.equal(made, 1)
})

onBoth(
  '[core 18] a fill is not called when all of a declared source is there, though its output is shorter',
  async (open) => {
    await using store = await open()
    using first = await store.openOrFill(
      key,
      async (writer) => {
        await writer.declare({ length: source.length })
        await writer.writeAt(0, source)
        throw new Error('just before the end')
      },
      { processor: decrypting() },
    )
    await assert.rejects(first.waitCommit(), ResourceAbandonedError)
    using second = await store.openOrFill(key, nobodyFills, { processor: decrypting() })
    assert.equal(await second.waitCommit(), plain.length)
    assert.ok(await isPlain(second))
  },
)

onBoth('removing under a fill ends it, closing too', async (open) => {
  const store = await open()
  const processor = new PositionXor()
  const got = await store.acquire(key, { processor })
  await got.writer?.writeAt(0, source)
  await store.remove(key)
  await assert.rejects(async () => got.writer?.commit(), { code: 'ERR_CISTERN_REMOVED' })
  assert.equal(processor.closed, 1)
  await got[Symbol.asyncDispose]()
  const other = await store.acquire(key, { processor })
  await other.writer?.writeAt(0, source)
  await store.close()
  await assert.rejects(async () => other.writer?.commit(), { code: 'ERR_CISTERN_STORE_CLOSED' })
  assert.equal(processor.closed, 2)
  assert.equal(store.stats().writers, 0)
})

inMemory('a full disk under the output is the writer’s to see, and to get over', async (open) => {
  let isFull = false
  await using store = await open(({ op }) => {
    if (isFull && op === 'write') throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  })
  await using got = await store.acquire(key, { processor: decrypting() })
  await got.writer?.writeAt(0, source.subarray(0, 100_000))
  isFull = true
  await assert.rejects(async () => got.writer?.writeAt(100_000, source.subarray(100_000)), {
    code: 'ERR_CISTERN_NO_SPACE',
  })
  isFull = false
  await got.writer?.writeAt(100_000, source.subarray(100_000))
  isFull = true
  await assert.rejects(async () => got.writer?.commit(), { code: 'ERR_CISTERN_NO_SPACE' })
  isFull = false
  assert.equal(await got.writer?.commit(), plain.length)
  assert.ok(await isPlain(got.reader))
})

test('over a quota the writer goes on once there is room', async () => {
  await using store = await MemStore.open({ maxBytes: 700_000 })
  await store.put(ResourceKey.of('old', 'a'), new Uint8Array(300_000))
  const pin = store.lease('old')
  await using got = await store.acquire(key, { processor: decrypting() })
  await assert.rejects(async () => got.writer?.writeFrom(inPieces(source, 50_000)), {
    code: 'ERR_CISTERN_QUOTA_EXCEEDED',
  })
  pin.release()
  await got.writer?.writeFrom(inPieces(source, 50_000))
  assert.equal(await got.writer?.commit(), plain.length)
  assert.ok(await isPlain(got.reader))
})

test('a processor without a layer that runs it is refused', async () => {
  await using store = await MemStore.open({ layers: ({ lease, evict }) => [lease, evict] })
  await assert.rejects(store.acquire(key, { processor: decrypting() }), NotSupportedError)
  await assert.rejects(store.put(key, source, { processor: decrypting() }), NotSupportedError)
  await store.put(key, source)
})

test('processing outside and inside of evict, with a quota, ends in the same bytes', async () => {
  for (const order of ['processing first', 'evict first'] as const) {
    await using store = await MemStore.open({
      maxBytes: 1_000_000,
      layers: ({ lease, processing, evict }) =>
        order === 'evict first' ? [lease, evict, processing] : [lease, processing, evict],
    })
    await store.put(ResourceKey.of('old', 'a'), new Uint8Array(600_000))
    using reader = await store.openOrFill(key, (writer) => writer.writeFrom(inPieces(source, 50_000)), {
      processor: decrypting(),
    })
    assert.equal(await reader.waitCommit(), plain.length, order)
    assert.ok(await isPlain(reader))
    assert.equal(store.assetStat('old'), undefined, order)
  }
})

for (const durability of ['ordered', 'strict', 'relaxed'] as const) {
  test(`[core 39] source bytes that came in order outlive the store that took them, ${durability}`, async (t) => {
    const root = tempFolder(t)
    {
      await using store = await AssetStore.open({ root, durability })
      await using got = await store.acquire(key, { processor: decrypting() })
      await got.writer?.declare({ length: source.length, validator: '"1"' })
      await got.writer?.writeAt(0, source.subarray(0, 270_000))
    }
    await using store = await AssetStore.open({ root, durability })
    await using got = await store.acquire(key, { processor: decrypting() })
    assert.deepEqual([...(got.writer?.coverage ?? [])], [{ start: 0, end: 270_000 }])
  })

  test(`[core 44] source bytes that are on record are in their part, not in memory: ${durability}`, async (t) => {
    const root = tempFolder(t)
    {
      await using store = await AssetStore.open({ root, durability, minFreeBytes: 0 })
      await using got = await store.acquire(key, { processor: decrypting() })
      await got.writer?.writeAt(0, source.subarray(0, 200_000))
      await store.checkpoint()
      const { badBlocks, missing, bytes } = await store.verify() // compares the record with the files, not with memory
      assert.deepEqual({ badBlocks, missing, bytes }, { badBlocks: 0, missing: 0, bytes: 200_000 })
    }
    await using store = await AssetStore.open({ root, durability, minFreeBytes: 0 })
    await using got = await store.acquire(key, { processor: decrypting() })
    assert.equal(got.writer?.coverage.size, 200_000)
    await got.writer?.writeAt(200_000, source.subarray(200_000))
    await got.writer?.commit()
    assert.ok(await isPlain(got.reader))
  })
}
