import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CisternError } from '@cistern/storage'
import { ResourceKey } from '#assets/key.js'
import { AssetsLayer } from '#assets/layers/assets-layer.js'
import { cached } from '#assets/layers/cached.js'
import { evict } from '#assets/layers/evict.js'
import { lease } from '#assets/layers/lease.js'
import type { Assets, Layer } from '#assets/types.js'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { chainOver, FakeStore, fill } from './fake-base.js'

const key = ResourceKey.of('film', 'a.ts')
const other = ResourceKey.of('film', 'b.ts')

async function filled(): Promise<{ store: FakeStore; assets: ReturnType<typeof chainOver>; leases: () => number }> {
  const store = new FakeStore()
  const assets = chainOver(store, lease)
  await fill(assets, key, Buffer.from('hello'))
  await fill(assets, other, Buffer.from('world'))
  return { store, assets, leases: () => store.index.leases.get('film') ?? 0 }
}

test('[core 22] an asset is pinned until the last of its handles is closed', async () => {
  const { assets, leases } = await filled()
  assert.equal(leases(), 0)
  const one = await assets.open(key)
  const two = await assets.open(other)
  one.close()
  assert.equal(leases(), 1)
  one.close() // closing twice is closing once
  assert.equal(leases(), 1)
  two.close()
  assert.equal(leases(), 0)
})

test('[core 22] clones and streams pin it as their reader does', async () => {
  const { assets, leases } = await filled()
  const reader = await assets.open(key)
  const clone = reader.clone()
  const chunks = reader.chunks()[Symbol.asyncIterator]()
  reader.close()
  assert.equal(leases(), 1)
  clone.close()
  assert.equal(leases(), 1)
  while (!(await chunks.next()).done);
  assert.equal(leases(), 0)
})

test('[core 22] a writer pins it until it settled, however it does', async () => {
  const { assets, leases } = await filled()
  for (const settle of ['commit', 'release', 'fail'] as const) {
    const got = await assets.acquire(ResourceKey.of('film', `${settle}.ts`))
    got.reader.close()
    assert.equal(leases(), 1, settle)
    await got.writer?.writeAt(0, Buffer.from('x'))
    if (settle === 'fail') await got.writer?.fail(new Error('no more'))
    else await got.writer?.[settle]()
    assert.equal(leases(), 0, settle)
  }
})

test('[core 22] a writer that is removed under its hands pins nothing any more', async () => {
  const { assets, leases } = await filled()
  const got = await assets.acquire(ResourceKey.of('film', 'c.ts'))
  await assets.removeAsset('film')
  assert.equal(leases(), 1)
  got.reader.close()
  assert.equal(leases(), 0)
})

test('the asset is pinned before the inner layer is asked, and given back when that rejects or throws', async () => {
  const store = new FakeStore()
  const seen: (number | undefined)[] = []
  const refusing: Layer = (inner) =>
    new (class extends AssetsLayer {
      override open(): never {
        seen.push(store.index.leases.get('film'))
        throw new Error('at once')
      }
      override async acquire(): Promise<never> {
        seen.push(store.index.leases.get('film'))
        throw new Error('later')
      }
    })(inner)
  const assets = chainOver(store, lease, refusing)
  await assert.rejects(async () => assets.open(key), /at once/)
  await assert.rejects(assets.acquire(key), /later/)
  assert.deepEqual(seen, [1, 1])
  assert.equal(store.index.leases.get('film'), 0)
})

test('[core 24] every open, acquire and move is a use; asking for what is not there is none', async () => {
  const { store, assets } = await filled()
  const order = (): string[] => [...store.index.order]
  await fill(assets, ResourceKey.of('song', 'a.ts'), Buffer.from('la'))
  assert.deepEqual(order(), ['film', 'song'])
  ;(await assets.open(key)).close()
  assert.deepEqual(order(), ['song', 'film'])
  await (await assets.acquire(ResourceKey.of('song', 'a.ts')))[Symbol.asyncDispose]()
  assert.deepEqual(order(), ['film', 'song'])
  await assert.rejects(assets.open(ResourceKey.of('film', 'none.ts')), (e) =>
    CisternError.is(e, 'ERR_CISTERN_NOT_FOUND'),
  )
  assert.deepEqual(order(), ['film', 'song'])
  await assets.move(key, ResourceKey.of('disc', 'a.ts'))
  assert.equal(order().at(-1), 'disc')
  assert.deepEqual([...store.index.leases.values()], [0, 0, 0])
})

test('[core 16] handles dropped unclosed are collected through all layers: lease, descriptor and reservation come back', async () => {
  const store = new FakeStore({ limits: { maxBytes: 100 } })
  const assets = chainOver(store, lease, cached({ cacheEntries: 2 }), evict)
  await fill(assets, key, Buffer.alloc(10))
  await dropUnclosed(assets)
  assert.equal(store.index.leases.get('song'), 1)
  assert.equal(store.index.leases.get('film'), 1)
  setFlagsFromString('--expose_gc')
  const collectGarbage = runInNewContext('gc') as () => void
  while (store.index.leases.get('song') !== 0 || store.index.leases.get('film') !== 0) {
    collectGarbage()
    await eventLoopTurn()
  }
  await fill(assets, ResourceKey.of('disc', 'a.ts'), Buffer.alloc(100))
  assert.deepEqual(store.evicted.map((event) => event.asset).sort(), ['film', 'song'])
})

async function dropUnclosed(assets: Assets): Promise<void> {
  const { writer } = await assets.acquire(ResourceKey.of('song', 'a.ts'))
  await writer?.writeAt(0, Buffer.alloc(50))
  await assets.open(key)
}
