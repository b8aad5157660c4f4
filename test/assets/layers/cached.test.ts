import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CisternError } from '@cistern/storage'
import { ResourceKey } from '#assets/key.js'
import { cached } from '#assets/layers/cached.js'
import { lease } from '#assets/layers/lease.js'
import { chainOver, FakeStore, fill } from './fake-base.js'

const keyOf = (n: number): ResourceKey => ResourceKey.of('film', `${n}.ts`)
const key = keyOf(0)
const hello = Buffer.from('hello')

async function filled(
  cacheEntries = 2,
): Promise<{ store: FakeStore; assets: ReturnType<typeof chainOver>; asked: () => number }> {
  const store = new FakeStore()
  const assets = chainOver(store, lease, cached({ cacheEntries }))
  await fill(assets, key, hello)
  store.log.length = 0
  return { store, assets, asked: () => store.log.filter((line) => /^(open|acquire) /.test(line)).length }
}

test('[core 21] what was filled is kept open: opening and acquiring it asks nobody', async () => {
  const { store, assets, asked } = await filled()
  using reader = await assets.open(key)
  assert.equal(Buffer.from(await reader.bytes()).toString(), 'hello')
  await using got = await assets.acquire(key)
  assert.equal(got.writer, undefined)
  assert.equal(asked(), 0)
  assert.equal(store.inUse.size, 1)
})

test('[core 21] an idle reader is no reader and holds no lease', async () => {
  const { store, assets } = await filled()
  assert.equal(store.index.stat(key)?.readers, 0)
  assert.equal(store.index.leases.get('film'), 0)
  ;(await assets.open(key)).close()
  assert.equal(store.index.stat(key)?.readers, 0)
  assert.equal(store.index.leases.get('film'), 0)
})

test('[core 21] past cacheEntries the idle ones used longest ago are closed; open handles survive', async () => {
  const { store, assets, asked } = await filled(2)
  const held = await assets.open(key)
  for (let n = 1; n <= 5; n++) await fill(assets, keyOf(n), Buffer.from(`text ${n}`))
  assert.equal(store.inUse.size, 3) // two idle ones, and the one that is held
  assert.equal(Buffer.from(await held.bytes()).toString(), 'hello')
  store.log.length = 0
  using four = await assets.open(keyOf(4))
  assert.equal(asked(), 0)
  assert.equal(Buffer.from(await four.bytes()).toString(), 'text 4')
  held.close()
  assert.equal(store.inUse.size, 2)
  using one = await assets.open(keyOf(1))
  assert.equal(asked(), 1)
  assert.equal(Buffer.from(await one.bytes()).toString(), 'text 1')
})

test('[core 21] cacheEntries 0 keeps none', async () => {
  const { store, assets, asked } = await filled(0)
  assert.equal(store.inUse.size, 0)
  ;(await assets.open(key)).close()
  assert.equal(asked(), 1)
  assert.equal(store.inUse.size, 0)
})

test('[core 21] an idle reader never outlives what it shows: removed, evicted, moved', async () => {
  for (const removing of ['remove', 'removeAsset', 'move'] as const) {
    const { store, assets } = await filled()
    let inUse: number | undefined
    store.context.onGone(() => {
      inUse = store.inUse.size // told after the cache was, before the file is unlinked
    })
    if (removing === 'remove') await assets.remove(key)
    else if (removing === 'removeAsset') await assets.removeAsset('film')
    else await assets.move(key, ResourceKey.of('disc', 'a.ts'))
    assert.equal(inUse, 0, removing)
    await assert.rejects(assets.open(key), (error) => CisternError.is(error, 'ERR_CISTERN_NOT_FOUND'), removing)
  }
})

test('[core 21] after a rewrite the new bytes are opened; while it runs the old ones are', async () => {
  const { store, assets } = await filled()
  const got = await assets.acquire(key, { mode: 'rewrite' })
  await got.writer?.writeAt(0, Buffer.from('other'))
  using before = await assets.open(key)
  assert.equal(Buffer.from(await before.bytes()).toString(), 'hello')
  await got.writer?.commit()
  using after = await assets.open(key)
  assert.equal(Buffer.from(await after.bytes()).toString(), 'other')
  got.reader.close()
  before.close()
  assert.equal(store.inUse.size, 1)
})

