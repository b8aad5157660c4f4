import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aes128Cbc, inspectStore, ResourceKey } from '@cistern/assets'
import { writeBigIndex } from '../../helpers/big-index.js'
import { randomBytes } from '../../helpers/bytes.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { openDisk } from '../disk/open-disk.js'
import { startStore, tell } from '../recovery/stores.js'
import { cistern, document, put } from './cistern.js'

const BLOCK = 256 * 1024

/** A pinned asset with a whole and a half resource, and one that was used after it. */
async function filled(root: string): Promise<void> {
  await using store = await openDisk(root)
  await put(store, 'film/a.ts', 1, 3 * BLOCK)
  await store.pin('film')
  {
    await using half = await store.acquire(ResourceKey.parse('film/b.ts'), { length: 4 * BLOCK })
    await half.writer?.writeAt(0, randomBytes(2, BLOCK))
    await half.writer?.writeAt(2 * BLOCK, randomBytes(3, BLOCK + 100))
  }
  await put(store, 'series/1.ts', 4, 1500)
}

test('ls lists assets, least recently used first', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const text = await cistern(['ls', root])
  assert.deepEqual([text.code, text.stderr], [0, ''])
  assert.deepEqual(
    text.stdout.split('\n').map((line) => line.trim().split(/ {2,}/)),
    [
      ['BYTES', 'RESOURCES', 'PINNED', 'ASSET'],
      ['1.2 MiB', '2', 'pinned', 'film'],
      ['1.4 KiB', '1', '-', 'series'],
      ['2 assets, 3 resources, 1.2 MiB'],
      [''],
    ],
  )
  assert.deepEqual(document(await cistern(['ls', '--json', root])), {
    root,
    assets: [
      { asset: 'film', bytes: 5 * BLOCK + 100, resources: 2, pinned: true },
      { asset: 'series', bytes: 1500, resources: 1, pinned: false },
    ],
  })
})

test('ls of an asset lists its resources, with how much of each is there', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const text = await cistern(['ls', root, 'film'])
  assert.equal(text.code, 0)
  assert.match(text.stdout, /^ *768\.0 KiB +100% +committed +\S+ +a\.ts$/m)
  assert.match(text.stdout, /^ *512\.0 KiB +50% +active +\S+ +b\.ts$/m)
  const { resources, ...rest } = document(await cistern(['ls', root, 'film', '--json']))
  assert.deepEqual(rest, { root, asset: 'film', bytes: 5 * BLOCK + 100, pinned: true })
  assert.deepEqual(
    (resources as Record<string, unknown>[]).map(({ generation, committedAt, ...each }) => [each, typeof committedAt]),
    [
      [
        {
          path: 'a.ts',
          state: 'committed',
          length: 3 * BLOCK,
          received: 3 * BLOCK,
          storedBytes: 3 * BLOCK,
          processed: false,
        },
        'string',
      ],
      [
        {
          ...{ path: 'b.ts', state: 'active', length: 4 * BLOCK },
          ...{ received: 2 * BLOCK + 100, storedBytes: 2 * BLOCK + 100, processed: false },
        },
        'object',
      ],
    ],
  )
})

test('stat tells all about a resource', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const { generation, ...rest } = document(await cistern(['stat', root, 'film/b.ts', '--json']))
  assert.equal(typeof generation, 'string')
  const ranges = [
    { start: 0, end: BLOCK },
    { start: 2 * BLOCK, end: 3 * BLOCK + 100 },
  ]
  assert.deepEqual(rest, {
    ...{ root, key: 'film/b.ts', asset: 'film', path: 'b.ts', state: 'active', length: 4 * BLOCK },
    ...{ coverage: ranges, received: ranges, storedBytes: 2 * BLOCK + 100 },
    ...{ committedAt: null, processed: false, metadata: null },
  })
  const { stdout } = await cistern(['stat', root, 'film/b.ts'])
  assert.match(stdout, /^readable {4}524388 bytes, 50%: \[0, 262144\) \[524288, 786532\)$/m)
})

test('stat shows whatever metadata can hold, and nothing of it reaches a terminal raw', async (t) => {
  const root = tempFolder(t)
  const evil = '\u001b]0;title\u0007\u009b31m\u202etxt.exe\u2028\r\n'
  const metadata = {
    ...{ evil, [evil]: 1, big: 2n ** 60n, at: new Date(0), bytes: Uint8Array.of(1, 2, 3), nan: Number.NaN },
    ...{
      map: new Map<unknown, unknown>([[1, new Map([['a', 1n]])]]),
      set: new Set(['x']),
      list: [undefined, null, [1]],
    },
  }
  {
    await using store = await openDisk(root)
    await put(store, 'film/a.ts', 1, 10, metadata)
  }
  const expected = {
    ...{ evil, [evil]: 1, big: `${2n ** 60n}`, at: '1970-01-01T00:00:00.000Z', bytes: 'AQID', nan: 'NaN' },
    ...{ map: [[1, [['a', '1']]]], set: ['x'], list: [null, null, [1]] },
  }
  const json = await cistern(['stat', root, 'film/a.ts', '--json'])
  assert.deepEqual(document(json).metadata, expected)
  const text = await cistern(['stat', root, 'film/a.ts'])
  const [, shown = ''] = /^metadata {4}(.*)$/m.exec(text.stdout) ?? []
  assert.deepEqual(JSON.parse(shown), expected)
  for (const { stdout } of [json, text]) assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
})

