import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { ResourceKey } from '../key.js'
import type { PutBody } from '../put.js'
import { assertBytes, gate, patterned, rejectsWith } from './bytes.js'
import { begin, fill, leave, occupies, read, type Suite } from './suite.js'

const KEY = ResourceKey.of('film', 'poster.jpg')
const sri = (bytes: Uint8Array): string => `sha256-${createHash('sha256').update(bytes).digest('base64')}`

/** Whole things at once, and what is kept beside them. */
export function testPut(suite: Suite): void {
  const bodies: readonly (readonly [what: string, make: () => PutBody])[] = [
    ['bytes', () => patterned(3000)],
    ['an ArrayBuffer', () => patterned(3000).buffer],
    ['an iterable', () => [patterned(1000), patterned(2000, 0, 1000)]],
    ['an async iterable', async function* () {
      yield patterned(1000)
      yield patterned(2000, 0, 1000)
    }],
    ['a web stream', () => new Blob([patterned(3000)]).stream()],
  ] // biome-ignore format: a table
  for (const [what, make] of bodies) {
    suite.test(`[core 28] put takes ${what}`, async () => {
      await using place = await suite.open()
      const stat = await place.store.put(KEY, make())
      assert.deepEqual([stat.state, stat.length], ['committed', 3000])
      assertBytes(await place.store.get(KEY), patterned(3000))
    })
  }

  suite.test('[core 28] put takes text, and nothing', async () => {
    await using place = await suite.open()
    await place.store.put(KEY, 'déjà vu')
    assert.equal(Buffer.from((await place.store.get(KEY)) ?? []).toString(), 'déjà vu')
    await place.store.put(KEY, null)
    assert.equal((await place.store.get(KEY))?.length, 0)
  })

  suite.test('[core 28] nobody sees a put before its commit; the old is there until then', async () => {
    await using place = await suite.open()
    const { store } = place
    for (const before of [undefined, patterned(100, 1)]) {
      if (before) await store.put(KEY, before)
      const [begun, going] = [gate(), gate()]
      const putting = store.put(
        KEY,
        (async function* () {
          yield patterned(50, 2)
          begun.open()
          await going.opened
          yield patterned(50, 2, 50)
        })(),
      )
      await begun.opened
      assert.equal(store.stat(KEY)?.length, before?.length)
      if (before) assertBytes(await store.get(KEY), before)
      else {
        assert.equal(await store.get(KEY), undefined)
        await rejectsWith(store.open(KEY), 'ERR_CISTERN_NOT_FOUND')
      }
      going.open()
      await putting
      assertBytes(await store.get(KEY), patterned(100, 2))
      await store.remove(KEY)
    }
  })

  suite.test('[core 28] a put does not touch a fill under way, and whoever fills does not see it', async () => {
    await using place = await suite.open()
    const { store } = place
    await using got = await begin(store, KEY)
    await got.writer.writeAt(0, patterned(100, 1))
    await store.put(KEY, patterned(200, 2))
    assertBytes(await store.get(KEY), patterned(200, 2))
    assertBytes(await got.reader.bytes({ end: 100 }), patterned(100, 1))
  })

  suite.test('[core 28] the wrong digest leaves nothing, or what was there; the right one is kept', async () => {
    await using place = await suite.open()
    const { store } = place
    const right = patterned(500_000)
    const integrity = sri(right)
    await rejectsWith(store.put(KEY, patterned(500_000, 9), { integrity }), 'ERR_CISTERN_INTEGRITY')
    assert.equal(store.stat(KEY), undefined)
    assert.equal(await store.get(KEY), undefined)
    await store.put(KEY, right, { integrity })
    await rejectsWith(store.put(KEY, patterned(400_000, 9), { integrity }), 'ERR_CISTERN_INTEGRITY')
    assertBytes(await store.get(KEY), right)
    await store.checkpoint()
    await occupies(store, right.length)
  })

  suite.test('[core 28] the wrong digest of a fill fails it for its readers, and the next acquire works', async () => {
    await using place = await suite.open()
    const { store } = place
    const integrity = sri(patterned(1000))
    const got = await begin(store, KEY, { integrity })
    await got.writer.writeAt(500, patterned(500, 0, 500))
    await got.writer.writeAt(0, patterned(500, 9))
    const told = rejectsWith(got.reader.waitCommit(), 'ERR_CISTERN_INTEGRITY')
    await rejectsWith(got.writer.commit(), 'ERR_CISTERN_INTEGRITY')
    await told
    assert.equal(store.stat(KEY), undefined)
    got.reader.close()
    await fill(store, KEY, patterned(1000), { integrity })
    assertBytes(await store.get(KEY), patterned(1000))
  })

  suite.test('[core 28] a digest is of the bytes as they are in the end, however they were written', async () => {
    await using place = await suite.open()
    await using got = await begin(place.store, KEY, { integrity: sri(patterned(1000)) })
    await got.writer.writeAt(0, patterned(700, 9))
    await got.writer.writeAt(400, patterned(600, 0, 400))
    await got.writer.writeAt(0, patterned(500))
    assert.equal(await got.writer.commit(), 1000)
  })

  suite.test('[core 28] a source that fails leaves what was there', async () => {
    await using place = await suite.open()
    const { store } = place
    await store.put(KEY, patterned(100, 1))
    const broken = (async function* () {
      yield patterned(50, 2)
      throw new Error('cut off')
    })()
    await assert.rejects(store.put(KEY, broken), /cut off/)
    await rejectsWith(store.put(KEY, patterned(10), { length: 11 }), 'ERR_CISTERN_INCOMPLETE')
    assertBytes(await store.get(KEY), patterned(100, 1))
    await store.checkpoint()
    await occupies(store, 100)
  })

  suite.test('[core 28] of many puts at once the last to commit wins, whole', async () => {
    await using place = await suite.open()
    const { store } = place
    let last = -1
    const puts = Array.from({ length: 8 }, async (_, n) => {
      await store.put(KEY, patterned(100_000 + n, n))
      last = n
    })
    await Promise.all(puts)
    assertBytes(await store.get(KEY), patterned(100_000 + last, last))
    await store.checkpoint()
    await occupies(store, 100_000 + last)
    const again = suite.capabilities.survivesReopening ? await place.reopen() : store
    assertBytes(await read(again, KEY), patterned(100_000 + last, last))
  })

  suite.test(
    '[core 28] move: the other key has the bytes and metadata, the first has nothing; readers go on',
    async () => {
      await using place = await suite.open()
      const { store } = place
      const other = ResourceKey.of('other', 'sub/poster.jpg')
      await store.put(KEY, patterned(300_000, 1), { metadata: { type: 'image/jpeg' } })
      await store.put(other, patterned(100, 2))
      using reader = await store.open(KEY)
      await store.move(KEY, other)
      await rejectsWith(store.open(KEY), 'ERR_CISTERN_NOT_FOUND')
      assertBytes(await read(store, other), patterned(300_000, 1))
      assertBytes(await reader.bytes(), patterned(300_000, 1))
      await store.checkpoint()
      await occupies(store, 300_000)
      const again = suite.capabilities.survivesReopening ? await place.reopen() : store
      assertBytes(await read(again, other), patterned(300_000, 1))
      assert.deepEqual(again.stat(other)?.metadata, { type: 'image/jpeg' })
      assert.equal(again.stat(KEY), undefined)
      await again.put(KEY, patterned(10, 3))
      assertBytes(await read(again, other), patterned(300_000, 1))
    },
  )

  suite.test('[core 28] move of nothing is NotFoundError, of what is being written NotSupportedError', async () => {
    await using place = await suite.open()
    const { store } = place
    const other = ResourceKey.of('film', 'other')
    await rejectsWith(store.move(KEY, other), 'ERR_CISTERN_NOT_FOUND')
    await leave(store, KEY, patterned(100))
    await rejectsWith(store.move(KEY, other), 'ERR_CISTERN_NOT_SUPPORTED')
    await store.put(KEY, 'x')
    await store.move(KEY, KEY)
    assert.equal((await read(store, KEY)).length, 1)
  })

  suite.test(
    '[core 28] metadata of acquire, of the writer and of setMetadata: the last one counts, and is kept',
    async () => {
      await using place = await suite.open()
      {
        const { store } = place
        await using got = await begin(store, KEY, { metadata: { by: 'acquire' } })
        assert.deepEqual(store.stat(KEY)?.metadata, { by: 'acquire' })
        got.writer.setMetadata({ by: 'writer', etag: '"v1"' })
        assert.deepEqual(store.stat(KEY)?.metadata, { by: 'writer', etag: '"v1"' })
        await got.writer.writeAt(0, patterned(10))
        await got.writer.commit()
        assert.deepEqual(store.stat(KEY)?.metadata, { by: 'writer', etag: '"v1"' })
        await store.setMetadata(KEY, { by: 'setMetadata', expires: 1 })
        assert.deepEqual(store.stat(KEY)?.metadata, { by: 'setMetadata', expires: 1 })
        await rejectsWith(store.setMetadata(ResourceKey.of('film', 'none'), {}), 'ERR_CISTERN_NOT_FOUND')
      }
      const store = suite.capabilities.survivesReopening ? await place.reopen() : place.store
      assert.deepEqual(store.stat(KEY)?.metadata, { by: 'setMetadata', expires: 1 })
      assertBytes(await read(store, KEY), patterned(10))
      await store.setMetadata(KEY, { by: 'setMetadata at rest' })
      const again = suite.capabilities.survivesReopening ? await place.reopen() : place.store
      assert.deepEqual(again.stat(KEY)?.metadata, { by: 'setMetadata at rest' })
    },
  )
}
