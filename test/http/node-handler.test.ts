import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { test } from 'node:test'
import { CisternError, NotFoundError, type ResourceReader } from '@cistern/assets'
import { type NodeHandlerOptions, type ServeHandle, type ServeRequest, toNodeHandler } from '@cistern/http'
import { MemStore } from '@cistern/mem-store'
import { onBoth } from '../assets/facade/stores.js'
import { randomBytes } from '../helpers/bytes.js'
import { deferred } from '../helpers/deferred.js'
import { ask, key, raw, serving, stored, watched } from './serving.js'

const film = randomBytes(2, 3_000_000)
const film64k = film.subarray(0, 65_536)

/** A server of one handler. */
const handling = (handle: ServeHandle, options?: NodeHandlerOptions) => serving(toNodeHandler(handle, options))

onBoth('large and small bodies, ranges and HEAD are served, and every reader is closed', async (open) => {
  await using store = await open()
  const reader = await stored(store, film)
  await using host = await handling(reader)
  const whole = await ask(host.port)
  assert.equal(whole.status, 200)
  assert.equal(whole.headers['content-length'], String(film.length))
  assert.equal(whole.headers['content-type'], 'video/mp4')
  assert.equal(whole.headers['accept-ranges'], 'bytes')
  assert.ok(whole.body.equals(film))
  for (const [start, end] of [
    [0, 1],
    [1, 65_537],
    [100, 524_388],
    [524_287, 1_600_000],
    [2_999_999, 3_000_000],
  ] as const) {
    const part = await ask(host.port, '/a.mp4', { range: `bytes=${start}-${end - 1}` })
    assert.equal(part.status, 206)
    assert.equal(part.headers['content-range'], `bytes ${start}-${end - 1}/3000000`)
    assert.ok(part.body.equals(film.subarray(start, end)))
  }
  const head = await ask(host.port, '/a.mp4', {}, 'HEAD')
  assert.deepEqual([head.status, head.headers.etag, head.body.length], [200, whole.headers.etag, 0])
  assert.equal(
    (await ask(host.port, '/a.mp4', { range: 'bytes=3000000-' })).headers['content-range'],
    'bytes */3000000',
  )
  const unchanged = await ask(host.port, '/a.mp4', { 'if-none-match': whole.headers.etag ?? '' })
  assert.deepEqual([unchanged.status, unchanged.body.length], [304, 0])
  assert.deepEqual((await ask(host.port, '/a.mp4', {}, 'POST')).headers.allow, 'GET, HEAD')
  assert.equal(store.stats().readers, 0)
})

test('both adapters give the same status, headers and bytes', async () => {
  await using store = await MemStore.open()
  const open = await stored(store, film64k)
  const { serveResource } = await import('@cistern/http')
  await using host = await handling(open)
  for (const headers of [
    {},
    { range: 'bytes=-100' },
    { range: 'bytes=65536-' },
    { 'if-none-match': '*' },
    { 'if-match': '"x"' },
  ] as const) {
    for (const method of ['GET', 'HEAD', 'PUT']) {
      const over = await ask(host.port, '/a.mp4', headers, method)
      const direct = await serveResource(new Request(`${host.url}/a.mp4`, { headers, method }), await open())
      assert.equal(over.status, direct.status)
      for (const [name, value] of direct.headers) assert.equal(over.headers[name], value, `${method} ${name}`)
      assert.ok(over.body.equals(Buffer.from(await direct.arrayBuffer())))
    }
  }
})

test('a connection is kept for the next request, whatever came of the one before', async () => {
  await using store = await MemStore.open()
  const reader = await stored(store, film64k)
  const answers: Record<string, () => ReturnType<ServeHandle>> = {
    '/a.mp4': reader,
    '/absent': () => undefined,
    '/failing': () => Promise.reject(new Error('on purpose')),
    '/own': () => new Response('own'),
  }
  await using host = await handling(({ path }) => answers[path]?.())
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let connections = 0
  host.server.on('connection', () => connections++)
  for (const [method, path, status] of [
    ['GET', '/a.mp4', 200],
    ['HEAD', '/a.mp4', 200],
    ['GET', '/absent', 404],
    ['POST', '/a.mp4', 405],
    ['GET', '/failing', 500],
    ['HEAD', '/failing', 500],
    ['GET', '/own', 200],
    ['GET', '/%zz', 400],
    ['GET', '/a.mp4', 200],
    ['HEAD', '/own', 200], // last: node's own client takes an answer without a length for one that ends the connection
  ] as const) {
    const request = httpRequest({ port: host.port, host: '127.0.0.1', path, method, agent }).end()
    const [response] = await once(request, 'response')
    let bytes = 0
    for await (const chunk of response) bytes += chunk.length
    assert.equal(response.statusCode, status, `${method} ${path}`)
    assert.equal(bytes > 0, method !== 'HEAD')
  }
  assert.equal(connections, 1)
  agent.destroy()
})

