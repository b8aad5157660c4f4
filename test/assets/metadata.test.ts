import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { decodeMetadata, encodeMetadata, MAX_METADATA_BYTES, MAX_METADATA_DEPTH } from '#assets/metadata.js'
import fc from '../helpers/fast-check.js'

const CODE = 'ERR_CISTERN_INVALID_OPTION'
const roundTrip = (metadata: object): object => decodeMetadata(encodeMetadata(metadata))

test('[core 28] metadata comes back as it went in', () => {
  const metadata = {
    etag: '"33a64df5"',
    type: 'video/mp2t',
    url: 'https://cdn.example/é/🎬.ts',
    expires: new Date(1_700_000_000_123),
    before: new Date(-1),
    size: 2 ** 40,
    ratio: 1.5,
    nothing: null,
    flags: [true, false, undefined, Number.NaN, Number.NEGATIVE_INFINITY],
    digest: new Uint8Array([1, 2, 3]),
    big: [5n, -(2n ** 63n), 2n ** 63n - 1n],
    map: new Map<unknown, unknown>([
      ['a', 1],
      [2, new Map([['b', new Set([1])]])],
      [{ c: 1 }, undefined],
    ]),
    set: new Set(['map', ['x', 1], 'set', new Date(0)]),
    empty: [{}, [], new Map(), new Set(), '', new Uint8Array(0)],
    'odd name.é': { constructor: 1, toString: 2, '5': 3, '': 4 },
  }
  assert.deepEqual(roundTrip(metadata), metadata)
})

test('[core 28] random metadata comes back as it went in', () => {
  const leaf = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.double().map((value) => value + 0), // msgpack has no -0
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 40 }),
  )
  const name = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => text !== '__proto__')
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(name, tie('value'), { maxKeys: 5, noNullPrototype: true }),
      fc.array(fc.tuple(leaf, tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
      fc.array(tie('value'), { maxLength: 5 }).map((items) => new Set(items)),
    ),
  }))
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true }), (metadata) => {
      assert.deepEqual(roundTrip(metadata), metadata)
    }),
    { numRuns: 1500 },
  )
})

test('[core 28] an undefined property is as if absent; bytes come back as a Uint8Array; holes as undefined', () => {
  assert.deepEqual(roundTrip({ a: undefined, b: { c: undefined } }), { b: {} })
  const bytes: unknown = (roundTrip({ bytes: Buffer.from('abc') }) as { bytes: unknown }).bytes
  assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype)
  // biome-ignore lint/suspicious/noSparseArray: a hole is the point
  assert.deepEqual(roundTrip({ holes: [1, , 2] }), { holes: [1, undefined, 2] })
})

test('[core 28] what comes back is a copy of its own', () => {
  const metadata = { list: [1], bytes: new Uint8Array([1]) }
  const encoded = encodeMetadata(metadata)
  metadata.list.push(2)
  metadata.bytes[0] = 9
  const first = decodeMetadata(encoded) as typeof metadata
  first.list.push(3)
  first.bytes[0] = 8
  assert.deepEqual(decodeMetadata(encoded), { list: [1], bytes: new Uint8Array([1]) })
  // From a Buffer too, as files give it, of which msgpackr likes to hand out views.
  const read = Buffer.from(encoded)
  const second = decodeMetadata(read) as typeof metadata
  assert.equal(Object.getPrototypeOf(second.bytes), Uint8Array.prototype)
  second.bytes[0] = 8
  assert.deepEqual(decodeMetadata(read), { list: [1], bytes: new Uint8Array([1]) })
})

test('[core 28] encoded metadata stands for itself, in a buffer of its own', () => {
  const first = encodeMetadata({ etag: 'a', type: 'b' })
  const copy = first.slice()
  encodeMetadata({ type: 'c', etag: 'd' })
  assert.deepEqual(first, copy)
  assert.equal(first.buffer.byteLength, first.byteLength)
  assert.deepEqual(decodeMetadata(copy), { etag: 'a', type: 'b' })
})

test('[core 28] metadata of another realm is taken', () => {
  const foreign = runInNewContext('({ a: { b: [new Date(5)] }, m: new Map([[1, 2]]), bytes: new Uint8Array([7]) })')
  assert.deepEqual(roundTrip(foreign), { a: { b: [new Date(5)] }, m: new Map([[1, 2]]), bytes: new Uint8Array([7]) })
})

class Instance {}
const itself: { self?: object } = {}
itself.self = itself

