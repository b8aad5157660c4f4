import assert from 'node:assert/strict'
import type { AssetStore } from '../asset-store.js'
import { ResourceKey } from '../key.js'
import { aes128Cbc } from '../processors/aes-128-cbc.js'
import type { StoreEvents } from '../types.js'
import { assertBytes, patterned, rejectsWith } from './bytes.js'
import { assetsOf, begin, fill, leave, read, type Suite } from './suite.js'

const KIB = 1024
const of = (asset: string, path = 'film.mp4'): ResourceKey => ResourceKey.of(asset, path)

/** Within its limits, and the right ones have to go. */
export function testEviction(suite: Suite): void {
  if (!suite.has('evict')) return

  suite.test(
    '[core 23] maxAssets evicts the one used longest ago, never a pinned one, never the newcomer',
    async () => {
      await using place = await suite.open({ maxAssets: 3 })
      const { store } = place
      for (const asset of ['pinned', 'old', 'newer']) await fill(store, of(asset), patterned(100))
      await store.pin('pinned')
      await fill(store, of('newcomer'), patterned(100))
      assert.deepEqual(assetsOf(store).sort(), ['newcomer', 'newer', 'pinned'])
    },
  )

  suite.test('[core 23] maxAssets 1 works', async () => {
    await using place = await suite.open({ maxAssets: 1 })
    for (const asset of ['a', 'b', 'c', 'a']) {
      await fill(place.store, of(asset), patterned(100))
      assert.deepEqual(assetsOf(place.store), [asset])
    }
  })

  suite.test('[core 23] maxAssets is about assets, not resources', async () => {
    await using place = await suite.open({ maxAssets: 1 })
    for (let n = 0; n < 10; n++) await fill(place.store, of('film', `${n}.ts`), patterned(100, n))
    assert.equal(place.store.stats().resources, 10)
    assert.equal(place.store.stats().evictions, 0)
  })

  suite.test('[core 23] maxBytes counts all resources of an asset, unfinished ones too', async () => {
    await using place = await suite.open({ maxBytes: 100 * KIB })
    const { store } = place
    for (let n = 0; n < 3; n++) await fill(store, of('old', `${n}.ts`), patterned(10 * KIB, n))
    await leave(store, of('old', 'partial.ts'), patterned(30 * KIB), 5 * KIB)
    assert.equal(store.assetStat('old')?.bytes, 60 * KIB)
    await fill(store, of('new'), patterned(39 * KIB))
    assert.deepEqual(assetsOf(store), ['old', 'new'])
    await fill(store, of('newest'), patterned(2 * KIB))
    assert.deepEqual(assetsOf(store), ['new', 'newest'])
  })

  if (suite.has('processing')) {
    suite.test('[core 23] maxBytes counts source and output of what goes through a processor', async () => {
      await using place = await suite.open({ maxBytes: 1024 * KIB })
      const { store } = place
      await fill(store, of('old'), patterned(300 * KIB))
      await using got = await begin(store, of('new'), {
        processor: aes128Cbc({ key: patterned(16), iv: patterned(16) }),
      })
      await got.writer.writeAt(0, patterned(256 * KIB))
      await got.reader.waitRange(0, 256 * KIB - 16)
      assert.ok((store.assetStat('new')?.bytes ?? 0) >= 512 * KIB - 16, `${store.assetStat('new')?.bytes}`)
      await got.writer.writeAt(256 * KIB, patterned(256 * KIB))
      assert.deepEqual(assetsOf(store), ['new'])
    })
  }

  suite.test('[core 23] setLimits evicts at once what is too much by then', async () => {
    await using place = await suite.open()
    const { store } = place
    for (const asset of ['a', 'b', 'c', 'd']) await fill(store, of(asset), patterned(10 * KIB))
    await store.setLimits({ maxAssets: 3 })
    assert.deepEqual(assetsOf(store), ['b', 'c', 'd'])
    await store.setLimits({ maxBytes: 25 * KIB })
    assert.deepEqual(assetsOf(store), ['c', 'd'])
    assert.equal(store.stats().limits.maxAssets, 3)
  })

  suite.test('[core 24] evicted, fetched again, evicted again', async () => {
    await using place = await suite.open({ maxAssets: 2 })
    const { store } = place
    const evicted: string[] = []
    store.on('evict', ({ asset }: StoreEvents['evict'][0]) => evicted.push(asset))
    for (let round = 0; round < 3; round++) {
      for (const asset of ['a', 'b', 'c']) {
        await fill(store, of(asset), patterned(100, round))
        assertBytes(await read(store, of(asset)), patterned(100, round))
      }
    }
    assert.deepEqual(evicted, ['a', 'b', 'c', 'a', 'b', 'c', 'a'])
    assert.equal(store.stats().evictions, 7)
  })

  if (suite.has('lease')) {
    suite.test('[core 24] reading is a use, from the cache too; so is acquiring what is there', async () => {
      for (const use of [read, (store: AssetStore, key: ResourceKey) => store.get(key), hit]) {
        await using place = await suite.open({ maxAssets: 3 })
        const { store } = place
        for (const asset of ['a', 'b', 'c']) await fill(store, of(asset), patterned(100))
        for (let times = 0; times < 2; times++) await use(store, of('a'))
        await fill(store, of('d'), patterned(100))
        assert.deepEqual(assetsOf(store), ['c', 'a', 'd'])
      }
    })

    suite.test('[core 24] a lease is a use; looking is none', async () => {
      await using place = await suite.open({ maxAssets: 3 })
      const { store } = place
      for (const asset of ['a', 'b', 'c']) await fill(store, of(asset), patterned(100))
      store.lease('a').release()
      store.stat(of('b'))
      store.assetStat('b')
      await fill(store, of('d'), patterned(100))
      assert.deepEqual(assetsOf(store), ['c', 'a', 'd'])
    })
  }

  suite.test(
    '[core 25] everything pinned: that write is refused, and its writer goes on once a pin is dropped',
    async () => {
      await using place = await suite.open({ maxBytes: 100 * KIB })
      const { store } = place
      await fill(store, of('kept'), patterned(80 * KIB))
      await store.pin('kept')
      await using got = await begin(store, of('new'))
      await got.writer.writeAt(0, patterned(10 * KIB))
      await rejectsWith(got.writer.writeAt(10 * KIB, patterned(20 * KIB, 0, 10 * KIB)), 'ERR_CISTERN_QUOTA_EXCEEDED')
      assertBytes(await read(store, of('kept')), patterned(80 * KIB))
      await store.unpin('kept')
      await got.writer.writeAt(10 * KIB, patterned(20 * KIB, 0, 10 * KIB))
      await got.writer.commit()
      assertBytes(await store.get(of('new')), patterned(30 * KIB))
      assert.deepEqual(assetsOf(store), ['new'])
    },
  )

  if (suite.has('lease')) {
    suite.test('[core 25] what is being read is not evicted: the write is refused', async () => {
      await using place = await suite.open({ maxBytes: 100 * KIB })
      const { store } = place
      await fill(store, of('playing'), patterned(80 * KIB))
      using reader = await store.open(of('playing'))
      await using got = await begin(store, of('new'))
      await rejectsWith(got.writer.writeAt(0, patterned(30 * KIB)), 'ERR_CISTERN_QUOTA_EXCEEDED')
      assertBytes(await reader.bytes(), patterned(80 * KIB))
      reader.close()
      await got.writer.writeAt(0, patterned(30 * KIB))
    })
  }

  suite.test('[core 25] a writer of twice the quota never exceeds it, and is its own victim at no time', async () => {
    const maxBytes = 1024 * KIB
    await using place = await suite.open({ maxBytes })
    const { store } = place
    for (const asset of ['a', 'b']) await fill(store, of(asset), patterned(400 * KIB))
    await using got = await begin(store, of('long'))
    let at = 0
    const refusals: unknown[] = []
    for (; at < 2 * maxBytes && refusals.length === 0; at += 64 * KIB) {
      await got.writer.writeAt(at, patterned(64 * KIB, 0, at)).catch((error: unknown) => refusals.push(error))
      assert.ok(store.stats().bytes <= maxBytes, `${store.stats().bytes} of ${maxBytes} at ${at}`)
    }
    await rejectsWith(Promise.reject(refusals[0]), 'ERR_CISTERN_QUOTA_EXCEEDED')
    assert.equal(store.stat(of('long'))?.coverage.size, maxBytes)
    assert.deepEqual(assetsOf(store), ['long'])
    await got.writer.fail(new Error('too long'))
    assert.equal(store.stats().assets, 0)
  })

  suite.test('[core 25] writers at work together never exceed the quota', async () => {
    const maxBytes = 512 * KIB
    await using place = await suite.open({ maxBytes })
    const { store } = place
    const write = async (asset: string): Promise<void> => {
      await using got = await begin(store, of(asset))
      for (let at = 0; at < 300 * KIB; at += 20 * KIB) {
        await got.writer.writeAt(at, patterned(20 * KIB, 0, at))
        assert.ok(store.stats().bytes <= maxBytes, `${store.stats().bytes} of ${maxBytes}`)
      }
      await got.writer.commit()
    }
    const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd'].map(write))
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') await rejectsWith(Promise.reject(outcome.reason), 'ERR_CISTERN_QUOTA_EXCEEDED')
    assert.ok(store.stats().bytes <= maxBytes)
  })
}

async function hit(store: AssetStore, key: ResourceKey): Promise<void> {
  await using got = await store.acquire(key)
  assert.equal(got.writer, undefined)
}
