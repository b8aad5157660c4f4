import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AssetStore,
  cached,
  DEFAULTS,
  InvalidKeyError,
  InvalidOptionError,
  openStore,
  ResourceKey,
  type StoreOptions,
  volatileIndex,
} from '@cistern/assets'
import { MemStore, memAssets } from '@cistern/mem-store'
import { onBoth } from './stores.js'

const key = ResourceKey.of('film', 'a.ts')

onBoth('[core 37] unknown and mistyped options are refused by name, before anything is begun', async (open) => {
  await using store = await open()
  const calls: readonly (readonly [name: string, call: (options: never) => Promise<unknown>])[] = [
    ['proccessor', (options) => store.acquire(key, options)],
    ['mode', (options) => store.acquire(key, options)],
    ['length', (options) => store.acquire(key, options)],
    ['metadata', (options) => store.acquire(key, options)],
    ['integrity', (options) => store.put(key, 'x', options)],
    ['mode', (options) => store.put(key, 'x', options)],
    ['signal', (options) => store.openOrFill(key, () => assert.fail(), options)],
    ['comitted', (options) => store.open(key, options)],
    ['repair', (options) => store.verify(options)],
    ['unless', (options) => store.removeAsset('film', options)],
    ['maxBytes', (options) => store.setLimits(options)],
    ['cacheEntries', (options) => store.setLimits(options)],
  ]
  for (const [name, call] of calls) {
    await assert.rejects(call({ [name]: 'something' } as never), (error) => {
      assert.ok(error instanceof InvalidOptionError, `${name}: ${error}`)
      assert.ok(error.message.includes(name), error.message)
      return true
    })
  }
  await assert.rejects(store.acquire(key, 5 as never), InvalidOptionError)
  await assert.rejects(store.open(key, new Map() as never), InvalidOptionError)
  assert.equal(store.stat(key), undefined)
  assert.equal(store.stats().resources, 0)
})

onBoth('[core 37] keys are made by ResourceKey, assets are portable names', async (open) => {
  await using store = await open()
  const alike = { asset: 'film', path: 'a.ts', id: 'film/a.ts' } as never
  const calls = [
    () => store.acquire(alike),
    () => store.open(alike),
    () => store.openOrFill(alike, () => assert.fail()),
    () => store.put('film/a.ts' as never, 'x'),
    () => store.get(undefined as never),
    () => store.remove(alike),
    () => store.move(key, alike),
    () => store.setMetadata(alike, {}),
    () => store.pin('../film'),
    () => store.unpin(''),
    () => store.removeAsset('_index'),
    () => store.asset('film').put('../a.ts', 'x'),
    () => store.asset('film').open('con'),
  ]
  for (const call of calls) await assert.rejects(call, InvalidKeyError, String(call))
  assert.throws(() => store.stat(alike), InvalidKeyError)
  assert.throws(() => store.assetStat('a/b'), InvalidKeyError)
  assert.throws(() => store.resources('.'), InvalidKeyError)
  assert.throws(() => store.lease('a\0'), InvalidKeyError)
  assert.throws(() => store.asset('nul.txt'), InvalidKeyError)
})

test('[core 37] opening refuses what it does not know', async () => {
  for (const options of [{ maxbytes: 5 }, { maxBytes: -1 }, { flushMs: '5' }, { durability: 'none' }, { layers: [] }]) {
    await assert.rejects(MemStore.open(options as never), InvalidOptionError)
    await assert.rejects(openStore(memAssets(), volatileIndex(), options as never), InvalidOptionError)
    await assert.rejects(AssetStore.open({ root: '/nowhere/at/all', ...options } as never), InvalidOptionError)
  }
  await assert.rejects(AssetStore.open({} as never), InvalidOptionError)
  await assert.rejects(openStore(memAssets(), volatileIndex(), { layers: () => 'none' as never }), InvalidOptionError)
})

test('[core 37] what makes a part of a store refuses unknown names as well', () => {
  assert.throws(
    () => cached({ cacheEntriez: 3 } as never),
    /unknown option 'cacheEntriez', did you mean 'cacheEntries'/,
  )
  assert.throws(() => cached({ cacheEntries: '3' } as never), InvalidOptionError)
  assert.throws(() => memAssets({ falt: () => {} } as never), InvalidOptionError)
  assert.throws(() => volatileIndex({ onWrit: () => {} } as never), InvalidOptionError)
})

