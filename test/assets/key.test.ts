import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { CisternError } from '@cistern/storage'
import { checkKey, ResourceKey } from '#assets/key.js'
import fc from '../helpers/fast-check.js'

const LEGAL_PATHS = [
  'film.mp4',
  '720p/seg-1.ts',
  'A.ts',
  'a',
  '.hidden',
  '..almost',
  '-rf',
  '~user',
  'a b'.replace(' ', '%20'),
  'letters.0-9_~%+=@,Z',
  'x'.repeat(96),
  `${'abcdefg/'.repeat(127)}abcdefgh`, // 1,024
  'console',
  'nulls.txt',
  'com10',
  'com',
  'part',
  'a.parts',
  'a.part.ts',
  '_index/1.ts', // reserved as an asset only
]

/** What, a part of the rule that the message names, the component that it names. */
const ILLEGAL_PATHS: readonly (readonly [path: string, rule: RegExp, component?: string])[] = [
  ['', /empty/],
  ['/etc/passwd', /empty/],
  ['a//b', /empty/],
  ['a/', /empty/],
  ['.', /folder/, '.'],
  ['..', /folder/, '..'],
  ['../a', /folder/, '..'],
  ['a/../b', /folder/, '..'],
  ['a/./b', /folder/, '.'],
  ['a\\b', /holds "\\\\"/, 'a\\b'],
  ['..\\b', /holds/],
  ['C:', /holds ":"/],
  ['a\0b', /holds "\\u0000"/],
  ['a\nb', /holds "\\n"/],
  ['a b', /holds " "/],
  ['a*', /holds/],
  ['é', /holds "é"/],
  ['🎬.mp4', /holds "🎬"/u],
  ['half\ud800', /holds/],
  ['ａ', /holds/], // full-width
  ['a.', /dot or a space/, 'a.'],
  ['a ', /dot or a space/, 'a '],
  ['a...', /dot or a space/],
  ['a./b', /dot or a space/, 'a.'],
  ['CON', /Windows device/, 'CON'],
  ['x/con/y', /Windows device/, 'con'],
  ['nul.txt', /Windows device/, 'nul.txt'],
  ['Aux.tar.gz', /Windows device/],
  ['prn', /Windows device/],
  ['com1', /Windows device/],
  ['COM9.ts', /Windows device/],
  ['lpt1.m3u8', /Windows device/],
  ['conin$', /Windows device/],
  ['CONOUT$', /Windows device/],
  ['film.mp4.part', /\.part is reserved/, 'film.mp4.part'],
  ['film.PART', /\.part is reserved/],
  ['.part', /\.part is reserved/],
  ['a.part/b', /\.part is reserved/, 'a.part'],
  ['x'.repeat(97), /97 bytes, of at most 96/],
  [`${'abcdefg/'.repeat(128)}a`, /longer than 1024 bytes/], // 1,025
]

test('[core 19] legal paths make keys', () => {
  for (const path of LEGAL_PATHS) {
    const key = ResourceKey.of('film-7', path)
    assert.equal(key.asset, 'film-7')
    assert.equal(key.path, path)
    assert.equal(key.id, `film-7/${path}`)
  }
})

test('[core 19] every other path is refused, naming the component and the rule', () => {
  for (const [path, rule, component] of ILLEGAL_PATHS) {
    const error = refusal(() => ResourceKey.of('film-7', path), path)
    assert.match(error.message, rule)
    if (component !== undefined)
      assert.ok(error.message.includes(`component ${JSON.stringify(component)}`), error.message)
    assert.equal(refusal(() => ResourceKey.parse(`film-7/${path}`), path).message, error.message)
  }
})

