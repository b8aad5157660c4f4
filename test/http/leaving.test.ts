import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { serveResource, toNodeHandler } from '@cistern/http'
import { MemStore } from '@cistern/mem-store'
import { onBoth } from '../assets/facade/stores.js'
import { randomBytes } from '../helpers/bytes.js'
import { deferred, eventLoopTurn } from '../helpers/deferred.js'
import { get, key, raw, serving, stored, watched } from './serving.js'
import { SlowClient } from './slow-client.js'

const MIB = 2 ** 20
const film = randomBytes(3, 16 * MIB)
const GET = ['GET /a.mp4 HTTP/1.1', 'host: x', '']

for (const how of ['end', 'destroy'] as const) {
  onBoth(`a client that leaves before the first byte (${how}) closes the reader`, async (open) => {
    await using store = await open()
    await using got = await store.acquire(key)
    const { reader, closed, waiting } = watched(got.reader.clone())
    let signal: AbortSignal | undefined
    const handler = toNodeHandler((request) => {
      signal = request.signal
      return reader
    })
    await using host = await serving(handler)
    const { socket } = raw(host.port, ...GET)
    await waiting
    socket[how]()
    await closed
    assert.equal(signal?.aborted, true)
  })

  onBoth(`a client that leaves while a body waits for bytes (${how}) closes the reader`, async (open) => {
    await using store = await open()
    await using got = await store.acquire(key)
    await got.writer?.writeAt(0, film.subarray(0, 1000))
    const { reader, closed, waiting } = watched(got.reader.clone())
    const told: unknown[] = []
    await using host = await serving(toNodeHandler(() => reader, { onError: (error) => told.push(error) }))
    const { socket } = raw(host.port, ...GET)
    await once(socket, 'data')
    await waiting
    socket[how]()
    await closed
    assert.deepEqual(told, [])
  })
}

onBoth('a client that leaves in the middle of a body closes the reader', async (open) => {
  await using store = await open()
  await stored(store, film)
  const { reader, closed } = watched(await store.open(key))
  await using host = await serving(toNodeHandler(() => reader))
  const { socket } = raw(host.port, ...GET)
  await once(socket, 'data')
  socket.destroy()
  await closed
  assert.equal(store.stats().readers, 0)
})

test('a client that leaves while the handler looks closes the reader that comes after', async () => {
  await using store = await MemStore.open()
  await stored(store, 'bytes')
  const asked = deferred()
  const { reader, closed } = watched(await store.open(key))
  await using host = await serving(
    toNodeHandler(async ({ signal }) => {
      asked.resolve()
      await once(signal, 'abort')
      return reader
    }),
  )
  const { socket } = raw(host.port, ...GET)
  await asked.promise
  socket.destroy()
  await closed
})

test('a client that leaves closes the readers of all requests of its connection', async () => {
  await using store = await MemStore.open()
  await using got = await store.acquire(key)
  const both = [watched(got.reader.clone()), watched(got.reader.clone())]
  const readers = both.map(({ reader }) => reader)
  await using host = await serving(toNodeHandler(() => readers.shift()))
  const { socket } = raw(host.port, ...GET, ...GET)
  await Promise.all(both.map(({ waiting }) => waiting))
  socket.destroy()
  await Promise.all(both.map(({ closed }) => closed))
})

test('a client that leaves cancels the response that a handler made', async () => {
  const cancelled = deferred()
  const body = () =>
    new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from('first')),
      cancel: () => cancelled.resolve(),
    })
  await using host = await serving(toNodeHandler(() => new Response(body())))
  const { socket } = raw(host.port, ...GET)
  await once(socket, 'data')
  socket.destroy()
  await cancelled.promise
})

onBoth('a body that is cancelled closes the reader', async (open) => {
  await using store = await open()
  await stored(store, film)
  const response = await serveResource(get(), await store.open(key))
  assert.equal(store.stats().readers, 1)
  await response.body?.cancel()
  assert.equal(store.stats().readers, 0)
})

onBoth(
  'a request that is aborted rejects before the headers, ends the body after them, and closes the reader',
  async (open) => {
    await using store = await open()
    await using got = await store.acquire(key)
    const controller = new AbortController()
    const { signal } = controller
    const reason = new Error('on purpose')
    const waits = watched(got.reader.clone())
    const waiting = serveResource(get({ range: 'bytes=5-9' }, { signal }), waits.reader)
    await waits.waiting
    await got.writer?.writeAt(0, film.subarray(0, 5))
    const begun = watched(got.reader.clone())
    const body = (await serveResource(get({}, { signal }), begun.reader)).text()
    controller.abort(reason)
    await assert.rejects(waiting, reason)
    await assert.rejects(body, reason)
    await Promise.all([waits.closed, begun.closed])
    const late = watched(got.reader.clone())
    await assert.rejects(serveResource(get({}, { signal }), late.reader), reason)
    await late.closed
  },
)

onBoth('a body is read no further ahead than the client takes it', async (open) => {
  await using store = await open()
  await stored(store, film)
  const { reader, bytesRead } = watched(await store.open(key))
  const bufferBytes = 128 * 1024
  await using host = await serving(toNodeHandler(() => reader, { bufferBytes }))
  const client = new SlowClient(host.server, GET)
  // What is on its way: a piece that the connection holds, one that waits behind it, and one that is read meanwhile.
  while (client.taken < 4 * MIB) {
    await client.offered()
    for (let turn = 0; turn < 3; turn++) await eventLoopTurn()
    assert.ok(bytesRead() <= client.taken + 3 * bufferBytes, `${bytesRead()} read, ${client.taken} taken`)
    client.accept()
  }
  client.acceptAll()
  const answer = await client.answer
  assert.ok(answer.subarray(answer.indexOf('\r\n\r\n') + 4).equals(film))
})

onBoth('a Fetch body is read no further ahead than it is asked for', async (open) => {
  await using store = await open()
  await stored(store, film)
  const { reader, bytesRead } = watched(await store.open(key))
  const chunks = (await serveResource(get(), reader)).body?.getReader() ?? assert.fail()
  let taken = 0
  while (taken < 2 * MIB) {
    await eventLoopTurn()
    assert.ok(bytesRead() <= taken + 256 * 1024, `${bytesRead()} read, ${taken} taken`)
    taken += (await chunks.read()).value?.length ?? assert.fail()
  }
  await chunks.cancel()
})

onBoth('a Fetch body that is cancelled while it waits closes the reader', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film.subarray(0, 1000))
  const { reader, waiting, closed } = watched(got.reader.clone())
  const chunks = (await serveResource(get(), reader)).body?.getReader() ?? assert.fail()
  await chunks.read()
  const next = chunks.read()
  await waiting
  await chunks.cancel()
  await closed
  assert.equal((await next).done, true)
})
