// A source that says what it is, and then gives nothing for long: what others wait for does not wait for that.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Filler } from '@cistern/fill'
import { onBoth } from '../assets/facade/stores.js'
import { CHUNK, film, key, options } from './film.js'
import type { ScriptedSource } from './scripted-source.js'

/** The body of the first answer hangs before its first byte. */
function hanging(): ScriptedSource {
  const source = film(8)
  source.beforePiece = (asked) => (asked === source.asked[0] ? new Promise<never>(() => undefined) : undefined)
  return source
}

async function soon<T>(work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = sleep(30_000, undefined, { signal: over.signal }).then(() =>
    Promise.reject(new Error('it hangs as well')),
  )
  try {
    return await Promise.race([work, late])
  } finally {
    over.abort()
    late.catch(() => undefined)
  }
}

onBoth('[fill 2] behind headers whose body hangs is asked for: what is prefetched elsewhere', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = hanging()
  filler.prefetch(key, source, { ranges: [{ start: 0, end: CHUNK }] }).catch(() => undefined)
  await soon(filler.prefetch(key, source, { ranges: [{ start: 3 * CHUNK, end: 4 * CHUNK }] }))
})

onBoth('[fill 2] behind headers whose body hangs is asked for: what else one reader waits for', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = hanging()
  using reader = await filler.open(key, source, { lookahead: 0 })
  reader.waitRange(0, 3 * CHUNK).catch(() => undefined)
  await soon(source.request(2))
})

onBoth('[fill 2] behind headers whose body hangs is asked for: what a reader looks ahead to', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = hanging()
  using reader = await filler.open(key, source, { lookahead: 2 })
  reader.waitRange(0, 1).catch(() => undefined)
  assert.equal((await soon(source.request(2))).start, CHUNK)
})

onBoth(
  '[fill 2] behind headers whose body hangs is asked for: what another reader waits for, that begins in the chunk that hangs',
  async (open) => {
    await using store = await open()
    await using filler = new Filler(store, options)
    const source = hanging()
    using one = await filler.open(key, source, { lookahead: 0 })
    using other = await filler.open(key, source, { lookahead: 0 })
    one.waitRange(0, 16).catch(() => undefined)
    other.waitRange(CHUNK - 16, 2 * CHUNK).catch(() => undefined)
    const { start } = await soon(source.request(2))
    assert.equal(start, CHUNK)
  },
)

onBoth('a request for the length alone ends once that is known', async (open) => {
  await using store = await open()
  await using filler = new Filler(store, options)
  const source = hanging()
  using reader = await filler.open(key, source, { lookahead: 0 })
  await reader.waitRange(Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER)
  await soon(source.once(() => source.openRequests === 0))
})