/** What, where the trouble is, what it is. */
const REFUSED: readonly (readonly [metadata: unknown, place: string, why: RegExp])[] = [
  [{ a: () => {} }, 'metadata.a', /is a function/],
  [{ a: [1, { b: Symbol('x') }] }, 'metadata.a[1].b', /is a symbol/],
  [{ [Symbol('x')]: 1 }, 'metadata', /symbol for a name/],
  [{ a: { 'b c': new Instance() } }, 'metadata.a["b c"]', /instance of Instance/],
  [{ a: new Instance() }, 'metadata.a', /instance of Instance/],
  [{ a: /x/ }, 'metadata.a', /instance of RegExp/],
  [{ a: new Error('x') }, 'metadata.a', /instance of Error/],
  [{ a: new Uint16Array(2) }, 'metadata.a', /instance of Uint16Array/],
  [{ a: new ArrayBuffer(2) }, 'metadata.a', /instance of ArrayBuffer/],
  [{ a: new Headers() }, 'metadata.a', /instance of Headers/],
  [{ a: Promise.resolve(1) }, 'metadata.a', /instance of Promise/],
  [{ a: new Number(1) }, 'metadata.a', /instance of Number/],
  [{ a: 2n ** 63n }, 'metadata.a', /64 bits/],
  [{ a: -(2n ** 63n) - 1n }, 'metadata.a', /64 bits/],
  [{ a: new Date(Number.NaN) }, 'metadata.a', /invalid date/],
  [{ a: 'half \ud800' }, 'metadata.a', /half a surrogate/],
  [{ '\udc00': 1 }, 'metadata["\\udc00"]', /half a surrogate/],
  [JSON.parse('{"a":{"__proto__":1}}'), 'metadata.a.__proto__', /objects do not keep/],
  [{ a: new Map([['k', () => {}]]) }, 'metadata.a<map>[1]', /is a function/],
  [{ a: new Set([new Instance()]) }, 'metadata.a<set>[0]', /instance of Instance/],
  [itself, 'metadata.self.self', /32 levels deep/],
]

test('[core 28] what would not come back as it was is refused by its place', () => {
  for (const [metadata, place, why] of REFUSED) {
    const message = messageOf(metadata)
    assert.ok(message.startsWith(place), message)
    assert.match(message, why)
  }
})

test('[core 28] only a plain object is metadata', () => {
  for (const value of [
    null,
    undefined,
    1,
    'x',
    [],
    new Map(),
    new Set(),
    new Date(),
    new Instance(),
    Buffer.alloc(1),
    () => {},
  ]) {
    assert.equal(messageOf(value), 'metadata must be a plain object')
  }
  assert.deepEqual(roundTrip(Object.create(null)), {})
})

test('[core 28] the limits on depth and size are exact', () => {
  let deepest: object = {}
  for (let level = 1; level < MAX_METADATA_DEPTH; level++) deepest = { a: deepest }
  assert.deepEqual(roundTrip(deepest), deepest)
  assert.match(messageOf({ a: deepest }), /32 levels deep/)

  const overhead = encodeMetadata({ a: 'x'.repeat(40_000) }).length - 40_000
  const largest = { a: 'x'.repeat(MAX_METADATA_BYTES - overhead) }
  assert.equal(encodeMetadata(largest).length, MAX_METADATA_BYTES)
  assert.match(messageOf({ a: `${largest.a}x` }), /at most 65536 bytes/)
  const many = { a: Array.from({ length: 60_000 }, () => 1) }
  assert.deepEqual(roundTrip(many), many)
})

test('[core 28] something huge is given up early, not encoded first', () => {
  const shared = Array.from({ length: 1000 }, () => 1)
  const wide = Array.from({ length: 1000 }, () => Array.from({ length: 1000 }, () => shared)) // 10⁹ values if walked
  for (const huge of [wide, 'é'.repeat(40_000), new Uint8Array(10 * MAX_METADATA_BYTES), new Array(2 ** 31)]) {
    assert.match(messageOf({ huge }), /at most 65536 bytes/)
  }
})

test('[core 28] the message names the option that it was given as, and never the value', () => {
  assert.throws(() => encodeMetadata({ a: Symbol('s3cret') }, "put: option 'metadata'"), {
    message: /^put: option 'metadata'\.a is a symbol/,
  })
})

function messageOf(metadata: unknown): string {
  try {
    encodeMetadata(metadata)
  } catch (error) {
    assert.equal((error as { code?: string }).code, CODE)
    assert.doesNotMatch((error as Error).message, /s3cret/)
    return (error as Error).message
  }
  return assert.fail('it was taken')
}