test('what the handler says of a resource comes before what its options say', async () => {
  await using store = await MemStore.open()
  const reader = await stored(store, film64k)
  const own = { contentType: 'text/plain', lastModified: new Date(0) }
  await using host = await handling(async () => ({ reader: await reader(), options: own }), {
    immutable: true,
    contentType: 'video/mp4',
  })
  const { headers } = await ask(host.port)
  assert.equal(headers['content-type'], 'text/plain')
  assert.equal(headers['last-modified'], 'Thu, 01 Jan 1970 00:00:00 GMT')
  assert.match(headers['cache-control'] ?? '', /immutable/)
})

test('what the host has put on the response is sent with it', async () => {
  await using store = await MemStore.open()
  const handler = toNodeHandler(await stored(store, film64k))
  await using host = await serving((incoming, response) => {
    response.setHeader('access-control-allow-origin', '*')
    handler(incoming, response)
  })
  assert.equal((await ask(host.port)).headers['access-control-allow-origin'], '*')
})

test('the handler is told what was asked for', async () => {
  const asked: ServeRequest[] = []
  await using host = await handling((request) => {
    asked.push(request)
    return undefined
  })
  await ask(host.port, '/films/%C3%A4%20b.mp4?q=1', { 'x-own': 'yes' })
  await ask(host.port, '//evil.example/a')
  await ask(host.port, 'http://other.example/a')
  const [first, second, third] = asked
  assert.deepEqual([first?.method, first?.path, first?.url.search], ['GET', '/films/ä b.mp4', '?q=1'])
  assert.equal(first?.headers.get('x-own'), 'yes')
  assert.equal(first?.incoming.url, '/films/%C3%A4%20b.mp4?q=1')
  assert.equal(second?.path, '//evil.example/a')
  assert.equal(third?.path, '/a')
  assert.equal(first?.signal.aborted, false)
})

test('a target that is no URL is 400, and nobody is asked', async () => {
  await using host = await handling(() => assert.fail('was asked'))
  for (const path of ['/%zz', '/%', '/a%E4', 'nothing', '*', 'http://[']) {
    const { socket, text } = raw(host.port, `GET ${path} HTTP/1.1`, 'host: x', 'connection: close', '')
    assert.match(await text, /^HTTP\/1.1 400 Bad Request\r\n/, path)
    socket.destroy()
  }
})

test('what is not found here goes to the next one, and is 404 where there is none', async () => {
  const handler = toNodeHandler(() => undefined)
  const failed: unknown[] = []
  await using host = await serving((incoming, response) => {
    handler(incoming, response, (...values: unknown[]) => {
      failed.push(...values)
      response.end('next')
    })
  })
  await using alone = await serving((incoming, response) => handler(incoming, response))
  assert.equal((await ask(host.port)).body.toString(), 'next')
  assert.deepEqual(failed, [])
  assert.equal((await ask(alone.port)).status, 404)
})

test('what the handler throws has its status, and is told from 500 on', async () => {
  const told: unknown[] = []
  const errors: Record<string, unknown> = {
    '/404': new NotFoundError('secret'),
    '/500': new TypeError('secret'),
    '/500-of-no-error': 'secret',
  }
  const options = {
    onError: (error: unknown, { path }: ServeRequest) => {
      told.push([path, error])
      throw new Error('on purpose')
    },
  }
  await using host = await handling(({ path, headers }) => {
    if (headers.get('later') === undefined) throw errors[path]
    return Promise.reject(errors[path])
  }, options)
  for (const path of Object.keys(errors)) {
    for (const headers of [{}, { later: 'yes' }] as const) {
      const { status, body } = await ask(host.port, path, headers)
      assert.equal(status, Number(path.slice(1, 4)))
      assert.equal(body.includes('secret'), false)
    }
  }
  const expected = ['/500', '/500', '/500-of-no-error', '/500-of-no-error'].map((path) => [path, errors[path]])
  assert.deepEqual(told, expected)
})

test('an answer with an option that does not exist is 500, is told, and its reader is closed', async () => {
  await using store = await MemStore.open()
  const reader = await stored(store, film64k)
  const told = deferred<unknown>()
  const options = { imutable: true } as object
  await using host = await handling(async () => ({ reader: await reader(), options }), { onError: told.resolve })
  assert.equal((await ask(host.port)).status, 500)
  assert.ok(CisternError.is(await told.promise, 'ERR_CISTERN_INVALID_OPTION'))
  assert.equal(store.stats().readers, 0)
})

