import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AssetStore,
  type Assets,
  AssetsLayer,
  type Layer,
  openStore,
  ResourceKey,
  StoreClosedError,
  volatileIndex,
} from '@cistern/assets'
import { memAssets } from '@cistern/mem-store'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { openFilesUnder } from '../../helpers/descriptors.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { onBoth, text } from './stores.js'

const key = ResourceKey.of('film', 'a.ts')

onBoth('closing is one, however often it is asked for; every verb rejects from then on', async (open) => {
  const store = await open()
  await store.put(key, 'x')
  const film = store.asset('film')
  const closing = store.close()
  assert.equal(store.close(), closing)
  assert.equal(store.stats().state, 'closed')
  const calls = [
    () => store.acquire(key),
    () => store.open(key),
    () => store.openOrFill(key, () => assert.fail()),
    () => store.put(key, 'x'),
    () => store.get(key),
    () => store.setMetadata(key, {}),
    () => store.move(key, key),
    () => store.remove(key),
    () => store.removeAsset('film'),
    () => store.pin('film'),
    () => store.unpin('film'),
    () => store.setLimits({}),
    () => store.checkpoint(),
    () => store.verify(),
    () => film.open('a.ts'),
    () => film.put('a.ts', 'x'),
  ]
  const check = async (): Promise<void> => {
    for (const call of calls) await assert.rejects(call, StoreClosedError, String(call))
    for (const look of [() => store.stat(key), () => store.assets(), () => store.resources('film')]) {
      assert.throws(look, StoreClosedError)
    }
    assert.throws(() => store.lease('film'), StoreClosedError)
  }
  await check()
  await closing
  await check()
  await store.close()
  await store[Symbol.asyncDispose]()
})

onBoth('calls of open handles reject once the store closes', async (open) => {
  const store = await open()
  await store.put(key, 'x')
  const reader = await store.open(key)
  const { writer, reader: filling } = await store.acquire(ResourceKey.of('film', 'b.ts'))
  assert.ok(writer)
  await writer.writeAt(0, Buffer.from('half'))
  const waiting = assert.rejects(filling.waitCommit(), StoreClosedError)
  await store.close()
  await waiting
  await assert.rejects(reader.bytes(), StoreClosedError)
  await assert.rejects(writer.writeAt(4, Buffer.from('x')), StoreClosedError)
  await assert.rejects(writer.commit(), StoreClosedError)
  await writer.release()
  reader.close()
  filling.close()
})

onBoth('the signal closes the store; a store opened under an aborted one does not open', async (open) => {
  const stopping = new AbortController()
  const reason = new Error('stop')
  const store = await open({ signal: stopping.signal })
  stopping.abort(reason)
  await assert.rejects(store.open(key), StoreClosedError)
  await store.close()
  await assert.rejects(open({ signal: stopping.signal }), (error) => error === reason)
  await using again = await open()
  assert.equal(again.stats().state, 'ok')
})

test('a closed store leaves no listener on its signal, and no descriptor', async (t) => {
  const root = tempFolder(t)
  const stopping = new AbortController()
  let listeners = 0
  const { signal } = stopping
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--
    remove(...args)
  }
  const store = await AssetStore.open({ root, signal, minFreeBytes: 0 })
  await store.put(key, 'x')
  using reader = await store.open(key)
  assert.equal(text(await reader.bytes()), 'x')
  assert.equal(listeners, 1)
  await store.close()
  assert.equal(listeners, 0)
  assert.deepEqual(openFilesUnder(root), [])
})

test('the index is closed with the chain, also if the chain fails to; that failure is reported each time', async () => {
  const index = volatileIndex()
  let closed = 0
  const close = index.close.bind(index)
  index.close = () => {
    closed++
    return close()
  }
  const broken = new Error('would not close')
  class Broken extends AssetsLayer {
    override async close(): Promise<void> {
      await this.inner.close()
      throw broken
    }
  }
  const layer: Layer = (inner: Assets) => new Broken(inner)
  const store = await openStore(memAssets(), index, { layers: ({ lease }) => [lease, layer] })
  await assert.rejects(store.close(), (error) => error === broken)
  await assert.rejects(store.close(), (error) => error === broken)
  assert.equal(closed, 1)
})

test('an index whose store was refused is closed', async () => {
  const index = volatileIndex()
  let closed = 0
  index.close = async () => {
    closed++
  }
  await assert.rejects(openStore(memAssets(), index, { maxBytes: -1 }))
  const broken = new Error('no base')
  const base = (): never => {
    throw broken
  }
  await assert.rejects(openStore(base, index), (error) => error === broken)
  assert.equal(closed, 2)
})

test('a layer can look at the index, the base can record; both share one context', async () => {
  const contexts: object[] = []
  const spying: Layer = (inner, context) => {
    contexts.push(context)
    return inner
  }
  const base = memAssets()
  await using store = await openStore(
    (context) => {
      contexts.push(context)
      return base(context)
    },
    volatileIndex(),
    { layers: () => [spying], maxBytes: 5000 },
  )
  const [baseContext, context] = contexts as [Record<string, unknown>, Record<string, unknown>]
  assert.ok('records' in baseContext)
  assert.ok(!('records' in context))
  assert.ok(!('record' in (context.index as object)))
  await store.setLimits({ maxBytes: 6000 })
  assert.equal((baseContext.limits as { maxBytes: number }).maxBytes, 6000)
  assert.equal((context.limits as { maxBytes: number }).maxBytes, 6000)
  assert.equal(context.events, store)
  await eventLoopTurn()
})