test('[core 21] what is handed out is the generation that the index names, even if nobody told of a change', async () => {
  const { store, assets } = await filled()
  const other = keyOf(1)
  const filling = await assets.acquire(other) // to be kept at its close
  await filling.writer?.writeAt(0, Buffer.from('first'))
  await filling.writer?.commit()
  const replacement = await store.acquire(keyOf(2))
  await replacement.writer?.writeAt(0, Buffer.from('other'))
  await replacement.writer?.commit()
  const [present] = [...store.inUse].filter((resource) => resource.generation === replacement.reader.generation)
  for (const changed of [key, other]) {
    const entry = store.index.entries.get(changed.id)
    if (entry) entry.committed = present
  }
  filling.reader.close()
  for (const changed of [key, other]) {
    using reader = await assets.open(changed)
    assert.equal(Buffer.from(await reader.bytes()).toString(), 'other')
  }
  replacement.reader.close()
})

test('[core 21] a reader closed before the commit, or over bytes that were given up, leaves nothing open', async () => {
  const { store, assets } = await filled()
  await assets.remove(key)
  const got = await assets.acquire(key)
  await got.writer?.writeAt(0, hello)
  got.reader.close()
  await got.writer?.commit()
  assert.equal(store.inUse.size, 0)
  await assets.remove(key)
  const again = await assets.acquire(key)
  await again.writer?.writeAt(0, hello)
  await again.writer?.fail(new Error('no more'))
  again.reader.close()
  assert.equal(store.inUse.size, 0)
  const third = await assets.acquire(key)
  await third.writer?.writeAt(0, hello)
  await third.writer?.release()
  third.reader.close()
  assert.equal(store.inUse.size, 0)
})

test('verify, another mode, a processor, a digest, metadata and an aborted signal go past the cache', async () => {
  const { assets, asked } = await filled()
  ;(await assets.open(key, { verify: true })).close()
  ;(await assets.open(key, { signal: AbortSignal.abort() })).close()
  ;(await assets.open(key, { committed: true })).close()
  assert.equal(asked(), 2)
  const processor = { identity: 'none', begin: () => ({ update: (c: Uint8Array) => c, final: () => new Uint8Array() }) }
  const integrity = 'sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='
  const asking = [{ processor }, { integrity }, { metadata: {} }, { length: 5 }, { mode: 'replace' as const }]
  for (const options of asking) await (await assets.acquire(key, options))[Symbol.asyncDispose]()
  await (await assets.acquire(key, { mode: 'fill', signal: new AbortController().signal }))[Symbol.asyncDispose]()
  assert.equal(asked(), 2 + asking.length)
})

test('relieve closes what is idle and nothing else', async () => {
  const { store, assets } = await filled()
  await fill(assets, keyOf(1), hello)
  using held = await assets.open(key)
  assert.equal(store.inUse.size, 2)
  store.context.relieve()
  assert.equal(store.inUse.size, 1)
  assert.equal(Buffer.from(await held.bytes()).toString(), 'hello')
})

test('an idle reader that its resource closed is not handed out', async () => {
  const { store, assets, asked } = await filled()
  for (const resource of store.inUse) resource.shutdown(new Error('closed below'))
  await assert.rejects(assets.open(key), /closed below/) // the layers below say what the matter is
  assert.equal(asked(), 1)
})

test('close closes what is idle, ends the subscriptions, and keeps nothing that is closed later', async () => {
  const { store, assets } = await filled()
  const got = await assets.acquire(keyOf(1))
  await got.writer?.writeAt(0, hello)
  await got.writer?.commit()
  store.inUse.clear() // so that closing the base does not do it
  const kept = store.index.shown(key)
  await assets.close()
  assert.equal(kept?.handles, 0)
  assert.equal(store.listeners, 0)
  got.reader.close()
  assert.equal(store.index.shown(keyOf(1))?.handles, 0)
})
