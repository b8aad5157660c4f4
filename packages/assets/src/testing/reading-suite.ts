import assert from 'node:assert/strict'
import type { ResourceReader } from '@cistern/storage'
import { ResourceKey } from '../key.js'
import { assertBytes, isPending, patterned, randomNumbers, rangesOf, rejectsWith } from './bytes.js'
import { begin, fill, leave, read, type Suite } from './suite.js'

const KEY = ResourceKey.of('film', 'film.mp4')

/** What is written where, and what of it can be read when. */
export function testReading(suite: Suite): void {
  const { survivesReopening, sparse } = suite.capabilities

  suite.test('[core 2] a wait of another caller is met by the write that completes it, and not before', async () => {
    await using place = await suite.open()
    await using got = await begin(place.store, KEY)
    using reader = await place.store.open(KEY)
    const wait = reader.waitRange(0, 100)
    await got.writer.writeAt(0, patterned(50))
    assert.ok(await isPending(wait))
    await got.writer.writeAt(50, patterned(50, 0, 50))
    assert.equal(await wait, 'ready')
    assertBytes(await reader.bytes({ end: 100 }), patterned(100))
  })

  suite.test('[core 3] past a known end a wait is eof; across it, it is met by what there is', async () => {
    await using place = await suite.open()
    await using got = await begin(place.store, KEY, { length: 100 })
    assert.equal(await got.reader.waitRange(100, 200), 'eof')
    const across = got.reader.waitRange(50, 200)
    assert.ok(await isPending(across))
    await got.writer.writeAt(50, patterned(50, 0, 50))
    assert.equal(await across, 'ready')
    const target = new Uint8Array(100)
    assert.equal(await got.reader.readAt(50, target), 50)
  })

  suite.test('[core 6] aborting one wait leaves the others and the resource as they are', async () => {
    await using place = await suite.open()
    await using got = await begin(place.store, KEY)
    using other = await place.store.open(KEY)
    const abort = new AbortController()
    const ended = got.reader.waitRange(0, 10, { signal: abort.signal })
    const going = [got.reader.waitRange(0, 10), other.waitRange(0, 10)]
    abort.abort(new Error('seeked away'))
    await assert.rejects(ended, /seeked away/)
    await got.writer.writeAt(0, patterned(10))
    assert.deepEqual(await Promise.all(going), ['ready', 'ready'])
  })

  suite.test(
    '[core 7] writes in any order: coverage is exact after each, and the bytes are the last written',
    async () => {
      const random = randomNumbers(7)
      const size = 700_000
      const model = new Uint8Array(size)
      const written = new Uint8Array(size)
      await using place = await suite.open()
      await using got = await begin(place.store, KEY)
      for (let round = 0; round < 60; round++) {
        const start = Math.floor(random() * size)
        const bytes = patterned(Math.min(size - start, Math.floor(random() * 60_000)), round + 1, start)
        await got.writer.writeAt(start, bytes)
        model.set(bytes, start)
        written.fill(1, start, start + bytes.length)
        assert.deepEqual(rangesOf(got.reader.coverage), runsOf(written), `round ${round}`)
      }
      for (const { start, end } of [...got.writer.coverage.gaps(0, size)])
        await got.writer.writeAt(start, model.subarray(start, end))
      await got.writer.commit()
      assertBytes(await place.store.get(KEY), model)
      if (survivesReopening) assertBytes(await read(await place.reopen(), KEY), model)
    },
  )

  suite.test('[core 8] a hole is never read as zeros: refused, or the covered prefix before it', async () => {
    await using place = await suite.open()
    await leave(place.store, KEY, patterned(100))
    await leave(place.store, KEY, patterned(100, 0, 200), 200)
    const store = survivesReopening ? await place.reopen() : place.store
    using reader = await store.open(KEY)
    await rejectsWith(reader.readAt(100, new Uint8Array(10)), 'ERR_CISTERN_RANGE_NOT_AVAILABLE')
    const target = new Uint8Array(300)
    assert.equal(await reader.readAt(50, target), 50)
    assertBytes(target.subarray(0, 50), patterned(50, 0, 50))
    assert.equal(await reader.readAt(200, target), 100)
  })

  suite.test('[core 10] growth far past the first write', async () => {
    const far = 4 * 2 ** 30
    await using place = await suite.open()
    const got = await begin(place.store, KEY)
    await got.writer.writeAt(0, patterned(100))
    if (!sparse) await rejectsWith(got.writer.writeAt(far, patterned(100)), 'ERR_CISTERN_QUOTA_EXCEEDED')
    else await got.writer.writeAt(far, patterned(100, 3))
    const covered = sparse ? [[0, 100], [far, far + 100]] : [[0, 100]] // biome-ignore format: one range a pair
    assert.deepEqual(rangesOf(got.reader.coverage), covered)
    assert.equal(place.store.stats().bytes, sparse ? 200 : 100)
    await got[Symbol.asyncDispose]()
    const store = survivesReopening ? await place.reopen() : place.store
    assert.deepEqual(rangesOf(store.stat(KEY)?.coverage ?? []), covered)
    using reader = await store.open(KEY)
    if (sparse) assertBytes(await reader.bytes({ start: far, end: far + 100 }), patterned(100, 3))
    assertBytes(await reader.bytes({ end: 100 }), patterned(100))
  })

  suite.test('[core 11] a reader opened before the commit reads on across it; a clone outlives it', async () => {
    await using place = await suite.open()
    const { store } = place
    const got = await begin(store, KEY)
    const reader = await store.open(KEY)
    await got.writer.writeAt(0, patterned(100))
    assertBytes(await reader.bytes({ end: 50 }), patterned(50))
    const clone = reader.clone()
    const streamed = reader.toReadable().toArray()
    reader.close()
    await got.writer.writeAt(100, patterned(100, 0, 100))
    await got.writer.commit()
    await store.checkpoint()
    got.reader.close()
    assertBytes(await clone.bytes(), patterned(200))
    assertBytes(Buffer.concat(await streamed), patterned(200))
    clone.close()
    await rejectsWith(clone.bytes(), 'ERR_CISTERN_READER_CLOSED')
    assert.equal(store.stat(KEY)?.readers, 0)
  })

  suite.test('[core 11] a web stream outlives the reader that it came from', async () => {
    await using place = await suite.open()
    await fill(place.store, KEY, patterned(600_000))
    let stream: ReturnType<ResourceReader['toWeb']>
    {
      using reader = await place.store.open(KEY)
      stream = reader.toWeb({ start: 100 })
    }
    assertBytes(new Uint8Array(await new Response(stream).arrayBuffer()), patterned(600_000).subarray(100))
  })
}

function runsOf(written: Uint8Array): number[][] {
  const runs: number[][] = []
  for (let start = written.indexOf(1); start !== -1; ) {
    const gap = written.indexOf(0, start)
    const end = gap === -1 ? written.length : gap
    runs.push([start, end])
    start = gap === -1 ? -1 : written.indexOf(1, end)
  }
  return runs
}