test('[core 19] an asset is one component, and never the index', () => {
  for (const asset of ['film-7', '_inde', 'my_index', 'x'.repeat(96), '.index']) ResourceKey.of(asset, 'a')
  for (const asset of ['_index', '_INDEX', '_Index.bak', '_index2']) {
    assert.match(refusal(() => ResourceKey.of(asset, 'a'), asset).message, /belong to the index/)
  }
  for (const asset of ['', '.', '..', 'a/b', 'a\\b', 'a\0', 'é', 'nul', 'a.', 'a ', 'a.part', 'x'.repeat(97)]) {
    const { message } = refusal(() => ResourceKey.of(asset, 'a'), asset)
    assert.ok(message.includes(`asset ${JSON.stringify(asset)}`), message)
  }
})

test('[core 19] values that are no strings are refused', () => {
  for (const value of [undefined, null, 7, {}, ['a'], Symbol('a'), { toString: () => 'a' }]) {
    refusal(() => ResourceKey.of(value as string, 'a'), 'asset')
    refusal(() => ResourceKey.of('a', value as string), 'path')
    refusal(() => ResourceKey.parse(value as string), 'id')
  }
  assert.match(refusal(() => ResourceKey.parse('film'), 'id').message, /no slash/)
})

test('[core 19] a message stays short and printable whatever the key', () => {
  const { message } = refusal(() => ResourceKey.of('a', `\u0007${'x'.repeat(1_000_000)}`), 'long')
  assert.ok(message.length < 500)
  assert.ok(!message.includes('\u0007'))
})

test('[core 19] any path is a key that parses to itself, or is refused', () => {
  const letters = fc.constantFrom(...'aZ0._-~%+=@,/ \\:\0é.conpart'.split(''))
  fc.assert(
    fc.property(fc.string({ unit: letters, maxLength: 12 }), (path) => {
      let key: ResourceKey
      try {
        key = ResourceKey.of('a', path)
      } catch (error) {
        assert.ok(CisternError.is(error, 'ERR_CISTERN_INVALID_KEY'))
        return
      }
      assert.deepEqual(ResourceKey.parse(key.id), key)
      assert.doesNotMatch(path, /\/\/|(^|\/)\.{1,2}(\/|$)|[\\:\0 é]|\.(\/|$)/)
    }),
    { numRuns: 3000 },
  )
})

test('equal keys have equal ids, and others differ', () => {
  assert.equal(ResourceKey.of('a', 'b/c').id, ResourceKey.parse('a/b/c').id)
  assert.notEqual(ResourceKey.of('a', 'b').id, ResourceKey.of('A', 'b').id)
  assert.notDeepEqual(ResourceKey.of('a', 'b'), ResourceKey.of('a', 'c'))
})

test('a key is frozen and shows only its id', () => {
  const key = ResourceKey.of('film-7', 'film.mp4')
  assert.throws(() => Object.assign(key, { path: '../../etc/passwd' }), TypeError)
  assert.equal(inspect(key), 'ResourceKey(film-7/film.mp4)')
  assert.equal(`${key}`, 'film-7/film.mp4')
})

test('only what the class made counts as a key', () => {
  const key = ResourceKey.of('a', 'b')
  assert.ok(ResourceKey.isKey(key))
  checkKey('open', key)
  const forged = Object.assign(Object.create(ResourceKey.prototype), { asset: '..', path: 'b', id: '../b' })
  for (const value of [forged, { ...key }, 'a/b', null, undefined]) {
    assert.ok(!ResourceKey.isKey(value))
    assert.match(refusal(() => checkKey('open', value), 'forged').message, /^open: expected a ResourceKey/)
  }
  // A constructor that is private in TypeScript is not so in JavaScript.
  refusal(() => Reflect.construct(ResourceKey, ['..', 'b']), 'constructed')
})

const BASE = 'https://cdn.example/films/7/seg1.ts'

