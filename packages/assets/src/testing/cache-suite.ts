import assert from 'node:assert/strict'
import { ResourceKey } from '../key.js'
import { assertBytes, patterned, rejectsWith } from './bytes.js'
import { assetsOf, fill, read, type Suite } from './suite.js'

const KEY = ResourceKey.of('film', 'film.mp4')

/** Readers that a cache may have kept show what is there, and nothing else. */
export function testCache(suite: Suite): void {
  suite.test('[core 21] an open handle survives however many others are opened', async () => {
    await using place = await suite.open({ cacheEntries: 3 })
    const { store } = place
    await fill(store, KEY, patterned(10_000))
    using held = await store.open(KEY)
    for (let n = 0; n < 12; n++) {
      const key = ResourceKey.of('other', `${n}.ts`)
      await fill(store, key, patterned(1000, n))
      assertBytes(await read(store, key), patterned(1000, n))
    }
    assertBytes(await held.bytes(), patterned(10_000))
    assertBytes(await read(store, KEY), patterned(10_000))
  })

  for (const cacheEntries of [0, 1, 5]) {
    suite.test(`[core 21] with ${cacheEntries} idle readers at most, every open reads the right bytes`, async () => {
      await using place = await suite.open({ cacheEntries })
      const keys = Array.from({ length: 8 }, (_, n) => ResourceKey.of('film', `${n}.ts`))
      for (const [n, key] of keys.entries()) await fill(place.store, key, patterned(500, n))
      for (let round = 0; round < 3; round++)
        for (const [n, key] of keys.entries()) assertBytes(await read(place.store, key), patterned(500, n), key.id)
    })
  }

  suite.test('[core 21] idle, a reader is none: nobody reads', async () => {
    await using place = await suite.open()
    await fill(place.store, KEY, patterned(100))
    ;(await place.store.open(KEY)).close()
    assert.equal(place.store.stat(KEY)?.readers, 0)
    assert.equal(place.store.stats().readers, 0)
    assert.equal(place.store.assetStat('film')?.leases, 0)
  })

  suite.test('[core 21] an idle reader never outlives a rewrite, a replacement, a move of what it shows', async () => {
    await using place = await suite.open()
    const { store } = place
    await fill(store, KEY, patterned(100, 1))
    assertBytes(await read(store, KEY), patterned(100, 1))
    await fill(store, KEY, patterned(200, 2), { mode: 'rewrite' })
    assertBytes(await read(store, KEY), patterned(200, 2))
    await store.put(KEY, patterned(300, 3))
    assertBytes(await read(store, KEY), patterned(300, 3))
    const other = ResourceKey.of('film', 'other.mp4')
    await store.put(other, patterned(400, 4))
    assertBytes(await read(store, other), patterned(400, 4))
    await store.move(KEY, other)
    assertBytes(await read(store, other), patterned(300, 3))
    await rejectsWith(store.open(KEY), 'ERR_CISTERN_NOT_FOUND')
  })

  suite.test('[core 21] an idle reader never outlives a removal', async () => {
    await using place = await suite.open()
    const { store } = place
    for (const remove of [() => store.remove(KEY), () => store.removeAsset('film')]) {
      await fill(store, KEY, patterned(100))
      assertBytes(await read(store, KEY), patterned(100))
      assert.equal(await remove(), true)
      await rejectsWith(store.open(KEY), 'ERR_CISTERN_NOT_FOUND')
      assert.equal(await store.get(KEY), undefined)
    }
  })

  if (suite.has('evict')) {
    suite.test('[core 21] an idle reader keeps nothing from being evicted, and does not outlive that', async () => {
      await using place = await suite.open({ cacheEntries: 5, maxAssets: 2 })
      const { store } = place
      for (let n = 0; n < 6; n++) {
        const key = ResourceKey.of(`film-${n}`, 'film.mp4')
        await fill(store, key, patterned(100, n))
        assertBytes(await read(store, key), patterned(100, n))
        assert.ok(assetsOf(store).length <= 2, `${assetsOf(store)}`)
      }
      for (let n = 0; n < 4; n++)
        await rejectsWith(store.open(ResourceKey.of(`film-${n}`, 'film.mp4')), 'ERR_CISTERN_NOT_FOUND')
    })
  }
}