test('options of the handler are checked when it is made', () => {
  for (const options of [{ bufferBytes: 0 }, { onerror: () => {} }, { waitMs: 1.5 }, { onError: 1 }]) {
    assert.throws(() => toNodeHandler(() => undefined, options as object), { code: 'ERR_CISTERN_INVALID_OPTION' })
  }
})

test('a response of the handler is sent as it is', async () => {
  const pieces = [film.subarray(0, 1_000_000), film.subarray(1_000_000)]
  await using host = await handling(({ path }) => {
    if (path === '/none') return new Response(null, { status: 204 })
    const headers = new Headers({ 'x-own': 'yes' })
    headers.append('set-cookie', 'a=1')
    headers.append('set-cookie', 'b=2')
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const piece = pieces.shift()
        if (piece) controller.enqueue(piece)
        else controller.close()
      },
    })
    return new Response(body, { status: 201, statusText: 'Made', headers })
  })
  const { status, headers, body } = await ask(host.port)
  assert.deepEqual([status, headers['x-own'], headers['set-cookie']], [201, 'yes', ['a=1', 'b=2']])
  assert.ok(body.equals(film))
  assert.equal((await ask(host.port, '/none')).status, 204)
})

onBoth('bytes are served as they arrive, also without a length', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await using host = await handling(() => got.reader.clone())
  await got.writer?.writeAt(0, film.subarray(0, 10))
  const request = httpRequest({ port: host.port, host: '127.0.0.1', agent: false }).end()
  const [response] = await once(request, 'response')
  assert.equal(response.headers['transfer-encoding'], 'chunked')
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(response, 'data')
  await got.writer?.writeAt(10, film.subarray(10))
  await got.writer?.commit()
  await once(response, 'end')
  assert.ok(Buffer.concat(chunks).equals(film))
})

onBoth('an error in the middle of a body cuts the connection, and is told', async (open) => {
  await using store = await open()
  for (const length of [film.length, undefined]) {
    await using got = await store.acquire(key)
    if (length !== undefined) await got.writer?.declare({ length })
    await got.writer?.writeAt(0, film.subarray(0, 1000))
    const { reader, closed } = watched(got.reader.clone())
    const told = deferred<unknown>()
    await using host = await handling(() => reader, { onError: told.resolve })
    const request = httpRequest({ port: host.port, host: '127.0.0.1', agent: false }).end()
    const [response] = await once(request, 'response')
    await once(response, 'data')
    const ended = once(response.resume(), 'end')
    await got.writer?.release()
    await assert.rejects(ended, { code: 'ECONNRESET' })
    assert.ok(CisternError.is(await told.promise, 'ERR_CISTERN_ABANDONED'))
    await closed
    await store.remove(key)
  }
})

onBoth('where the end of the connection is the end of the body, a cut is a reset', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, film.subarray(0, 1000))
  await using host = await handling(() => got.reader.clone())
  const { socket, text } = raw(host.port, 'GET /a.mp4 HTTP/1.0', '')
  await once(socket, 'data')
  await got.writer?.release()
  await assert.rejects(text, { code: 'ECONNRESET' })
})

test('who puts himself before write, to compress for instance, gets pieces of his own', async () => {
  await using store = await MemStore.open()
  const handler = toNodeHandler(await stored(store, film), { bufferBytes: 65_536 })
  const kept: Uint8Array[] = []
  await using host = await serving((incoming, response) => {
    const write = response.write.bind(response)
    // As the compression middleware does: the callback is dropped, and the piece is kept.
    response.write = (chunk: Uint8Array) => {
      kept.push(chunk)
      return write(chunk)
    }
    handler(incoming, response)
  })
  const { body } = await ask(host.port)
  assert.ok(body.equals(film))
  assert.ok(Buffer.concat(kept).equals(film))
})

test('a resource that fails before its headers is answered with its status, and told from 500 on', async () => {
  await using store = await MemStore.open()
  const told: unknown[] = []
  let reader: ResourceReader | undefined
  await using host = await handling(() => reader, { onError: (error) => told.push(error), waitMs: 60_000 })
  for (const [error, status] of [
    [new NotFoundError('not there'), 404],
    [new TypeError('on purpose'), 500],
  ] as const) {
    await using got = await store.acquire(key)
    const { reader: its, waiting } = watched(got.reader.clone())
    reader = its
    const answer = ask(host.port)
    await waiting
    await got.writer?.fail(error)
    assert.equal((await answer).status, status)
    await store.remove(key)
  }
  assert.deepEqual(
    told.map((error) => (error as Error).message),
    ['on purpose'],
  )
})