test('[core 20] fromUrl: the same URL gives the same key, whoever asks, wherever in the page', () => {
  const key = ResourceKey.fromUrl(BASE)
  const spellings = [
    'https://cdn.example:443/films/7/seg1.ts',
    'HTTPS://CDN.example/films/./x/../7/seg1.ts',
    'https://user:pass@cdn.example/films/7/seg1.ts',
    `${BASE}#t=10`,
  ]
  for (const url of spellings) assert.equal(ResourceKey.fromUrl(url).id, key.id)
  assert.equal(ResourceKey.fromUrl(new URL(BASE)).id, key.id)
  assert.match(key.asset, /^[0-9a-f]{32}$/)
})

test('[core 20] fromUrl: files of one directory share an asset and keep their names, so that a playlist plays in place', () => {
  const names = ['index.m3u8', 'seg1.ts', 'SEG1.ts', 'my%20film.mp4', 'init.mp4']
  const keys = names.map((name) => ResourceKey.fromUrl(new URL(name, BASE)))
  assert.deepEqual(
    keys.map((key) => key.path),
    names,
  )
  assert.equal(new Set(keys.map((key) => key.asset)).size, 1)
})

test('[core 20] fromUrl: one file name under two directories, origins, queries, spellings, variants never meets', () => {
  const urls = [
    BASE,
    'https://cdn.example/films/8/seg1.ts',
    'https://cdn.example/films/7//seg1.ts',
    'https://cdn.example/Films/7/seg1.ts',
    'https://cdn.example/seg1.ts',
    'http://cdn.example/films/7/seg1.ts',
    'https://cdn2.example/films/7/seg1.ts',
    'https://cdn.example:8443/films/7/seg1.ts',
    'rtsp://cdn.example/films/7/seg1.ts',
    `${BASE}?a=1`,
    `${BASE}?a=2`,
    `${BASE}?a=1&b=2`,
    `${BASE}?b=2&a=1`,
    `${BASE}?A=1`,
    'https://cdn.example/films/7/',
    'https://cdn.example/films/7/?a=1',
    'https://cdn.example/films/7/index',
    'https://cdn.example/films/7/seg1',
    'https://cdn.example/films/7/seg%31.ts',
    'https://cdn.example/films/7/seg1!.ts',
    'https://cdn.example/films/7/seg1%21.ts',
    'https://cdn.example/films/7/seg1%2521.ts',
    'https://cdn.example/films/7/seg1~.ts',
    'https://cdn.example/films/7/seg1%7E.ts',
    'https://cdn.example/films/7/seg1%7e.ts',
    'https://cdn.example/films/7%2Fseg1.ts',
    'https://cdn.example/films/7/%ff.ts',
    'https://cdn.example/films/7/%.ts',
    'https://cdn.example/films/7/nul',
    'https://cdn.example/films/7/seg1.ts.part',
    'https://cdn.example/films/7/seg1.ts.',
    `https://cdn.example/films/7/${'x'.repeat(200)}.ts`,
    `https://cdn.example/films/7/${'x'.repeat(201)}.ts`,
  ]
  for (const asset of [undefined, 'film-7']) {
    const ids = urls.flatMap((url) =>
      [undefined, '', 'de', 'en'].map((variant) => ResourceKey.fromUrl(url, { asset, variant }).id),
    )
    const meeting = ids.filter((id, index) => ids.indexOf(id) !== index)
    assert.deepEqual(meeting, [])
  }
})

test('[core 20] fromUrl: random URLs meet only where they are the same', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', '.', '~', '%', '2', '5', '!', '%20', '%7E', 'é'), maxLength: 6 })
  const url = fc
    .tuple(piece, piece, piece)
    .map(([folder, file, query]) => `http://h/${folder}/${file}${query && `?${query}`}`)
  const asset = fc.constantFrom(undefined, 'given')
  fc.assert(
    fc.property(url, url, asset, (one, other, asset) => {
      const same = new URL(one).href.replace(/\?$/, '') === new URL(other).href.replace(/\?$/, '')
      const key = ResourceKey.fromUrl(one, { asset })
      assert.equal(key.id === ResourceKey.fromUrl(other, { asset }).id, same)
    }),
    { numRuns: 3000 },
  )
})

