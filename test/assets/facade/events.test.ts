import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { type AssetStore, aes128Cbc, ResourceKey, type StoreEvents } from '@cistern/assets'
import { StoreEmitter } from '#assets/store-emitter.js'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { nextEvent } from '../../helpers/events.js'
import { encrypted, IV, KEY } from '../processing/staged.js'
import { onBoth } from './stores.js'

const key = ResourceKey.of('film', 'a.ts')
const hello = Buffer.from('hello')
const NAMES = ['commit', 'fail', 'abandon', 'remove', 'evict', 'leak', 'degraded', 'restored', 'readonly'] as const

type Told = { readonly name: string; readonly values: readonly unknown[] }

function recorded(store: AssetStore, onEvent: (told: Told) => void = () => {}): Told[] {
  const all: Told[] = []
  for (const name of NAMES) {
    store.on(name, (...values: unknown[]) => {
      all.push({ name, values })
      onEvent({ name, values })
    })
  }
  return all
}

onBoth('[core 34] events come in order, once each, after the state settled', async (open) => {
  await using store = await open()
  const seen: string[] = []
  const events = recorded(store, ({ name }) => seen.push(`${name} ${store.stat(key)?.state ?? 'absent'}`))
  await store.put(key, hello)
  await store.remove(key)
  const abandoned = await store.acquire(key)
  await abandoned.writer?.release(new Error('later'))
  abandoned.reader.close()
  const failed = await store.acquire(key)
  await failed.writer?.fail(new Error('never'))
  failed.reader.close()
  await store.put(key, hello)
  await store.removeAsset('film')
  await eventLoopTurn()
  assert.deepEqual(seen, [
    'commit committed',
    'remove absent',
    'abandon active',
    'fail absent',
    'commit committed',
    'remove absent',
  ])
  const contents = events.map(({ values }) => values[0] as StoreEvents['commit'][0] & { asset?: string; error?: Error })
  assert.equal(contents[0]?.length, 5)
  assert.equal(contents[0]?.key.id, key.id)
  assert.equal(contents[1]?.key.id, key.id)
  assert.equal(contents[2]?.error?.message, 'later')
  assert.equal(contents[3]?.error?.message, 'never')
  assert.deepEqual(contents[5], { asset: 'film', key: undefined })
})

onBoth('[core 34] a listener that throws changes nothing for the store, nor for other listeners', async (open) => {
  await using store = await open()
  const thrown: unknown[] = []
  const listening = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => thrown.push(error))
  try {
    const broken = new Error('listener')
    const told: string[] = []
    store.on('commit', () => {
      throw broken
    })
    store.on('commit', ({ key }) => told.push(key.id))
    await store.put(key, hello)
    await store.put(ResourceKey.of('film', 'b.ts'), hello)
    await eventLoopTurn()
    assert.deepEqual(told, ['film/a.ts', 'film/b.ts'])
    assert.deepEqual(thrown, [broken, broken])
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of listening) process.on('uncaughtException', listener)
  }
})

test('[core 34] what is emitted while others are told comes behind, and never at once', async () => {
  const emitter = new StoreEmitter()
  const told: string[] = []
  const error = new Error('no')
  emitter.on('degraded', () => {
    told.push('degraded')
    emitter.emit('restored')
    told.push('still degraded')
  })
  emitter.on('restored', () => told.push('restored'))
  assert.equal(emitter.emit('degraded', { error }), true)
  assert.equal(emitter.emit('readonly', { error }), false)
  assert.equal(told.length, 0)
  await nextEvent(emitter, 'restored')
  assert.deepEqual(told, ['degraded', 'still degraded', 'restored'])
  emitter.once('restored', () => told.push('once'))
  emitter.emit('restored')
  emitter.emit('restored')
  await eventLoopTurn()
  assert.deepEqual(told.slice(3).sort(), ['once', 'restored', 'restored'])
})

onBoth('[core 34] no event, error or inspection carries key material or metadata of others', async (open) => {
  await using store = await open()
  const events = recorded(store)
  const errors: unknown[] = []
  const source = encrypted(Buffer.from('a clear text'))
  const processor = aes128Cbc({ key: KEY, iv: IV })
  const wrong = aes128Cbc({ key: IV, iv: KEY })
  const fill = { processor, integrity: `sha256-${Buffer.alloc(32).toString('base64')}` }
  for (const options of [{ processor: wrong }, fill, { processor }]) {
    using reader = await store.openOrFill(key, (writer) => writer.writeAt(0, source), options)
    await reader.waitCommit().catch((error) => errors.push(error))
  }
  await store.acquire(key, { processor: wrong }).catch((error) => errors.push(error))
  await eventLoopTurn()
  assert.deepEqual(
    events.map(({ name }) => name),
    ['fail', 'fail', 'commit'],
  )
  assert.equal(errors.length, 3)
  const shown = [events, errors, store, store.stat(key), key, processor, store.stats()]
    .map((thing) => inspect(thing, { depth: 10, showHidden: true, getters: true }))
    .join('\n')
  for (const secret of [KEY, IV]) {
    for (const encoding of ['hex', 'base64', 'latin1'] as const) {
      assert.ok(!shown.includes(Buffer.from(secret).toString(encoding)), encoding)
    }
    assert.ok(!shown.includes(inspect(secret).slice(16, 40)))
  }
  assert.match(inspect(store), /^AssetStore \{ state: 'ok', assets: 1, /)
})

onBoth('[core 34] diagnostics channels tell the same to whoever subscribes', async (open) => {
  await using store = await open()
  const commits: unknown[] = []
  const traced: string[] = []
  const onCommit = (message: unknown): unknown => commits.push(message)
  const onStart = (): unknown => traced.push('start')
  const onEnd = (): unknown => traced.push('end')
  subscribe('cistern:commit', onCommit)
  subscribe('tracing:cistern:open:start', onStart)
  subscribe('tracing:cistern:open:asyncEnd', onEnd)
  try {
    await store.put(key, hello)
    ;(await store.open(key)).close()
    await eventLoopTurn()
  } finally {
    unsubscribe('cistern:commit', onCommit)
    unsubscribe('tracing:cistern:open:start', onStart)
    unsubscribe('tracing:cistern:open:asyncEnd', onEnd)
  }
  await store.put(key, hello)
  assert.deepEqual(
    commits.map((commit) => (commit as StoreEvents['commit'][0]).key.id),
    [key.id],
  )
  assert.deepEqual(traced, ['start', 'end'])
})
