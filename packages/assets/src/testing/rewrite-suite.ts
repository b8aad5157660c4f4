import assert from 'node:assert/strict'
import type { ResourceReader } from '@cistern/storage'
import { ResourceKey } from '../key.js'
import { assertBytes, patterned, rejectsWith } from './bytes.js'
import { begin, fill, occupies, read, type Suite } from './suite.js'

const KEY = ResourceKey.of('live', 'index.m3u8')

/** New generations of what is there, while the old is read. */
export function testRewriting(suite: Suite): void {
  suite.test('[core 27] 250 rewrites under 6 readers: every read is of one generation', async () => {
    await using place = await suite.open()
    const { store } = place
    const rewrites = 250
    const write = (n: number): Promise<void> =>
      fill(store, KEY, playlist(n), n === 0 ? {} : { mode: n % 2 ? 'rewrite' : 'replace' })
    await write(0)
    let done = false
    const readAlong = async (): Promise<number> => {
      let last = 0
      let reads = 0
      for (; !done || reads === 0; reads++) {
        using reader = await store.open(KEY)
        const n = generationOf(await inPieces(reader))
        assert.ok(n >= last, `${n} was read after ${last}`)
        last = n
      }
      return reads
    }
    const readers = Promise.all(Array.from({ length: 6 }, readAlong))
    for (let n = 1; n < rewrites; n++) await write(n)
    done = true
    assert.ok((await readers).every((reads) => reads > 0))
    assertBytes(await read(store, KEY), playlist(rewrites - 1))
    await store.checkpoint()
    await occupies(store, playlist(rewrites - 1).length)
    const report = await store.verify()
    assert.deepEqual([report.orphans, report.missing, report.badBlocks], [0, 0, 0])
    if (suite.capabilities.survivesReopening) assertBytes(await read(await place.reopen(), KEY), playlist(rewrites - 1))
  })

  suite.test(
    '[core 27] before its commit a rewrite is seen by its acquirers alone; a second one joins to read',
    async () => {
      await using place = await suite.open()
      const { store } = place
      await fill(store, KEY, patterned(100, 1))
      using old = await store.open(KEY)
      await using first = await begin(store, KEY, { mode: 'rewrite' })
      await using second = await store.acquire(KEY, { mode: 'rewrite' })
      assert.equal(second.writer, undefined)
      assert.equal(second.reader.generation, first.reader.generation)
      await first.writer.writeAt(0, patterned(50, 2))
      assertBytes(await second.reader.bytes({ end: 50 }), patterned(50, 2))
      assertBytes(await read(store, KEY), patterned(100, 1))
      assert.equal(store.stat(KEY)?.generation, old.generation)
      await first.writer.commit()
      assertBytes(await read(store, KEY), patterned(50, 2))
      assertBytes(await second.reader.bytes(), patterned(50, 2))
      assertBytes(await old.bytes(), patterned(100, 1))
    },
  )

  suite.test('[core 27] released or failed, a rewrite leaves the old', async () => {
    await using place = await suite.open()
    await fill(place.store, KEY, patterned(100, 1))
    for (const end of ['release', 'fail'] as const) {
      const got = await begin(place.store, KEY, { mode: 'rewrite' })
      await got.writer.writeAt(0, patterned(50, 2))
      await (end === 'release' ? got.writer.release() : got.writer.fail(new Error('broken')))
      await assert.rejects(got.reader.waitRange(0, 100))
      got.reader.close()
      assertBytes(await read(place.store, KEY), patterned(100, 1))
    }
    await place.store.checkpoint()
    await occupies(place.store, 100)
    const store = suite.capabilities.survivesReopening ? await place.reopen() : place.store
    assertBytes(await read(store, KEY), patterned(100, 1))
  })

  suite.test('[core 27] a rewrite of what is not there is its first generation', async () => {
    await using place = await suite.open()
    await fill(place.store, KEY, patterned(100), { mode: 'rewrite' })
    assertBytes(await read(place.store, KEY), patterned(100))
  })

  suite.test('[core 27] a fill under way and a rewrite beside it: the later commit stays', async () => {
    await using place = await suite.open()
    const { store } = place
    await using filling = await begin(store, KEY)
    await filling.writer.writeAt(0, patterned(100, 1))
    await fill(store, KEY, patterned(200, 2), { mode: 'rewrite' })
    assertBytes(await read(store, KEY), patterned(200, 2))
    await filling.writer.commit()
    assertBytes(await filling.reader.bytes(), patterned(100, 1))
    assertBytes(await read(store, KEY), patterned(100, 1))
    await store.checkpoint()
    const again = suite.capabilities.survivesReopening ? await place.reopen() : store
    assertBytes(await read(again, KEY), patterned(100, 1))
  })

  suite.test('[core 27] extend begins with the committed bytes, and leaves them to their readers', async () => {
    await using place = await suite.open()
    await fill(place.store, KEY, patterned(300_000))
    await place.store.checkpoint()
    const { store } = place
    using old = await store.open(KEY)
    await using got = await begin(store, KEY, { mode: 'extend' })
    assert.equal(got.writer.coverage.size, 300_000)
    assertBytes(await got.reader.bytes({ end: 300_000 }), patterned(300_000))
    await got.writer.writeAt(300_000, patterned(1000, 0, 300_000))
    assert.equal(await got.writer.commit(), 301_000)
    assertBytes(await old.bytes(), patterned(300_000))
    assertBytes(await read(store, KEY), patterned(301_000))
    if (suite.capabilities.survivesReopening) assertBytes(await read(await place.reopen(), KEY), patterned(301_000))
  })

  suite.test(
    '[core 27] an extend that is released, or writes over the prefix, changes nothing of the old',
    async () => {
      await using place = await suite.open()
      const { store } = place
      await fill(store, KEY, patterned(1000, 1))
      const got = await begin(store, KEY, { mode: 'extend' })
      await got.writer.writeAt(0, patterned(500, 2))
      await got[Symbol.asyncDispose]()
      assertBytes(await read(store, KEY), patterned(1000, 1))
      await using nothing = await begin(store, ResourceKey.of('live', 'other'), { mode: 'extend' })
      assert.equal(nothing.writer.coverage.size, 0)
    },
  )

  suite.test('[core 27] a key removed while it is rewritten does not come back', async () => {
    await using place = await suite.open()
    const { store } = place
    await fill(store, KEY, patterned(100, 1))
    await using got = await begin(store, KEY, { mode: 'rewrite' })
    await got.writer.writeAt(0, patterned(100, 2))
    await store.remove(KEY)
    await rejectsWith(got.writer.commit(), 'ERR_CISTERN_REMOVED')
    await rejectsWith(store.open(KEY), 'ERR_CISTERN_NOT_FOUND')
  })
}

/** Bytes that name their generation throughout, of a length of its own. */
function playlist(n: number): Uint8Array {
  return Buffer.from(`#${n}\n`.repeat(50 + ((n * 37) % 400)))
}

/** Fails unless all of it is of one generation, and nothing is missing. */
function generationOf(bytes: Uint8Array): number {
  const n = Number(Buffer.from(bytes).toString('latin1').split('\n', 1)[0]?.slice(1))
  assertBytes(bytes, playlist(n), `generation ${n}`)
  return n
}

/** In several reads, so that a change in between would show. */
async function inPieces(reader: ResourceReader): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of reader.chunks({ chunkSize: 256 })) pieces.push(piece)
  return Buffer.concat(pieces)
}