test('neither keys nor the sealed identity of a processor are shown, only that there is one', async (t) => {
  const root = tempFolder(t)
  const processor = aes128Cbc({ key: randomBytes(7, 16), iv: randomBytes(8, 16) })
  {
    await using store = await openDisk(root)
    await using half = await store.acquire(ResourceKey.parse('film/a.ts'), { length: 4 * BLOCK, processor })
    await half.writer?.writeAt(0, randomBytes(2, BLOCK))
  }
  const inspection = await inspectStore(root)
  const sealed = inspection.stat(ResourceKey.parse('film/a.ts'))?.processor
  await inspection.close()
  assert.ok(sealed)
  for (const args of [
    ['ls', root, 'film'],
    ['stat', root, 'film/a.ts'],
  ]) {
    const [text, json] = await Promise.all([cistern(args), cistern([...args, '--json'])])
    for (const { stdout } of [text, json]) assert.ok(!stdout.includes(sealed))
    assert.match(json.stdout, /"processed":true/)
  }
  const { coverage, received } = document(await cistern(['stat', root, 'film/a.ts', '--json']))
  assert.deepEqual([coverage, received], [[], [{ start: 0, end: BLOCK }]])
})

test('[core 31] ls and stat work beside an owner, and leave nothing behind', async (t) => {
  const root = tempFolder(t)
  const owner = await startStore(root)
  t.after(() => owner.kill())
  await tell(owner, 'put', 'film/a.ts', 1, 1000)
  await tell(owner, 'checkpoint')
  const before = readdirSync(root, { recursive: true })
  assert.equal((document(await cistern(['ls', root, '--json'])).assets as unknown[]).length, 1)
  assert.equal(document(await cistern(['stat', root, 'film/a.ts', '--json'])).length, 1000)
  assert.deepEqual(readdirSync(root, { recursive: true }), before)
})

test('what is not there is said in a line, with exit code 1', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const asset = await cistern(['ls', root, 'nope', '--json'])
  assert.deepEqual([asset.code, asset.stdout, asset.stderr], [1, '', `cistern: ${root} has no asset nope\n`])
  const key = await cistern(['stat', root, 'film/nope.ts'])
  assert.deepEqual([key.code, key.stdout, key.stderr], [1, '', `cistern: ${root} has no resource film/nope.ts\n`])
})

test('a reader who goes away after the first lines, as head does, is no failure', async (t) => {
  const root = tempFolder(t)
  await writeBigIndex(root, { assets: 1, resourcesPerAsset: 20_000 })
  for (const flags of [[], ['--json']]) {
    const ran = await cistern(['ls', root, 'asset-000000', ...flags], { closesEarly: true })
    assert.deepEqual([ran.code, ran.signal, ran.stderr], [0, null, ''])
    assert.ok(ran.stdout.length < 1_000_000, `${ran.stdout.length}`)
  }
})

test('an empty store has nothing, which is fine', async (t) => {
  const root = tempFolder(t)
  await (await openDisk(root)).close()
  assert.deepEqual(document(await cistern(['ls', root, '--json'])), { root, assets: [] })
  assert.equal((await cistern(['verify', root])).stdout, '0 resources, 0 B checked: sound\n')
})

test('a folder that is no store is left as it is, by --repair too', async (t) => {
  const root = tempFolder(t)
  mkdirSync(join(root, 'film'))
  writeFileSync(join(root, 'film/mine.txt'), 'mine')
  for (const args of [
    ['ls', root],
    ['verify', root],
    ['verify', root, '--repair'],
    ['stat', root, 'film/mine.txt'],
  ]) {
    const ran = await cistern(args)
    assert.deepEqual([ran.code, ran.stdout], [3, ''])
    assert.match(ran.stderr, /^cistern: ERR_CISTERN_NOT_FOUND: [^\n]* is not a store[^\n]*\n$/)
  }
  assert.deepEqual(readdirSync(root, { recursive: true }).sort(), ['film', 'film/mine.txt'])
  const absent = await cistern(['verify', join(root, 'absent'), '--repair'])
  assert.equal(absent.code, 3)
  assert.deepEqual(readdirSync(root), ['film'])
})
