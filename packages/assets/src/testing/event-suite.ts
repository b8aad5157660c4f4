import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import type { AssetStore } from '../asset-store.js'
import { ResourceKey } from '../key.js'
import { aes128Cbc } from '../processors/aes-128-cbc.js'
import type { StoreEvents } from '../types.js'
import { patterned, rejectsWith } from './bytes.js'
import { begin, fill, type Suite } from './suite.js'

const NAMES = ['commit', 'fail', 'abandon', 'remove', 'evict', 'leak', 'degraded', 'restored', 'readonly'] as const
const KEY = ResourceKey.of('film', 'film.mp4')

/** What is told, in which order, and what never is. */
export function testEvents(suite: Suite): void {
  suite.test('[core 34] events come in order, once each, after the state settled', async () => {
    await using place = await suite.open(suite.has('evict') ? { maxAssets: 2 } : {})
    const { store } = place
    const told = listen(store)
    const states: (string | undefined)[] = []
    const look = (): unknown => states.push(store.stat(KEY)?.state)
    for (const name of ['commit', 'fail', 'abandon', 'remove'] as const) store.on(name, look)

    const abandoned = await begin(store, KEY)
    await abandoned.writer.release(new Error('offline'))
    const failed = await begin(store, KEY)
    await failed.writer.fail(new Error('gone'))
    await fill(store, KEY, patterned(10))
    await store.remove(KEY)
    assert.deepEqual(told.splice(0), [
      'abandon film/film.mp4',
      'fail film/film.mp4',
      'commit film/film.mp4',
      'remove film/film.mp4',
    ])
    assert.deepEqual(states, ['active', undefined, 'committed', undefined])
    abandoned.reader.close()
    failed.reader.close()

    await fill(store, KEY, patterned(10))
    await store.removeAsset('film')
    assert.deepEqual(told.splice(0), ['commit film/film.mp4', 'remove film'])
    await store.remove(KEY)
    await store.removeAsset('film')
    assert.deepEqual(told, [])
  })

  if (suite.has('evict')) {
    suite.test('[core 34] an eviction is told with its asset, bytes and reason, once it is gone', async () => {
      await using place = await suite.open({ maxAssets: 1 })
      const { store } = place
      const evictions: unknown[] = []
      store.on('evict', (eviction: StoreEvents['evict'][0]) => {
        assert.equal(store.assetStat(eviction.asset)?.resources ?? 0, 0)
        evictions.push(eviction)
      })
      await fill(store, ResourceKey.of('a', 'x'), patterned(100))
      await fill(store, ResourceKey.of('b', 'x'), patterned(100))
      assert.deepEqual(evictions, [{ asset: 'a', bytes: 100, reason: 'assets' }])
    })
  }

  suite.test('[core 34] what a commit tells is what can be read in that very step', async () => {
    await using place = await suite.open()
    const { store } = place
    const lengths: unknown[] = []
    store.on('commit', ({ key, generation, length }: StoreEvents['commit'][0]) => {
      const stat = store.stat(key)
      assert.deepEqual([stat?.state, stat?.generation, stat?.length], ['committed', generation, length])
      lengths.push(length)
    })
    await fill(store, KEY, patterned(10))
    await fill(store, KEY, patterned(20), { mode: 'rewrite' })
    await store.put(KEY, patterned(30))
    assert.deepEqual(lengths, [10, 20, 30])
  })

  suite.test('[core 34] no key material in what is told, shown or thrown', async () => {
    await using place = await suite.open()
    const { store } = place
    const secret = Buffer.from('Very-SecretBytes')
    const forms = ['latin1', 'hex', 'base64', 'base64url'] as const
    const shown: string[] = []
    for (const name of NAMES)
      store.on(name, (...told: unknown[]) => shown.push(inspect(told, { depth: 9, showHidden: true })))
    const processor = aes128Cbc({ key: secret, iv: secret })
    if (suite.has('processing')) {
      const got = await begin(store, KEY, { processor })
      await got.writer.writeAt(0, patterned(32))
      const error = await rejectsWith(got.writer.commit(), 'ERR_CISTERN_PROCESSING')
      shown.push(inspect(error, { depth: 9, showHidden: true }), inspect(got, { depth: 9 }), inspect(store.stats()))
      await got[Symbol.asyncDispose]()
    }
    shown.push(
      inspect(store, { depth: 9, showHidden: true }),
      inspect(processor, { depth: 9, showHidden: true }),
      inspect(KEY),
    )
    shown.push(JSON.stringify(processor), JSON.stringify(KEY))
    const bytes = [...secret].join(', ')
    for (const text of shown) {
      for (const form of forms) assert.ok(!text.includes(secret.toString(form)), text)
      assert.ok(!text.includes(bytes) && !text.includes(secret.toString('hex').replace(/..(?!$)/g, '$& ')), text)
    }
    assert.match(inspect(KEY), /film\/film\.mp4/)
  })
}

/** Names of events and what they are about, as they come. */
function listen(store: AssetStore): string[] {
  const told: string[] = []
  for (const name of NAMES) {
    store.on(name, (about?: { readonly key?: ResourceKey | undefined; readonly asset?: string }) => {
      told.push(`${name} ${about?.key?.id ?? about?.asset ?? ''}`.trimEnd())
    })
  }
  return told
}
