import assert from 'node:assert/strict'
import { ResourceKey } from '../key.js'
import { assertBytes, patterned, rejectsWith } from './bytes.js'
import { assetsOf, begin, fill, leave, occupies, read, type Suite } from './suite.js'

const of = (asset: string, path: string): ResourceKey => ResourceKey.of(asset, path)
const KEY = of('film', '1.ts')

/** Gone means gone, and nothing else with it. */
export function testRemoval(suite: Suite): void {
  suite.test('[core 26] removing one resource leaves its siblings', async () => {
    await using place = await suite.open()
    const keys = ['1.ts', '2.ts', 'sub/1.ts', '1.ts.d/x'].map((path) => of('film', path))
    for (const [n, key] of keys.entries()) await fill(place.store, key, patterned(100, n))
    assert.equal(await place.store.remove(KEY), true)
    assert.equal(await place.store.remove(KEY), false)
    const store = suite.capabilities.survivesReopening ? await place.reopen() : place.store
    await rejectsWith(store.open(KEY), 'ERR_CISTERN_NOT_FOUND')
    for (const [n, key] of keys.slice(1).entries()) assertBytes(await read(store, key), patterned(100, n + 1))
    const paths = [...store.resources('film')].map(({ key }) => key.path)
    assert.deepEqual(paths.sort(), keys.slice(1).map(({ path }) => path).sort()) // biome-ignore format: one thought
    assert.equal(store.assetStat('film')?.bytes, 300)
  })

  suite.test('[core 26] removing one asset leaves its siblings', async () => {
    await using place = await suite.open()
    for (const asset of ['film', 'film2', 'fil']) await fill(place.store, of(asset, '1.ts'), patterned(100))
    await leave(place.store, of('film', '2.ts'), patterned(100))
    await place.store.pin('film')
    assert.equal(await place.store.removeAsset('film'), true)
    const store = suite.capabilities.survivesReopening ? await place.reopen() : place.store
    assert.deepEqual(assetsOf(store).sort(), ['fil', 'film2'])
    assert.deepEqual([...store.resources('film')], [])
    assert.notEqual(store.assetStat('film')?.pinned, true)
    await occupies(store, 200)
    assertBytes(await read(store, of('film2', '1.ts')), patterned(100))
  })

  suite.test(
    '[core 26] removed under its handles: readers keep what is covered, waits and the writer are told',
    async () => {
      await using place = await suite.open()
      const { store } = place
      await using got = await begin(store, KEY)
      await got.writer.writeAt(0, patterned(100))
      using reader = await store.open(KEY)
      const wait = rejectsWith(reader.waitRange(0, 200), 'ERR_CISTERN_REMOVED')
      await store.remove(KEY)
      await wait
      await rejectsWith(got.writer.writeAt(100, patterned(1)), 'ERR_CISTERN_REMOVED')
      await rejectsWith(got.writer.commit(), 'ERR_CISTERN_REMOVED')
      assertBytes(await reader.bytes({ end: 100 }), patterned(100))
      assert.equal(store.stat(KEY), undefined)
      await using next = await begin(store, KEY)
      assert.equal(next.writer.coverage.size, 0)
    },
  )

  suite.test('[core 26] a reader of what is committed reads on after the removal', async () => {
    await using place = await suite.open()
    const { store } = place
    await fill(store, KEY, patterned(300_000))
    await store.checkpoint()
    using reader = await store.open(KEY)
    await store.remove(KEY)
    assertBytes(await reader.bytes(), patterned(300_000))
    await fill(store, KEY, patterned(100, 1))
    assertBytes(await reader.bytes({ start: 200_000 }), patterned(300_000).subarray(200_000))
    assertBytes(await read(store, KEY), patterned(100, 1))
  })

  suite.test('[core 26] a removal while a commit is under way never brings the key back', async () => {
    await using place = await suite.open()
    for (let round = 0; round < 10; round++) {
      const { store } = place
      const removeWhole = round % 2 === 0
      const got = await begin(store, KEY)
      await got.writer.writeAt(0, patterned(1000, round))
      const committing = got.writer.commit().then(
        () => true,
        () => false,
      )
      for (let step = 0; step < round; step++) await Promise.resolve()
      const removed = await (removeWhole ? store.removeAsset('film') : store.remove(KEY))
      assert.equal(removed, true)
      await committing
      got.reader.close()
      await store.checkpoint()
      assert.equal(store.stat(KEY), undefined, `round ${round}`)
      await occupies(store, 0)
    }
    const store = suite.capabilities.survivesReopening ? await place.reopen() : place.store
    assert.deepEqual([...store.resources('film')], [])
    const { resources, bytes, findings } = await store.verify()
    assert.deepEqual([resources, bytes, findings], [0, 0, []])
  })

  suite.test('[core 26] removed and filled again, time after time, while it is read', async () => {
    await using place = await suite.open()
    const { store } = place
    for (let round = 0; round < 10; round++) {
      await fill(store, KEY, patterned(5000, round))
      using reader = await store.open(KEY)
      const [removed, bytes] = await Promise.all([store.remove(KEY), reader.bytes()])
      assert.equal(removed, true)
      assertBytes(bytes, patterned(5000, round))
    }
    assert.deepEqual(assetsOf(store), [])
  })
}
