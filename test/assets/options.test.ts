import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { checkOptions } from '#assets/check-options.js'
import {
  ACQUIRE_OPTIONS,
  DEFAULTS,
  DISK_STORE_OPTIONS,
  LIMIT_OPTIONS,
  OPEN_OPTIONS,
  type OptionSpec,
  PUT_OPTIONS,
  STORE_OPTIONS,
  VERIFY_OPTIONS,
} from '#assets/options.js'
import { aes128Cbc } from '#assets/processors/aes-128-cbc.js'

const MIB = 2 ** 20
const CODE = 'ERR_CISTERN_INVALID_OPTION'
const SHA256_OF_NOTHING = 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='

test('[core 37] the defaults are those that are documented, in one frozen place', () => {
  assert.deepEqual(DEFAULTS, {
    cacheEntries: 5,
    durability: 'ordered',
    flushMs: 100,
    minFreeBytes: 256 * MIB,
    memoryMaxBytes: 256 * MIB,
    chunkSize: 256 * 1024,
    mode: 'fill',
  })
  assert.ok(Object.isFrozen(DEFAULTS))
})

test('[core 37] each default is itself a value that the options take', () => {
  const { memoryMaxBytes, chunkSize: _, mode, ...store } = DEFAULTS
  checkOptions('open', { ...store, maxBytes: memoryMaxBytes }, STORE_OPTIONS)
  checkOptions('acquire', { mode }, ACQUIRE_OPTIONS)
})

test('[core 37] every option takes what it is for', () => {
  const { signal } = new AbortController()
  const processor = aes128Cbc({ key: new Uint8Array(16), iv: new Uint8Array(16) })
  const put = { processor, length: 0, metadata: { etag: '"1"' }, integrity: SHA256_OF_NOTHING, signal }
  const store = {
    maxAssets: 1,
    maxBytes: 0,
    minFreeBytes: 0,
    cacheEntries: 0,
    durability: 'strict',
    flushMs: 0,
    signal,
  }
  const bags: readonly (readonly [object, OptionSpec<object>])[] = [
    [
      { maxAssets: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY, minFreeBytes: 2 ** 53 - 1 },
      LIMIT_OPTIONS,
    ],
    [{ ...store, base: () => {}, layers: () => [] }, STORE_OPTIONS],
    [{ ...store, root: './cache' }, DISK_STORE_OPTIONS],
    [put, PUT_OPTIONS],
    [{ ...put, processor: async () => processor, mode: 'rewrite', staged: true }, ACQUIRE_OPTIONS],
    [{ verify: true, committed: false, signal }, OPEN_OPTIONS],
    [{ repair: true, signal, onProgress: () => {}, onFinding: () => {} }, VERIFY_OPTIONS],
  ]
  for (const [bag, spec] of bags) assert.deepEqual(checkOptions('call', bag, spec), bag)
})

/** Option, values that it does not take, spec, other options that are needed. */
const REFUSED: readonly (readonly [
  name: string,
  values: readonly unknown[],
  spec: OptionSpec<object>,
  others?: object,
])[] = [
  ['maxAssets', [0, -1, 1.5, Number.NaN, '5', null, true, 5n, -Number.POSITIVE_INFINITY, 2 ** 53], LIMIT_OPTIONS],
  ['maxBytes', [-1, 0.5, Number.NaN, '1gb', null, [], {}], LIMIT_OPTIONS],
  ['minFreeBytes', [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null], LIMIT_OPTIONS],
  ['cacheEntries', [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, 2 ** 31], STORE_OPTIONS],
  ['durability', ['fast', '', 'Ordered', 1, null, true, ['ordered']], STORE_OPTIONS],
  ['flushMs', [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '100', null, 2 ** 31], STORE_OPTIONS],
  ['signal', [null, {}, true, new AbortController(), 'abort'], STORE_OPTIONS],
  ['base', [null, {}, 'disk', []], STORE_OPTIONS],
  ['layers', [null, [], 'lease'], STORE_OPTIONS],
  ['root', ['', 7, null, 'a\0b', new URL('file:///tmp'), undefined], DISK_STORE_OPTIONS],
  ['processor', [null, {}, 'aes', { identity: 'x' }, { begin() {} }, { identity: '', begin() {} }, []], PUT_OPTIONS],
  ['length', [-1, 0.5, Number.NaN, '12', null, Number.POSITIVE_INFINITY, 12n], PUT_OPTIONS],
  ['metadata', [null, [], 'etag', 7, new Map(), new Date(), () => {}, { f() {} }], PUT_OPTIONS],
  ['integrity', [null, '', 'sha256', 'md5-1B2M2Y8AsgTpgAmY7PhCfg==', 7, ['x']], PUT_OPTIONS],
  ['mode', ['write', 'FILL', null, 1], ACQUIRE_OPTIONS],
  ['staged', [1, 'true', null], ACQUIRE_OPTIONS],
  ['verify', [1, 'true', null], OPEN_OPTIONS],
  ['committed', [0, 'no', null], OPEN_OPTIONS],
  ['repair', [1, null], VERIFY_OPTIONS],
  ['onProgress', [null, true, {}], VERIFY_OPTIONS],
  ['onFinding', [null, true, {}], VERIFY_OPTIONS],
]

test('[core 37] what an option does not take is refused, naming the call, the option and what it takes', () => {
  for (const [name, values, spec] of REFUSED) {
    for (const value of values) {
      assert.throws(
        () => checkOptions('Store.call', { [name]: value }, spec),
        (error: Error & { code?: string }) =>
          error.code === CODE && error.message.startsWith('Store.call: option') && error.message.includes(name),
        `${name}: ${inspect(value)}`,
      )
    }
  }
})

