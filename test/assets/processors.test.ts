import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { PassThrough, Transform, type TransformCallback } from 'node:stream'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { createDeflateRaw, createGunzip, createGzip, gunzipSync, gzipSync } from 'node:zlib'
import { ResourceKey } from '#assets/key.js'
import { aes128Cbc } from '#assets/processors/aes-128-cbc.js'
import { chain } from '#assets/processors/chain.js'
import { fingerprint } from '#assets/processors/fingerprint.js'
import { fromTransform } from '#assets/processors/from-transform.js'
import { hlsIv } from '#assets/processors/hls-iv.js'
import type { ChunkTransform, Processor } from '#assets/processors/processor.js'
import { inPieces, randomBytes, randomInteger, randomNumbers } from '../helpers/bytes.js'
import { deferred, eventLoopTurn, stateOf } from '../helpers/deferred.js'

const CODE = 'ERR_CISTERN_INVALID_OPTION'
const KEY = randomBytes(1, 16)
const IV = randomBytes(2, 16)
const of = { key: ResourceKey.of('film-7', 'seg1.ts'), signal: new AbortController().signal }

// ── fingerprint ──────────────────────────────────────────────────────────────────────────────────────────────────

test('a fingerprint tells names, secrets and their borders apart, and shows no secret', () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text)
  const all = [
    fingerprint('aes'),
    fingerprint('aes', bytes('')),
    fingerprint('aes', bytes('ab'), bytes('c')),
    fingerprint('aes', bytes('a'), bytes('bc')),
    fingerprint('aes', bytes('abc')),
    fingerprint('aes', bytes('c'), bytes('ab')),
    fingerprint('aesabc'),
    fingerprint('gzip', bytes('abc')),
  ]
  assert.equal(new Set(all).size, all.length)
  assert.equal(new Set(all.map((one) => one.split(':')[1])).size, all.length)
  assert.equal(fingerprint('aes', bytes('abc')), all[4])
  assert.match(fingerprint('aes', KEY), /^aes:[0-9a-f]{64}$/)
  assertHides(fingerprint('aes', KEY), KEY)
  for (const secret of ['abc', null, 7, [1], new Uint16Array(2)]) {
    assert.throws(() => fingerprint('aes', secret as unknown as Uint8Array), {
      code: CODE,
      message: 'fingerprint: each secret must be a Uint8Array',
    })
  }
  for (const name of ['', null, 7]) assert.throws(() => fingerprint(name as string), { code: CODE })
})

// ── AES ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('[core 38] AES-128-CBC over all lengths, in writes of 1 byte to 1 MiB, equals node:crypto in one go', async () => {
  const random = randomNumbers(38)
  for (const length of [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 5 * 2 ** 20]) {
    const plain = randomBytes(length, length)
    const cipher = encrypted(plain)
    const decipher = createDecipheriv('aes-128-cbc', KEY, IV)
    const expected = Buffer.concat([decipher.update(cipher), decipher.final()])
    assert.ok(expected.equals(plain))
    // Writes of one byte over 5 MiB are the same path five million times.
    const sizes = [...(length < 100_000 ? [1] : []), 16, 17, 4096, 65_536, 2 ** 20].filter(
      (size) => length / size < 400_000,
    )
    for (const size of sizes)
      assert.ok(
        expected.equals(await run(aes128Cbc({ key: KEY, iv: IV }), inPieces(cipher, size))),
        `${length} by ${size}`,
      )
    const odd = function* (): Generator<Uint8Array> {
      let end: number
      for (let at = 0; at < cipher.length; at = end) {
        end = at + randomInteger(random, 1, 100_000)
        yield cipher.subarray(at, end)
      }
    }
    assert.ok(expected.equals(await run(aes128Cbc({ key: KEY, iv: IV }), odd())), `${length} by odd sizes`)
  }
})

test('[core 40] AES: a cut last block, broken padding and a wrong key fail in final with the error of node:crypto', async () => {
  const cipher = encrypted(randomBytes(3, 1000))
  const broken = cipher.slice()
  broken[broken.length - 17] = (broken[broken.length - 17] ?? 0) ^ 0x55
  const wrong = aes128Cbc({ key: randomBytes(99, 16), iv: IV })
  const cases: readonly (readonly [Processor, Uint8Array<ArrayBuffer>])[] = [
    [aes128Cbc({ key: KEY, iv: IV }), cipher.slice(0, -1)],
    [aes128Cbc({ key: KEY, iv: IV }), cipher.slice(0, 0)],
    [aes128Cbc({ key: KEY, iv: IV }), broken],
    [wrong, cipher],
  ]
  for (const [processor, bytes] of cases) {
    const error = await rejection(run(processor, [bytes]))
    assert.match(String((error as { code?: string }).code), /^ERR_OSSL_/)
    for (const secret of [KEY, IV]) assertHides(inspect(error), secret)
  }
})

