import assert from 'node:assert/strict'
import { ResourceKey } from '../key.js'
import { portable } from '../portable.js'
import { assertBytes, patterned, rejectsWith, throwsWith } from './bytes.js'
import { begin, read, type Suite } from './suite.js'

/** As an asset, and as a component of a path. */
const BAD_COMPONENTS = [
  '',
  '.',
  '..',
  'a\\b',
  'a\0b',
  'a\nb',
  'a:b',
  'trailing.',
  'trailing ',
  'CON',
  'con',
  'nul.txt',
  'COM1',
  'lpt9.tar.gz',
  'film.part',
  'film.PART',
  'é',
  '映画',
  'x'.repeat(97),
]
const BAD_ASSETS = [...BAD_COMPONENTS, 'a/b', '/etc', '_index', '_INDEX', '_Index2']
const BAD_PATHS = ['/etc/passwd', 'a//b', 'a/', '../x', 'a/../../x', `${'a/'.repeat(512)}a`, 'x/'.repeat(600)]

const STRANGE_NAMES = [
  '',
  '.',
  '..',
  '../../etc/passwd',
  'a/b',
  'a b',
  'A',
  'a',
  'CON',
  'nul.txt',
  '~1',
  'film~1',
  '100%',
  '%20',
  '\u00e9',
  'e\u0301',
  '映画.mp4',
  '\0',
  'x.part',
  '_index',
  '🎬',
  'x'.repeat(97),
  'x'.repeat(98),
  'X'.repeat(97),
  '\ud800',
]

/** Which names are taken, and that no two of them ever meet. */
export function testKeys(suite: Suite): void {
  suite.test('[core 19] names that are not portable are refused before anything is done', async () => {
    await using place = await suite.open()
    const { store } = place
    for (const asset of BAD_ASSETS) {
      throwsWith(() => ResourceKey.of(asset, 'x'), 'ERR_CISTERN_INVALID_KEY')
      throwsWith(() => store.asset(asset), 'ERR_CISTERN_INVALID_KEY')
      throwsWith(() => store.lease(asset), 'ERR_CISTERN_INVALID_KEY')
      throwsWith(() => store.resources(asset), 'ERR_CISTERN_INVALID_KEY')
      await rejectsWith(store.removeAsset(asset), 'ERR_CISTERN_INVALID_KEY')
      await rejectsWith(store.pin(asset), 'ERR_CISTERN_INVALID_KEY')
    }
    const film = store.asset('film')
    for (const path of [...BAD_COMPONENTS, ...BAD_COMPONENTS.map((name) => `a/${name}/b`), ...BAD_PATHS]) {
      await rejectsWith(film.acquire(path), 'ERR_CISTERN_INVALID_KEY')
      await rejectsWith(film.open(path), 'ERR_CISTERN_INVALID_KEY')
      await rejectsWith(film.put(path, 'x'), 'ERR_CISTERN_INVALID_KEY')
      await rejectsWith(film.remove(path), 'ERR_CISTERN_INVALID_KEY')
    }
    const forged = { asset: '..', path: 'x', id: '../x' } as unknown as ResourceKey
    await rejectsWith(store.acquire(forged), 'ERR_CISTERN_INVALID_KEY')
    assert.deepEqual([...store.assets()], [])
  })

  suite.test('[core 19] the longest names there may be are taken', async () => {
    await using place = await suite.open()
    const longest = ['x'.repeat(96), ...Array<string>(9).fill('y'.repeat(96))].join('/')
    for (const path of [`a+b,c=d@e%20f_g-h.i~j`, longest.slice(0, 1024).replace(/\/y$/, '/z')]) {
      const key = ResourceKey.of('x'.repeat(96), path)
      await place.store.put(key, path)
      assert.equal(Buffer.from(await read(place.store, key)).toString(), path)
    }
  })

  suite.test('[core 19] portable() makes a name of anything, and never one name of two', async () => {
    await using place = await suite.open()
    const names = STRANGE_NAMES.map(portable)
    assert.equal(new Set(names).size, STRANGE_NAMES.length)
    const keys = names.map((name) => ResourceKey.of(portable('a/b'), name))
    for (const [n, key] of keys.entries()) await place.store.put(key, `${n}`)
    for (const [n, key] of keys.entries()) assert.equal(Buffer.from(await read(place.store, key)).toString(), `${n}`)
  })

  const fromUrl = (url: string): ResourceKey => ResourceKey.fromUrl(url)
  const pairs: readonly (readonly [what: string, ...keys: ResourceKey[]])[] = [
    ['a name and a folder of that name', ResourceKey.of('s', 'a'), ResourceKey.of('s', 'a/b'), ResourceKey.of('s', 'a/b/c')],
    ['two cases of one name', ResourceKey.of('s', 'A.ts'), ResourceKey.of('s', 'a.ts'), ResourceKey.of('s', 'a.TS')],
    ['two cases of one folder', ResourceKey.of('s', 'HD/1.ts'), ResourceKey.of('s', 'hd/1.ts'), ResourceKey.of('s', 'hd')],
    ['one name in two folders', ResourceKey.of('s', 'hd/1.ts'), ResourceKey.of('s', 'sd/1.ts')],
    ['one path in two assets', ResourceKey.of('s', '1.ts'), ResourceKey.of('t', '1.ts')],
    ['a name that looks like another one dodged', ResourceKey.of('s', 'a'), ResourceKey.of('s', 'a/b'), ResourceKey.of('s', 'a~1'), ResourceKey.of('s', 'a~1/b')],
    ['two cases of one asset', ResourceKey.of('Film', '1.ts'), ResourceKey.of('film', '1.ts')],
    ['two origins', fromUrl('https://a.example/x/1.ts'), fromUrl('https://b.example/x/1.ts')],
    ['two directories of one origin', fromUrl('https://a.example/x/1.ts'), fromUrl('https://a.example/y/1.ts')],
    ['two queries', fromUrl('https://a.example/1.ts'), fromUrl('https://a.example/1.ts?n=1'), fromUrl('https://a.example/1.ts?n=2')],
  ] // biome-ignore format: a table

  for (const [what, ...keys] of pairs) {
    suite.test(`[core 20] ${what}: never one file, never an error`, async () => {
      for (const order of [keys, [...keys].reverse()]) {
        await using place = await suite.open()
        // All at once, so that none has its final name while the next looks for one.
        const all = await Promise.all(order.map((key) => begin(place.store, key)))
        for (const [n, { writer }] of all.entries()) await writer.writeAt(0, patterned(1000 + n, n))
        for (const { writer } of all) await writer.commit()
        for (const got of all) await got[Symbol.asyncDispose]()
        await place.store.checkpoint()
        for (const [n, key] of order.entries())
          assertBytes(await read(place.store, key), patterned(1000 + n, n), key.id)
        const store = suite.capabilities.survivesReopening ? await place.reopen() : place.store
        for (const [n, key] of order.entries()) assertBytes(await read(store, key), patterned(1000 + n, n), key.id)
        const [first, ...rest] = order
        if (first) await store.remove(first)
        for (const [n, key] of rest.entries()) assertBytes(await read(store, key), patterned(1001 + n, n + 1), key.id)
        if (first) await store.put(first, 'again')
        for (const [n, key] of rest.entries()) assertBytes(await read(store, key), patterned(1001 + n, n + 1), key.id)
      }
    })
  }
}