test('[core 37] every option has a value that it refuses, so that none is forgotten above', () => {
  const specs = [
    LIMIT_OPTIONS,
    STORE_OPTIONS,
    DISK_STORE_OPTIONS,
    PUT_OPTIONS,
    ACQUIRE_OPTIONS,
    OPEN_OPTIONS,
    VERIFY_OPTIONS,
  ]
  const tried = new Set(REFUSED.map(([name]) => name))
  assert.deepEqual(
    specs.flatMap((spec) => Object.keys(spec)).filter((name) => !tried.has(name)),
    [],
  )
})

test('[core 37] a message says what was expected and what came', () => {
  const message = (options: object): string =>
    messageOf(() => checkOptions('AssetStore.open', options, DISK_STORE_OPTIONS))
  assert.equal(
    message({ root: 'r', maxAssets: 0 }),
    "AssetStore.open: option 'maxAssets' must be a whole number of assets of at least 1, or Infinity, got 0",
  )
  assert.equal(
    message({ root: 'r', durability: 'fast' }),
    "AssetStore.open: option 'durability' must be 'ordered', 'strict' or 'relaxed', got a string",
  )
  assert.equal(message({}), "AssetStore.open: option 'root' is required and must be the path of a folder")
  assert.match(
    message({ root: 'r', flushMs: Number.NaN }),
    /'flushMs' must be a whole number of milliseconds .*, got NaN$/,
  )
  assert.match(message({ root: 'r', signal: new Map() }), /an AbortSignal, got an object of class Map$/)
})

test('[core 37] an unknown name is refused, with the one that was meant where there is one', () => {
  const cases: readonly (readonly [name: string, meant: string | undefined])[] = [
    ['maxbytes', 'maxBytes'],
    ['maxByte', 'maxBytes'],
    ['max_bytes', 'maxBytes'],
    ['durabilty', 'durability'],
    ['cacheEntrys', 'cacheEntries'],
    ['flushMS', 'flushMs'],
    ['layer', 'layers'],
    ['colour', undefined],
    ['x'.repeat(100_000), undefined],
    ['constructor', undefined],
    ['toString', undefined],
    ['', undefined],
  ]
  for (const [name, meant] of cases) {
    const message = messageOf(() => checkOptions('open', { [name]: undefined }, STORE_OPTIONS))
    assert.ok(message.startsWith(`open: unknown option '${name.slice(0, 80)}'`), message)
    if (meant) assert.ok(message.endsWith(`did you mean '${meant}'?`), message)
    else assert.doesNotMatch(message, /did you mean/)
  }
  assert.match(
    messageOf(() => checkOptions('open', JSON.parse('{"__proto__": 1}'), STORE_OPTIONS)),
    /unknown option '__proto__'/,
  )
})

test('[core 37] undefined is as if absent, alone and in every option', () => {
  assert.deepEqual(checkOptions('open', undefined, STORE_OPTIONS), {})
  const bag = Object.fromEntries(Object.keys(STORE_OPTIONS).map((name) => [name, undefined]))
  const checked = checkOptions('open', bag, STORE_OPTIONS)
  assert.deepEqual(Object.keys(checked), [])
  assert.deepEqual({ ...DEFAULTS, ...checked }, DEFAULTS)
})

test('[core 37] what is no bag of options is refused', () => {
  const { signal } = new AbortController()
  for (const options of [
    null,
    [],
    [{}],
    'x',
    7,
    true,
    () => {},
    new Map(),
    new Set(),
    Promise.resolve({}),
    new Date(),
    signal,
    Buffer.alloc(1),
  ]) {
    assert.throws(() => checkOptions('open', options, STORE_OPTIONS), {
      code: CODE,
      message: /^open: options must be an object, got /,
    })
  }
})

test('[core 37] bags from classes, without prototype, over defaults, from another realm are taken', () => {
  class Config {
    maxBytes = 7
  }
  const bags = [
    new Config(),
    Object.assign(Object.create(null), { maxBytes: 7 }),
    Object.create({ maxBytes: 7 }),
    runInNewContext('({ maxBytes: 7 })'),
  ]
  for (const bag of bags) assert.equal(checkOptions('open', bag, STORE_OPTIONS).maxBytes, 7)
  assert.throws(() => checkOptions('open', Object.create({ maxByte: 7 }), STORE_OPTIONS), { code: CODE })
})

test('[core 37] the result is a frozen copy: what the caller changes later changes nothing', () => {
  const bag = { maxBytes: 7 }
  const checked = checkOptions('open', bag, STORE_OPTIONS)
  bag.maxBytes = -1
  assert.equal(checked.maxBytes, 7)
  assert.ok(Object.isFrozen(checked))
})

test('no content of strings or objects shows in a message', () => {
  const secret = 'c0ffee-s3cret'
  for (const value of [secret, [secret], { secret }, Buffer.from(secret), Object.assign(() => {}, { secret })]) {
    const options: readonly (readonly [string, OptionSpec<object>])[] = [
      ['processor', PUT_OPTIONS],
      ['durability', STORE_OPTIONS],
      ['maxBytes', LIMIT_OPTIONS],
    ]
    for (const [name, spec] of options) {
      if (name === 'processor' && typeof value === 'function') continue
      assert.doesNotMatch(
        messageOf(() => checkOptions('open', { [name]: value }, spec)),
        /s3cret|99, 48/,
      )
    }
  }
})

function messageOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.equal((error as { code?: string }).code, CODE)
    return (error as Error).message
  }
  return assert.fail('nothing was thrown')
}