test('AES: the key is copied, from every form that holds 16 bytes', async () => {
  const cipher = encrypted(randomBytes(4, 100))
  const within = new Uint8Array(48)
  within.set(KEY, 16)
  const key = KEY.slice()
  const forms = [key, Buffer.from(key), key.slice().buffer, within.subarray(16, 32)]
  const processors = forms.map((form) => aes128Cbc({ key: form, iv: IV }))
  key.fill(0)
  within.fill(0)
  for (const processor of processors) {
    assert.ok((await run(processor, [cipher])).equals(randomBytes(4, 100)))
    assert.equal(processor.identity, processors[0]?.identity)
  }
})

test('AES: identity tells key and iv apart', () => {
  const identities = [
    aes128Cbc({ key: KEY, iv: IV }),
    aes128Cbc({ key: IV, iv: KEY }),
    aes128Cbc({ key: KEY, iv: KEY }),
    aes128Cbc({ key: IV, iv: IV }),
  ].map((processor) => processor.identity)
  assert.equal(new Set(identities).size, 4)
})

test('[core 34] AES: neither key nor iv shows in inspect, JSON, properties or the transform', async () => {
  const processor = aes128Cbc({ key: KEY, iv: IV })
  const transform = await processor.begin(of)
  assert.deepEqual(Reflect.ownKeys(processor), ['identity'])
  for (const secret of [KEY, IV]) {
    for (const shown of [
      processor,
      transform,
      chain(processor, processor),
      await chain(processor, processor).begin(of),
      { options: [processor] },
    ]) {
      assertHides(inspect(shown, { depth: null, showHidden: true, getters: true }), secret)
      assertHides(JSON.stringify(shown, bytesAsText), secret)
    }
  }
})

test('[core 34] AES: what is not 16 bytes is refused by name, and shows in no message', () => {
  const hex = Buffer.from(KEY).toString('hex')
  for (const wrong of [
    hex,
    [...KEY],
    KEY.slice(0, 15),
    randomBytes(1, 17),
    new Uint8Array(0),
    new Uint16Array(8),
    null,
    undefined,
    16,
    { key: KEY },
  ]) {
    for (const name of ['key', 'iv']) {
      const options = { key: KEY, iv: KEY, [name]: wrong } as { key: Uint8Array; iv: Uint8Array }
      assert.throws(
        () => aes128Cbc(options),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, CODE)
          assert.ok(error.message.startsWith(`aes128Cbc: option '${name}'`), error.message)
          assertHides(inspect(error), KEY)
          return true
        },
      )
    }
  }
  for (const options of [undefined, null, KEY, { key: KEY, iv: IV, mode: 'cbc' }]) {
    assert.throws(
      () => aes128Cbc(options as { key: Uint8Array; iv: Uint8Array }),
      (error: Error & { code?: string }) => {
        assertHides(inspect(error), KEY)
        return error.code === CODE
      },
    )
  }
})

test('hlsIv is the media sequence number as 128 bits, big-endian', () => {
  const hex = (sequence: number): string => Buffer.from(hlsIv(sequence)).toString('hex')
  assert.equal(hex(0), '0'.repeat(32))
  assert.equal(hex(1), `${'0'.repeat(31)}1`)
  assert.equal(hex(0x01020304), `${'0'.repeat(24)}01020304`)
  assert.equal(hex(2 ** 32), `${'0'.repeat(23)}100000000`)
  assert.equal(hex(Number.MAX_SAFE_INTEGER), `${'0'.repeat(18)}1fffffffffffff`)
  for (const wrong of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '7', null, undefined, 7n]) {
    assert.throws(() => hlsIv(wrong as number), { code: CODE, message: /^hlsIv: / })
  }
})

// ── fromTransform ────────────────────────────────────────────────────────────────────────────────────────────────

const gunzip = (): Processor => fromTransform('gunzip', createGunzip)

test('[core 42] gunzip through fromTransform, in pieces of any size', async () => {
  const plain = Buffer.from(randomBytes(5, 100_000).map((byte) => byte & 7))
  const zipped = Uint8Array.from(gzipSync(plain))
  for (const size of [1, 100, 4096, 2 ** 20])
    assert.ok(plain.equals(await run(gunzip(), inPieces(zipped, size))), `${size}`)
  const empty = await run(gunzip(), [Uint8Array.from(gzipSync(''))])
  assert.equal(empty.length, 0)
  const members = Uint8Array.from(Buffer.concat([gzipSync('one'), gzipSync('two')]))
  assert.equal((await run(gunzip(), inPieces(members, 7))).toString(), 'onetwo')
})

