import assert from 'node:assert/strict'
import { ResourceKey } from '../key.js'
import type { StoreOptions } from '../types.js'
import { patterned, rejectsWith } from './bytes.js'
import { fill, type Suite } from './suite.js'

const KEY = ResourceKey.of('film', 'film.mp4')

/** Names and values that a caller may get wrong. */
export function testOptions(suite: Suite): void {
  const wrong: readonly (readonly [name: string, value: unknown])[] = [
    ['maxByte', 1],
    ['maxBytes', '1 GiB'],
    ['maxBytes', -1],
    ['maxAssets', 0],
    ['maxAssets', 1.5],
    ['minFreeBytes', Number.NaN],
    ['cacheEntries', -1],
    ['cacheEntries', '5'],
    ['durability', 'paranoid'],
    ['flushMs', -1],
    ['signal', {}],
    ['layers', []],
  ]
  for (const [name, value] of wrong) {
    suite.test(`[core 37] a store is not opened with ${name}: ${JSON.stringify(value)}, and told why`, async () => {
      const opening = suite.open({ [name]: value } as StoreOptions)
      opening.then((place) => place[Symbol.asyncDispose]()).catch(() => undefined)
      const error = await rejectsWith(opening, 'ERR_CISTERN_INVALID_OPTION')
      assert.ok(error.message.includes(`'${name}'`), error.message)
    })
  }

  suite.test('[core 37] verbs refuse options by name, too', async () => {
    await using place = await suite.open()
    const { store } = place
    const wrongly = (options: object): never => options as never
    for (const [name, attempt] of [
      ['lenght', store.acquire(KEY, wrongly({ lenght: 1 }))],
      ['mode', store.acquire(KEY, wrongly({ mode: 'write' }))],
      ['length', store.acquire(KEY, wrongly({ length: '1' }))],
      ['integrity', store.put(KEY, 'x', { integrity: 'md5-x' })],
      ['metadata', store.put(KEY, 'x', wrongly({ metadata: 'text' }))],
      ['mode', store.put(KEY, 'x', wrongly({ mode: 'fill' }))],
      ['commited', store.open(KEY, wrongly({ commited: true }))],
      ['unles', store.removeAsset('film', wrongly({ unles: () => true }))],
      ['repare', store.verify(wrongly({ repare: true }))],
      ['maxbytes', store.setLimits(wrongly({ maxbytes: 1 }))],
    ] as const) {
      const error = await rejectsWith(attempt, 'ERR_CISTERN_INVALID_OPTION')
      assert.ok(error.message.includes(`'${name}'`), error.message)
    }
    assert.deepEqual([...store.assets()], [])
  })

  suite.test('[core 37] undefined options are as if absent', async () => {
    const nothing = { maxAssets: undefined, maxBytes: undefined, minFreeBytes: undefined, signal: undefined }
    await using plain = await suite.open({ minFreeBytes: undefined })
    await using place = await suite.open({
      ...nothing,
      cacheEntries: undefined,
      durability: undefined,
      flushMs: undefined,
    })
    assert.deepEqual(place.store.stats().limits, plain.store.stats().limits)
    await fill(place.store, KEY, patterned(10), { mode: undefined, length: undefined, metadata: undefined })
    using reader = await place.store.open(KEY, { verify: undefined, committed: undefined, signal: undefined })
    assert.equal((await reader.bytes({ start: undefined, end: undefined, chunkSize: undefined })).length, 10)
    assert.equal(place.store.stat(KEY)?.metadata, undefined)
  })

  suite.test('[core 37] without limits there is no maxAssets, and 256 MiB stay free', async () => {
    await using place = await suite.open({ minFreeBytes: undefined })
    const { limits, state } = place.store.stats()
    assert.deepEqual([limits.maxAssets, limits.minFreeBytes, state], [undefined, 256 * 2 ** 20, 'ok'])
  })

  suite.test('[core 37] a reader gives pieces of 256 KiB', async () => {
    await using place = await suite.open()
    await fill(place.store, KEY, patterned(600 * 1024))
    using reader = await place.store.open(KEY)
    const sizes: number[] = []
    for await (const piece of reader.chunks()) sizes.push(piece.length)
    assert.deepEqual(sizes, [256 * 1024, 256 * 1024, 88 * 1024])
  })

  suite.test('[core 37] an aborted signal opens nothing; one that aborts later closes the store', async () => {
    await assert.rejects(suite.open({ signal: AbortSignal.abort(new Error('not wanted')) }), /not wanted/)
    const closing = new AbortController()
    await using place = await suite.open({ signal: closing.signal })
    closing.abort()
    assert.equal(place.store.stats().state, 'closed')
    await rejectsWith(place.store.put(KEY, 'x'), 'ERR_CISTERN_STORE_CLOSED')
  })
}
