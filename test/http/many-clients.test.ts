import assert from 'node:assert/strict'
import type { ByteRange } from '@cistern/assets'
import { serveResource, toNodeHandler } from '@cistern/http'
import { onBoth } from '../assets/facade/stores.js'
import { randomBytes, randomChoice, randomInteger, randomNumbers, shuffled } from '../helpers/bytes.js'
import { seed } from '../helpers/fast-check.js'
import { ask, key, serving } from './serving.js'

const film = randomBytes(seed, 2_000_000)
const CLIENTS = 50

interface Asked extends ByteRange {
  readonly range: string
}

/** A Range header, and the bytes that it asks for. */
function randomRange(random: () => number): Asked {
  const start = randomInteger(random, 0, film.length)
  const end = Math.min(film.length, start + randomInteger(random, 1, randomChoice(random, [10, 100_000, 1_000_000])))
  return randomChoice<Asked>(random, [
    { range: `bytes=${start}-${end - 1}`, start, end },
    { range: `bytes=${start}-`, start, end: film.length },
    { range: `bytes=-${film.length - start}`, start, end: film.length },
    { range: `bytes=${start}-${film.length + 5}`, start, end: film.length },
  ])
}

/** Asks as many times as there are clients, all at once. */
async function askAll(port: number, random: () => number): Promise<void> {
  const clients = Array.from({ length: CLIENTS }, async () => {
    const { range, start, end } = randomRange(random)
    const { status, headers, body } = await ask(port, '/a.mp4', { range })
    assert.equal(status, 206, range)
    assert.equal(headers['content-range'], `bytes ${start}-${end - 1}/${film.length}`)
    assert.ok(body.equals(film.subarray(start, end)), range)
  })
  await Promise.all(clients)
}

onBoth('fifty clients with ranges of their own get the bytes they asked for', async (open) => {
  await using store = await open()
  await store.put(key, film)
  await using host = await serving(toNodeHandler(() => store.open(key)))
  await askAll(host.port, randomNumbers(seed))
  assert.equal(store.stats().readers, 0)
})

onBoth('they do so too while the bytes arrive in any order', async (open) => {
  await using store = await open()
  const random = randomNumbers(seed)
  await using got = await store.acquire(key)
  await got.writer?.declare({ length: film.length })
  await using host = await serving(toNodeHandler(() => got.reader.clone(), { waitMs: 60_000, bufferBytes: 100_000 }))
  const asked = askAll(host.port, random)
  const starts = Array.from({ length: 20 }, (_, index) => index * 100_000)
  for (const start of shuffled(random, starts)) await got.writer?.writeAt(start, film.subarray(start, start + 100_000))
  await got.writer?.commit()
  await asked
  got.reader.close()
  assert.equal(store.stats().readers, 0)
})

onBoth('Fetch responses that are read at the same time do not share memory', async (open) => {
  await using store = await open()
  await store.put(key, film)
  const random = randomNumbers(seed)
  const bodies = Array.from({ length: 20 }, async () => {
    const { range, start, end } = randomRange(random)
    const response = await serveResource(
      new Request('http://localhost/', { headers: { range } }),
      await store.open(key),
    )
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(film.subarray(start, end)), range)
  })
  await Promise.all(bodies)
  assert.equal(store.stats().readers, 0)
})