test('[core 42] what a stream lets out at once is there at once', async () => {
  const transform = await fromTransform('id', () => new PassThrough()).begin(of)
  for (const text of ['a', 'bc', 'def'])
    assert.equal(Buffer.from(await transform.update(Buffer.from(text))).toString(), text)
  assert.equal((await transform.final()).length, 0)
  transform.close?.()
})

test('[core 42] a stream that gives everything at its end gives it in final', async () => {
  const zipped = await run(fromTransform('gzip', createGzip), inPieces(randomBytes(6, 100_000), 1000))
  assert.ok(gunzipSync(zipped).equals(randomBytes(6, 100_000)))
})

test('[core 42] much more out than fits a stream at once: nothing stalls', async () => {
  const plain = Buffer.alloc(8 * 2 ** 20, 'cistern ')
  assert.ok(plain.equals(await run(gunzip(), [Uint8Array.from(gzipSync(plain))])))
})

test('[core 42] an update waits until a slow stream took its bytes', async () => {
  const gates = [deferred(), deferred()]
  let taken = 0
  const slow = new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      gates[taken++]?.promise.then(() => done(null, chunk))
    },
  })
  const transform = await fromTransform('slow', () => slow).begin(of)
  for (const gate of gates) {
    const update = Promise.resolve(transform.update(Buffer.from('x')))
    await eventLoopTurn()
    assert.equal(await stateOf(update), 'pending')
    gate.resolve()
    assert.equal(Buffer.from(await update).toString(), 'x')
  }
  assert.equal((await transform.final()).length, 0)
})

test('[core 42] the bytes of an update may be reused once it settled', async () => {
  const late = new Transform({
    construct(done) {
      done()
    },
    transform(this: Transform & { held?: Buffer }, chunk: Buffer, _encoding, done: TransformCallback) {
      const held = this.held
      this.held = chunk
      done(null, held)
    },
    flush(this: Transform & { held?: Buffer }, done: TransformCallback) {
      done(null, this.held)
    },
  })
  const transform = await fromTransform('late', () => late).begin(of)
  const reused = Buffer.alloc(1)
  let out = ''
  for (const letter of 'abc') {
    reused.write(letter)
    out += Buffer.from(await transform.update(reused)).toString()
  }
  out += Buffer.from(await transform.final()).toString()
  assert.equal(out, 'abc')
})

test('[core 42] truncation, damage and a foreign tail: the error of the stream, and none that it does not raise', async () => {
  const zipped = Uint8Array.from(gzipSync(randomBytes(8, 50_000)))
  const damaged = zipped.slice()
  damaged.fill(0, 1000, 3000)
  const fails: readonly (readonly [Uint8Array<ArrayBuffer>, string])[] = [
    [zipped.slice(0, -1), 'Z_BUF_ERROR'],
    [zipped.slice(0, 5), 'Z_BUF_ERROR'],
    [damaged, 'Z_DATA_ERROR'],
    [Uint8Array.from(Buffer.from('not gzip at all')), 'Z_DATA_ERROR'],
    [Uint8Array.from(Buffer.concat([zipped, Buffer.from('tail')])), 'Z_DATA_ERROR'],
  ]
  for (const [bytes, code] of fails) {
    for (const size of [1000, 2 ** 20]) {
      const error = await rejection(run(gunzip(), inPieces(bytes, size)))
      assert.equal((error as { code?: string }).code, code)
    }
  }
  // What zlib lets pass (zeros after the last member, as tar writes them) passes, however late it comes.
  const padded = Uint8Array.from(Buffer.concat([gzipSync('text'), Buffer.alloc(5000)]))
  for (const size of [10, 2 ** 20]) assert.equal((await run(gunzip(), inPieces(padded, size))).toString(), 'text')
})