onBoth('[core 37] undefined options are as if absent', async (open) => {
  const options: Required<StoreOptions> = {
    maxAssets: undefined,
    maxBytes: undefined,
    minFreeBytes: undefined,
    cacheEntries: undefined,
    durability: undefined,
    flushMs: undefined,
    signal: undefined,
    base: undefined,
    layers: undefined,
  }
  await using store = await open(options)
  assert.equal(store.stats().limits.minFreeBytes, DEFAULTS.minFreeBytes)
  const stat = await store.put(key, 'x', {
    processor: undefined,
    length: undefined,
    metadata: undefined,
    integrity: undefined,
    signal: undefined,
  })
  assert.equal(stat.length, 1)
  ;(await store.open(key, { verify: undefined, committed: undefined, signal: undefined })).close()
})

test('[core 37] limits: the documented defaults; given names replace, others stay, Infinity lifts', async () => {
  await using store = await openStore(memAssets(), volatileIndex())
  assert.deepEqual(store.stats().limits, { minFreeBytes: 256 * 1024 * 1024 })
  await store.setLimits({ maxBytes: 1000, maxAssets: 3 })
  await store.setLimits({ maxAssets: 4, maxBytes: undefined, minFreeBytes: 0 })
  assert.deepEqual(store.stats().limits, { maxAssets: 4, maxBytes: 1000, minFreeBytes: 0 })
  await store.setLimits({ maxAssets: Number.POSITIVE_INFINITY })
  assert.deepEqual(store.stats().limits, { maxBytes: 1000, minFreeBytes: 0 })
  await using memory = await MemStore.open()
  assert.equal(memory.stats().limits.maxBytes, 256 * 1024 * 1024)
})

onBoth('a hit is a use of what is committed, all else is a miss; handles are counted while open', async (open) => {
  await using store = await open()
  await assert.rejects(store.open(key))
  assert.equal(await store.get(key), undefined)
  const got = await store.acquire(key)
  const joined = await store.acquire(key)
  const { hits, misses, readers, writers } = store.stats()
  assert.deepEqual({ hits, misses, readers, writers }, { hits: 0, misses: 4, readers: 2, writers: 1 })
  await got.writer?.writeAt(0, Buffer.from('x'))
  await got.writer?.commit()
  assert.equal(store.stats().writers, 0)
  const clone = joined.reader.clone()
  joined.reader.close()
  assert.equal(store.stats().readers, 2)
  clone.close()
  got.reader.close()
  assert.equal(store.stats().readers, 0)
  for (const open of [() => store.open(key), () => store.acquire(key).then(({ reader }) => reader)])
    (await open()).close()
  await store.get(key)
  await store.put(key, 'y')
  assert.equal(store.stats().hits, 3)
  assert.equal(store.stats().misses, 4)
  assert.equal(store.stats().readers, 0)
})

onBoth('the verbs of an asset are those of the store', async (open) => {
  await using store = await open()
  const film = store.asset('film')
  assert.equal(film.id, 'film')
  await film.put('a.ts', 'one')
  assert.equal(film.stat('a.ts')?.key.id, 'film/a.ts')
  assert.equal((await film.get('a.ts'))?.length, 3)
  ;(await film.open('a.ts')).close()
  ;(await film.openOrFill('a.ts', () => assert.fail())).close()
  await using got = await film.acquire('b.ts')
  assert.ok(got.writer)
  await film.setMetadata('a.ts', { a: 1 })
  assert.deepEqual([...film.resources()].map(({ key }) => key.path).sort(), ['a.ts', 'b.ts'])
  using lease = film.lease()
  assert.equal(store.assetStat('film')?.leases, 2)
  lease.release()
  lease.release()
  assert.equal(store.assetStat('film')?.leases, 1)
  await film.pin()
  assert.equal(store.assetStat('film')?.pinned, true)
  await film.unpin()
  assert.equal(store.assetStat('film')?.pinned, false)
  assert.equal(await film.remove('a.ts'), true)
  assert.equal(await film.remove('a.ts'), false)
})
