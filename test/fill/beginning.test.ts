// Before a filling has its writer: that takes as long as a key takes to come, and nobody may have to wait for that.
import assert from 'node:assert/strict'
import type { Processor } from '@cistern/assets'
import { Filler } from '@cistern/fill'
import { onBoth } from '../assets/facade/stores.js'
import { deferred } from '../helpers/deferred.js'
import { CHUNK, calm, film, key, options, transient } from './film.js'

const plain: Processor = {
  identity: 'plain',
  begin: () => ({ update: (chunk) => Uint8Array.from(chunk), final: () => new Uint8Array() }),
}
const never = new Promise<never>(() => undefined)

onBoth('who aborts while a key hangs is told at once; who comes then is not told of that', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const stop = new AbortController()
  const reason = new Error('not wanted any more')
  const processor = () => never
  const opening = filler.open(key, film(1), { processor, signal: stop.signal })
  const fetching = filler.prefetch(key, film(1), { processor, signal: stop.signal })
  await calm()
  stop.abort(reason)
  for (const each of [opening, fetching]) await assert.rejects(each, (error) => error === reason)

  const source = film(1)
  using reader = await filler.open(key, source)
  assert.equal((await reader.bytes()).length, CHUNK)
})

onBoth('one who leaves while a key is on its way takes nothing from the others', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const came = deferred()
  const source = film(1)
  let asked = 0
  const processor = async () => {
    asked++
    await came.promise
    return plain
  }
  const stop = new AbortController()
  const leaving = filler.open(key, source, { processor, signal: stop.signal })
  const staying = filler.open(key, source, { processor })
  await calm()
  stop.abort(new Error('left'))
  await assert.rejects(leaving, { message: 'left' })
  came.resolve()
  using reader = await staying
  assert.equal((await reader.bytes({ start: 0, end: 16 })).length, 16)
  assert.equal(asked, 1, 'what was begun for both goes on')
})

onBoth('a filler closes while a key hangs, and says so to those who wait', async (open) => {
  await using store = await open()
  const filler = new Filler(store, options)
  const opening = filler.open(key, film(1), { processor: () => never })
  const refused = assert.rejects(opening, { code: 'ERR_CISTERN_STORE_CLOSED' })
  await calm()
  await filler.close()
  await refused
})

for (const chunks of [1, 1000])
  onBoth(`a source that fails whatever is asked is left alone: ${chunks} chunks`, async (open) => {
    await using store = await open()
    await using filler = new Filler(store, { ...options, retries: 3 })
    const source = film(1)
    source.script = { ...source.script, bytes: new Uint8Array(chunks * CHUNK) }
    // It gives its first chunk, and so its length, and nothing after that.
    source.answer = ({ start }) => {
      if (chunks === 1) throw transient(5) // nobody knows how much there is that is to be left alone
      if (start > 0) throw transient()
      return undefined
    }
    await assert.rejects(filler.complete(key, source), { code: 'ERR_CISTERN_SOURCE' })
    // Each of three slots tries four times, and one may have begun what another one was told not to.
    assert.ok(source.asked.length <= 1 + 3 * 4 + 3, `${source.asked.length} requests`)
  })