test('[core 42] an error rejects the pending call and every later one; between calls nothing is unhandled', async (t) => {
  const unhandled = t.mock.fn()
  process.on('unhandledRejection', unhandled)
  process.on('uncaughtException', unhandled)
  t.after(() => process.off('unhandledRejection', unhandled).off('uncaughtException', unhandled))
  const boom = new Error('boom')

  const pending = new Transform({ transform() {} })
  const first = await fromTransform('pending', () => pending).begin(of)
  const update = rejection(first.update(Buffer.from('x')))
  pending.destroy(boom)
  assert.equal(await update, boom)
  assert.equal(await rejection(first.update(Buffer.from('x'))), boom)
  assert.equal(await rejection(first.final()), boom)
  first.close?.()

  const between = new PassThrough()
  const second = await fromTransform('between', () => between).begin(of)
  await second.update(Buffer.from('x'))
  between.destroy(boom)
  await eventLoopTurn()
  assert.equal(await rejection(second.final()), boom)
  second.close?.()
  between.emit('error', boom)

  const inFlush = new Transform({ transform: (_chunk, _encoding, done) => done(), flush: (done) => done(boom) })
  const third = await fromTransform('flush', () => inFlush).begin(of)
  await third.update(Buffer.from('x'))
  assert.equal(await rejection(third.final()), boom)
  third.close?.()
  await eventLoopTurn()
  assert.equal(unhandled.mock.callCount(), 0)
})

test('[core 42] a stream that goes away without a word, or gives something else than bytes, is an error', async () => {
  const gone = new PassThrough()
  const first = await fromTransform('gone', () => gone).begin(of)
  await first.update(Buffer.from('x'))
  gone.destroy()
  assert.equal(((await rejection(first.final())) as { code?: string }).code, 'ERR_STREAM_PREMATURE_CLOSE')
  const text = new PassThrough({ encoding: 'utf8' })
  const second = await fromTransform('text', () => text).begin(of)
  assert.match(String(await rejection(second.update(Buffer.from('x')))), /gave a string instead of bytes/)
  second.close?.()
  const ended = new PassThrough()
  const third = await fromTransform('ended', () => ended).begin(of)
  ended.end()
  await eventLoopTurn()
  assert.match(String(await rejection(third.update(Buffer.from('x')))), /ended before its source/)
  third.close?.()
})

test('[core 42] close destroys once, ends a pending call, and leaves nothing behind', async (t) => {
  const stream = new Transform({ transform() {} })
  const destroy = t.mock.method(stream, 'destroy')
  const transform = await fromTransform('close', () => stream).begin(of)
  const update = rejection(transform.update(Buffer.from('x')))
  transform.close?.()
  transform.close?.()
  assert.match(String(await update), /was closed/)
  assert.match(String(await rejection(transform.update(Buffer.from('x')))), /was closed/)
  assert.match(String(await rejection(transform.final())), /was closed/)
  assert.equal(destroy.mock.callCount(), 1)
  assert.ok(stream.destroyed)
})

test('[core 42] each run has a stream of its own; a create that throws, or gives no stream, fails begin', async () => {
  let made = 0
  const processor = fromTransform('deflate', () => {
    made++
    return createDeflateRaw()
  })
  const [one, other] = [await run(processor, [KEY]), await run(processor, [KEY])]
  assert.equal(made, 2)
  assert.ok(one.equals(other))
  const boom = new Error('boom')
  assert.throws(
    () =>
      fromTransform('x', () => {
        throw boom
      }).begin(of),
    boom,
  )
  assert.throws(() => fromTransform('x', () => ({}) as NodeJS.ReadWriteStream).begin(of), { code: CODE })
  for (const identity of ['', null, 7])
    assert.throws(() => fromTransform(identity as string, createGunzip), { code: CODE })
  assert.throws(() => fromTransform('x', null as unknown as () => PassThrough), { code: CODE })
})

// ── chain ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('[core 42] a chain of two: what was zipped and then encrypted', async () => {
  const plain = Buffer.from(randomBytes(9, 300_000).map((byte) => byte & 15))
  const cipher = encrypted(Uint8Array.from(gzipSync(plain)))
  const both = chain(aes128Cbc({ key: KEY, iv: IV }), gunzip())
  for (const size of [1000, 65_536, 2 ** 20]) assert.ok(plain.equals(await run(both, inPieces(cipher, size))))
})

test('[core 42] what one gives in final goes through the next', async () => {
  const holds = { identity: 'holds', begin: () => holder() }
  const out = await run(chain(holds, holds, holds), inPieces(randomBytes(10, 100), 7))
  assert.ok(out.equals(randomBytes(10, 100)))
})

test('a chain has an identity of its own, that of its parts in their order; of one it is that one', () => {
  const [a, b] = [fromTransform('a', createGunzip), fromTransform('b', createGunzip)]
  const identities = [chain(a, b), chain(b, a), chain(a, a), chain(a, a, a), chain(a, chain(b, a)), a].map(
    (one) => one.identity,
  )
  assert.equal(new Set(identities).size, identities.length)
  assert.equal(chain(a, b).identity, chain(a, b).identity)
  assert.equal(chain(a), a)
  assert.throws(() => chain(), { code: CODE })
  for (const wrong of [null, undefined, 'aes', {}, () => a])
    assert.throws(() => chain(a, wrong as Processor), { code: CODE })
  assert.throws(() => chain(null as unknown as Processor), { code: CODE })
})