test('[core 20] fromUrl: query says what of it counts', () => {
  const id = (search: string, query?: 'all' | 'none' | readonly string[]): string =>
    ResourceKey.fromUrl(`${BASE}${search}`, { query }).id
  assert.equal(id('?token=1', 'none'), id(''))
  assert.equal(id('?v=1&token=1&t=2', ['v', 't']), id('?t=2&token=9&v=1', ['t', 'v', 't']))
  assert.equal(id('?token=1', ['v']), id(''))
  assert.equal(id('?', 'all'), id(''))
  assert.notEqual(id('?v=1', ['v']), id('?v=2', ['v']))
  assert.notEqual(id('?v=1&w=2', ['v', 'w']), id('?v=2&w=1', ['v', 'w']))
  assert.notEqual(id('?v=', ['v']), id('', ['v']))
  assert.notEqual(id('?v=1&v=2', ['v']), id('?v=2&v=1', ['v']))
  assert.notEqual(id('?v=1,v=2', ['v']), id('?v=1&v=2', ['v']))
})

test('[core 20] fromUrl: the path stays readable, its extension last', () => {
  const path = (url: string, asset?: string): string => ResourceKey.fromUrl(url, { asset }).path
  assert.match(path(`${BASE}?sig=x`), /^seg1~[0-9a-f]{32}\.ts$/)
  assert.match(path(BASE, 'film-7'), /^seg1~[0-9a-f]{32}\.ts$/)
  assert.match(path('https://h/caf%C3%A9!.mp4'), /^caf%C3%A9%21~[0-9a-f]{32}\.mp4$/)
  assert.match(path('https://h/dir/'), /^index~[0-9a-f]{32}$/)
  assert.equal(ResourceKey.fromUrl(BASE, { asset: 'film-7' }).asset, 'film-7')
})

test('[core 20] fromUrl: no secret of a URL shows in the key, nor in an error', () => {
  const url = 'https://alice:hunter2@h/token-s3cret/a.ts?sig=s3cret#s3cret'
  for (const asset of [undefined, 'film-7']) {
    assert.doesNotMatch(ResourceKey.fromUrl(url, { asset }).id, /alice|hunter2|s3cret|sig/)
  }
  for (const bad of [
    '/relative/a.ts?sig=s3cret',
    'https://h:99999/?sig=s3cret',
    'data:text/plain,s3cret',
    'mailto:s3cret@h',
  ]) {
    const error = refusal(() => ResourceKey.fromUrl(bad), bad)
    assert.doesNotMatch(inspect(error).split('\n    at ')[0] ?? '', /s3cret/)
    assert.equal(error.cause, undefined)
  }
})

test('[core 20] fromUrl: what is no URL, no asset, no option is refused', () => {
  for (const bad of ['', 'film.mp4', 'http://', 'foo://host', 'blob:nothing', 7, null, undefined, {}]) {
    refusal(() => ResourceKey.fromUrl(bad as string), String(bad))
  }
  refusal(() => ResourceKey.fromUrl(BASE, { asset: '../x' }), 'asset')
  refusal(() => ResourceKey.fromUrl(BASE, { asset: '_index' }), 'asset')
  for (const query of ['some', 7, ['a', 7], null]) {
    assert.throws(() => ResourceKey.fromUrl(BASE, { query: query as 'all' }), { code: 'ERR_CISTERN_INVALID_OPTION' })
  }
  assert.throws(
    () => ResourceKey.fromUrl(BASE, { varient: 'de' } as object),
    /unknown option 'varient', did you mean 'variant'\?/,
  )
})

function refusal(make: () => unknown, what: string): Error {
  try {
    make()
  } catch (error) {
    assert.ok(CisternError.is(error, 'ERR_CISTERN_INVALID_KEY'), `${what}: ${error}`)
    return error
  }
  return assert.fail(`${JSON.stringify(what)} was taken`)
}
