import assert from 'node:assert/strict'
import { CisternError } from '../errors.js'
import type { Bytes, ResourceReader } from '../types.js'
import { assertBytes, gate, isPending, patterned, rejectsWith } from './bytes.js'
import { type ResourceSuite, Rig } from './rig.js'

const BLOCK = 256 * 1024

/** Readers that are handed the same memory. */
export function testShared({ test, factory }: ResourceSuite): void {
  const bytes = patterned(BLOCK + 1000)

  async function written(): Promise<{ rig: Rig; reads: () => number }> {
    const rig = await Rig.open(factory)
    await using writer = rig.writer()
    await writer.writeAt(0, bytes)
    await writer.commit()
    let reads = 0
    rig.driver.beforeRead = () => {
      reads++
    }
    return { rig, reads: () => reads }
  }

  test('shared chunks are read once for all who read them, and are the same memory', async () => {
    const { rig, reads } = await written()
    await using _ = rig
    const readers = Array.from({ length: 20 }, () => rig.reader())
    const all = await Promise.all(readers.map((reader) => chunksOf(reader, { shared: true })))
    for (const chunks of all) assertBytes(joined(chunks), bytes)
    assert.equal(new Set(all.flat().map(({ buffer }) => buffer)).size, 2, 'one memory for each block')
    assert.equal(reads(), 2)
    const own = await chunksOf(rig.reader(), {})
    assertBytes(joined(own), bytes)
    assert.ok(own.every(({ buffer }) => all.flat().every((shared) => shared.buffer !== buffer)))
    for (const reader of readers) reader.close()
  })

  test('shared chunks hold to start, end and chunkSize; who begins in the midst of a block has its rest alone', async () => {
    const { rig } = await written()
    await using _ = rig
    using reader = rig.reader()
    const some = await chunksOf(reader, { shared: true, start: 100, end: BLOCK + 10, chunkSize: 50_000 })
    assertBytes(joined(some), bytes.subarray(100, BLOCK + 10))
    assert.ok(some.every(({ length }) => length <= 50_000))
    using first = rig.reader()
    assertBytes(joined(await chunksOf(first, { shared: true })), bytes)
    assert.equal((await chunksOf(reader, { shared: true, start: bytes.length })).length, 0)
  })

  test('while it is written, shared chunks bring what comes, and what is written anew', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    const chunks = reader.chunks({ shared: true, end: 30 })[Symbol.asyncIterator]()
    using other = rig.reader()
    await writer.writeAt(0, patterned(10))
    assertBytes((await chunks.next()).value ?? new Uint8Array(0), patterned(10))
    assertBytes(joined(await chunksOf(other, { shared: true, end: 10 })), patterned(10))
    await writer.writeAt(0, patterned(20, 500))
    assertBytes((await chunks.next()).value ?? new Uint8Array(0), patterned(10, 510))
    assertBytes(joined(await chunksOf(other, { shared: true, end: 20 })), patterned(20, 500))
    rig.resource.drop(0, 20)
    const anew = chunksOf(other, { shared: true, end: 20 })
    assert.ok(await isPending(anew))
    await writer.writeAt(0, patterned(30, 900))
    assertBytes(joined(await anew), patterned(20, 900))
    assertBytes((await chunks.next()).value ?? new Uint8Array(0), patterned(10, 920))
  })

  test('written anew while it is read for all: nobody is handed the old bytes once the write has settled', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(0, patterned(100))
    const { inner } = rig.driver
    const answered = gate()
    const read = inner.read.bind(inner)
    inner.read = async (position, target) => {
      const got = await read(position, target)
      await answered.opened
      return got
    }
    const early = shared(reader, 0, 100)
    assert.ok(await isPending(early))
    await writer.writeAt(0, patterned(100, 500))
    answered.open()
    await early
    assertBytes(await shared(reader, 0, 100), patterned(100, 500))
    // The read begins and ends while the write is under way.
    const written = gate()
    rig.driver.beforeWrite = () => written.opened
    const write = writer.writeAt(50, patterned(100, 900))
    await reader.waitRange(0, 150)
    await shared(reader, 0, 100)
    written.open()
    await write
    assertBytes(await shared(reader, 0, 150), joined([patterned(50, 500), patterned(100, 900)]))
  })

  test('readShared at the end, of no bytes, and of a size that is none', async () => {
    const { rig } = await written()
    await using _ = rig
    using reader = rig.reader()
    await shared(reader, BLOCK, BLOCK)
    assert.equal((await shared(reader, bytes.length, 10)).length, 0)
    assert.equal((await shared(reader, 2 * BLOCK, 10)).length, 0)
    assert.equal((await shared(reader, 0, 0)).length, 0)
    for (const size of [-1, 0.5, Number.NaN]) await rejectsWith(shared(reader, 0, size), 'ERR_CISTERN_INVALID_RANGE')
  })

  test('cut off by a commit while a read for all stands in line for its turn: nothing is there any more', async () => {
    await using rig = await Rig.open(factory)
    using reader = rig.reader()
    await using writer = rig.writer()
    await writer.writeAt(0, patterned(2 * BLOCK + 10))
    const reads = Array.from({ length: 400 }, () => shared(reader, 2 * BLOCK, 10).catch(gone))
    await writer.commit(BLOCK)
    for (const read of await Promise.all(reads)) assert.ok(read.length <= 10)
  })

  test('a shared chunk that was transferred away, against the rule, is missed by nobody else', async () => {
    const { rig } = await written()
    await using _ = rig
    using reader = rig.reader()
    const first = await shared(reader, 0, 1000)
    structuredClone(first.buffer, { transfer: [first.buffer] })
    using other = rig.reader()
    assertBytes(joined(await chunksOf(other, { shared: true })), bytes)
    const again = await shared(reader, 0, 1000)
    structuredClone(again.buffer, { transfer: [again.buffer] })
    assertBytes(await shared(other, 1000, 1000), bytes.subarray(1000, 2000))
    const held = gate()
    const begun = await shared(reader, 0, 1000)
    rig.driver.beforeRead = () => held.opened
    const growing = shared(other, 0, 2000)
    assert.ok(await isPending(growing))
    structuredClone(begun.buffer, { transfer: [begun.buffer] })
    held.open()
    assertBytes(await growing, bytes.subarray(0, 2000))
  })

  test('a read for all that fails is the one reader’s failure: the others read on', async () => {
    const { rig } = await written()
    await using _ = rig
    using leaving = rig.reader()
    using staying = rig.reader()
    const held = gate()
    rig.driver.beforeRead = () => held.opened
    const left = shared(leaving, 0, 100)
    const stayed = shared(staying, 0, 100)
    leaving.close()
    held.open()
    await rejectsWith(left, 'ERR_CISTERN_READER_CLOSED')
    assertBytes(await stayed, bytes.subarray(0, 100))
    await rejectsWith(shared(leaving, 0, 1), 'ERR_CISTERN_READER_CLOSED')
  })
}

async function chunksOf(
  reader: ResourceReader,
  options: Parameters<ResourceReader['chunks']>[0],
): Promise<readonly Bytes[]> {
  const chunks: Bytes[] = []
  for await (const chunk of reader.chunks(options)) chunks.push(chunk)
  return chunks
}

function shared(reader: ResourceReader, position: number, size: number): Promise<Bytes> {
  return reader.readShared?.(position, size) ?? Promise.reject(new Error('nothing is shared'))
}

/** Nothing, where bytes that were there when they were asked for have gone. */
function gone(error: unknown): Bytes {
  if (CisternError.is(error, 'ERR_CISTERN_RANGE_NOT_AVAILABLE')) return new Uint8Array(0)
  throw error
}

function joined(chunks: readonly Bytes[]): Uint8Array {
  return Buffer.concat(chunks)
}