test('a chain knows its output length where all of its parts do', () => {
  const plus = (length: number): Processor => ({
    identity: `plus ${length}`,
    begin: () => holder(),
    outputLength: (source) => source + length,
  })
  const unsure: Processor = { identity: 'unsure', begin: () => holder(), outputLength: () => undefined }
  assert.equal(chain(plus(1), plus(10)).outputLength?.(100), 111)
  assert.equal(chain(plus(1), unsure, plus(10)).outputLength?.(100), undefined)
  assert.equal(chain(plus(1), gunzip()).outputLength?.(100), undefined)
})

test('[core 42] a begin that fails, is late or aborted: those begun before are closed, once, and its error is told', async () => {
  const boom = new Error('boom')
  const closed: string[] = []
  const part = (name: string): Processor => ({
    identity: name,
    begin: async () => {
      await eventLoopTurn()
      return { ...holder(), close: () => closed.push(name) && assert.fail('an error of close, to be ignored') }
    },
  })
  const fails: Processor = { identity: 'fails', begin: () => Promise.reject(boom) }
  const throws: Processor = {
    identity: 'throws',
    begin: () => {
      throw boom
    },
  }
  for (const last of [fails, throws]) {
    closed.length = 0
    assert.equal(await rejection(chain(part('a'), part('b'), last, part('c')).begin(of)), boom)
    assert.deepEqual(closed.sort(), ['a', 'b'])
  }
  closed.length = 0
  const abort = new AbortController()
  const begin = rejection(chain(part('a'), part('b')).begin({ ...of, signal: abort.signal }))
  abort.abort(boom)
  assert.equal(await begin, boom)
  assert.deepEqual(closed, ['a'])
})

test('[core 42] a part that throws in the middle rejects the call; each part is closed once, even if one refuses', async () => {
  const boom = new Error('boom')
  const closed: string[] = []
  const part = (name: string, transform: Partial<ChunkTransform> = {}): Processor => ({
    identity: name,
    begin: () => ({
      ...holder(),
      update: (chunk) => chunk,
      close: () => {
        closed.push(name)
      },
      ...transform,
    }),
  })
  const bare: Processor = { identity: 'bare', begin: () => holder() }
  const refuses = part('refuses', {
    close: () => {
      closed.push('refuses')
      throw boom
    },
  })
  const throws = part('throws', {
    update: () => {
      throw boom
    },
  })
  const transform = await chain(part('a'), refuses, throws, bare, part('b')).begin(of)
  assert.equal(await rejection(transform.update(KEY)), boom)
  assert.throws(() => transform.close?.(), boom)
  transform.close?.()
  assert.deepEqual(closed.sort(), ['a', 'b', 'refuses', 'throws'])
})

// ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function encrypted(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv('aes-128-cbc', KEY, IV)
  return Uint8Array.from(Buffer.concat([cipher.update(plain), cipher.final()]))
}

/** Gives nothing before its end. */
function holder(): ChunkTransform {
  const held: Uint8Array[] = []
  return {
    update: (chunk) => {
      held.push(chunk)
      return new Uint8Array(0)
    },
    final: () => Buffer.concat(held),
  }
}

async function run(processor: Processor, pieces: Iterable<Uint8Array>): Promise<Buffer> {
  const transform = await processor.begin(of)
  const out: Uint8Array[] = []
  try {
    for (const piece of pieces) out.push(await transform.update(piece))
    out.push(await transform.final())
  } finally {
    transform.close?.()
  }
  return Buffer.concat(out)
}

async function rejection(call: unknown): Promise<unknown> {
  try {
    await call
  } catch (error) {
    return error
  }
  return assert.fail('it was fulfilled')
}

/** In any of the forms in which bytes get into a text. */
function assertHides(text: string, secret: Uint8Array): void {
  const bytes = Buffer.from(secret)
  const pairs = bytes.toString('hex').match(/../g) ?? []
  const forms = [
    bytes.toString('hex'),
    pairs.join(' '),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('latin1'),
    bytes.join(', '),
    bytes.join(','),
  ]
  for (const form of forms)
    assert.ok(!text.toLowerCase().includes(form.toLowerCase()), `${form} shows in ${text.slice(0, 500)}`)
}

/** Streams hold circles that JSON does not take; only what is bytes or text matters. */
function bytesAsText(this: unknown, name: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null && ArrayBuffer.isView(value))
    return Buffer.from(value.buffer).toString('hex')
  return name.length > 40 ? undefined : value
}
