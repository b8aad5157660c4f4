import assert from 'node:assert/strict'
import { ResourceKey } from '../key.js'
import { assertBytes, patterned } from './bytes.js'
import { assetsOf, begin, fill, read, type Suite } from './suite.js'

const of = (asset: string): ResourceKey => ResourceKey.of(asset, 'film.mp4')

/** What keeps an asset from being evicted, and for how long. */
export function testLeases(suite: Suite): void {
  suite.test('[core 22] leases are counted, and given back once each', async () => {
    await using place = await suite.open()
    const { store } = place
    await fill(store, of('a'), patterned(10))
    const [one, two] = [store.lease('a'), store.asset('a').lease()]
    assert.equal(store.assetStat('a')?.leases, 2)
    one.release()
    one.release()
    one[Symbol.dispose]()
    assert.equal(store.assetStat('a')?.leases, 1)
    two.release()
    assert.equal(store.assetStat('a')?.leases, 0)
  })

  if (suite.has('lease')) {
    suite.test('[core 22] every open handle is a lease: readers, clones, writers, streams', async () => {
      await using place = await suite.open()
      const { store } = place
      const leases = (): number | undefined => store.assetStat('a')?.leases
      const got = await begin(store, of('a'))
      assert.equal(leases(), 1)
      await got.writer.writeAt(0, patterned(1000))
      got.reader.close()
      assert.equal(leases(), 1)
      await got.writer.commit()
      assert.equal(leases(), 0)
      const reader = await store.open(of('a'))
      const clone = reader.clone()
      reader.close()
      assert.equal(leases(), 1)
      clone.close()
      assert.equal(leases(), 0)
      const opened = await store.open(of('a'))
      const chunks = opened.chunks({ chunkSize: 100 })[Symbol.asyncIterator]()
      await chunks.next()
      opened.close()
      assert.equal(leases(), 1)
      await chunks.return?.()
      assert.equal(leases(), 0)
    })
  }

  if (suite.has('evict')) {
    suite.test('[core 22] of two leases one closed, it is still pinned; both closed, it can be evicted', async () => {
      await using place = await suite.open({ maxAssets: 1 })
      const { store } = place
      await fill(store, of('a'), patterned(10))
      const [one, two] = [store.lease('a'), store.lease('a')]
      one.release()
      await fill(store, of('b'), patterned(10)).catch(() => undefined) // there may be no room for it
      assertBytes(await read(store, of('a')), patterned(10))
      await store.removeAsset('b')
      two.release()
      await fill(store, of('c'), patterned(10))
      assert.deepEqual(assetsOf(store), ['c'])
    })

    suite.test('[core 22] an explicit removal ignores leases and pins', async () => {
      await using place = await suite.open()
      const { store } = place
      await fill(store, of('a'), patterned(10))
      using _lease = store.lease('a')
      await store.pin('a')
      assert.equal(await store.removeAsset('a'), true)
      assert.deepEqual(assetsOf(store), [])
    })
  }

  suite.test('[core 22] a removal with unless is not done where it says so', async () => {
    await using place = await suite.open()
    const { store } = place
    await fill(store, of('a'), patterned(10))
    assert.equal(await store.removeAsset('a', { unless: () => true }), false)
    assertBytes(await read(store, of('a')), patterned(10))
    assert.equal(await store.removeAsset('a', { unless: () => false }), true)
    assert.equal(await store.removeAsset('a'), false)
  })

  suite.test('[core 30] pin and unpin are seen at once', async () => {
    await using place = await suite.open()
    const { store } = place
    await fill(store, of('a'), patterned(100))
    await store.pin('a')
    assert.equal(store.assetStat('a')?.pinned, true)
    assert.equal(store.stats().pinnedBytes, 100)
    await store.unpin('a')
    assert.equal(store.assetStat('a')?.pinned, false)
    assert.equal(store.stats().pinnedBytes, 0)
  })

  if (suite.capabilities.survivesReopening) {
    suite.test('[core 30] pins survive reopening, leases do not, and a dropped pin never comes back', async () => {
      await using place = await suite.open()
      for (const asset of ['pinned', 'leased', 'unpinned']) await fill(place.store, of(asset), patterned(10))
      await place.store.pin('pinned')
      place.store.lease('leased')
      await place.store.pin('unpinned')
      await Promise.all([place.store.checkpoint(), place.store.unpin('unpinned'), place.store.checkpoint()])
      const store = await place.reopen()
      const pinned = [...store.assets()].filter((stat) => stat.pinned).map(({ asset }) => asset)
      assert.deepEqual(pinned, ['pinned'])
      assert.equal(store.assetStat('leased')?.leases, 0)
    })
  }
}
