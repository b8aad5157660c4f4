import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { tempFolder } from '../../helpers/temp-folder.js'
import { openDisk } from '../disk/open-disk.js'
import { startStore, tell } from '../recovery/stores.js'
import { cistern, document, flip, put } from './cistern.js'

const BLOCK = 256 * 1024

/** Two assets, closed. */
async function filled(root: string): Promise<void> {
  await using store = await openDisk(root)
  await put(store, 'film/a.ts', 1, 4 * BLOCK + 1000)
  await put(store, 'film/b.ts', 2, 1000)
  await put(store, 'series/1.ts', 3, 2 * BLOCK)
}

/** Two bad blocks in a row and one apart, a file cut, a file gone, a file too many. */
async function damaged(root: string): Promise<void> {
  await filled(root)
  for (const block of [1, 2, 4]) flip(join(root, 'film/a.ts'), block * BLOCK + 7)
  rmSync(join(root, 'film/b.ts'))
  truncateSync(join(root, 'series/1.ts'), 100)
  writeFileSync(join(root, 'film/stray.ts'), 'nobody knows')
}

test('verify of a sound store says so, in one line and with exit code 0', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const ran = await cistern(['verify', root])
  assert.deepEqual(ran, { code: 0, signal: null, stdout: '3 resources, 1.5 MiB checked: sound\n', stderr: '' })
})

test('verify names what is wrong and where, changes nothing, and exits with 1', async (t) => {
  const root = tempFolder(t)
  await damaged(root)
  const ran = await cistern(['verify', root])
  assert.equal(ran.code, 1)
  assert.deepEqual(ran.stdout.split('\n').slice(0, 5), [
    `damaged  film/a.ts  3 bad blocks: [${BLOCK}, ${3 * BLOCK}) [${4 * BLOCK}, ${4 * BLOCK + 1000})`,
    'missing  film/b.ts  no file',
    `missing  series/1.ts  100 bytes, not ${2 * BLOCK}`,
    'orphan   film/stray.ts  12 B',
    '3 resources, 1.5 MiB checked: 3 bad blocks, 2 missing files, 1 orphan',
  ])
  assert.equal(readFileSync(join(root, 'film/stray.ts'), 'utf8'), 'nobody knows')
  assert.deepEqual(await cistern(['verify', root]), ran, 'the second look sees the same')
})

test('verify of a store whose index lost everything says what a repair would delete', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const index = join(root, '_index')
  for (const name of readdirSync(index)) if (name !== 'owner') rmSync(join(index, name), { recursive: true })
  for (const kept of ['owner', 'nothing']) {
    if (kept === 'nothing') rmSync(join(index, 'owner'))
    const { code, stdout } = await cistern(['verify', root])
    assert.equal(code, 1, kept)
    assert.match(stdout, /3 orphans\n.*lost records.*--repair deletes it\.\nCopy what you want to keep/)
    const { suspect, orphans } = document(await cistern(['verify', root, '--json']))
    assert.deepEqual([suspect, orphans], [true, 3])
  }
})

test('verify --json is one document with all of it', async (t) => {
  const root = tempFolder(t)
  await damaged(root)
  const ran = await cistern(['verify', root, '--json'])
  assert.equal(ran.code, 1)
  const { findings, bytes, ...rest } = document(ran)
  assert.ok(Number(bytes) > 4 * BLOCK)
  assert.deepEqual(rest, {
    ...{ root, repair: false, sound: false, resources: 3, badBlocks: 3, missing: 2, orphans: 1 },
    ...{ reopened: 0, dropped: 0, deleted: 0, droppedRecords: 0, suspect: false },
  })
  const seen = (findings as Record<string, unknown>[]).map(({ generation, ...finding }) => {
    assert.ok(generation === null || typeof generation === 'string')
    return finding
  })
  const committed = { state: 'committed', repair: 'none' }
  assert.deepEqual(seen, [
    {
      ...{ kind: 'damaged', key: 'film/a.ts', file: 'film/a.ts', ...committed, badBlocks: 3 },
      ranges: [
        { start: BLOCK, end: 3 * BLOCK },
        { start: 4 * BLOCK, end: 4 * BLOCK + 1000 },
      ],
    },
    { kind: 'missing', key: 'film/b.ts', file: 'film/b.ts', ...committed, expected: 1000, found: null },
    { kind: 'missing', key: 'series/1.ts', file: 'series/1.ts', ...committed, expected: 2 * BLOCK, found: 100 },
    { kind: 'orphan', file: 'film/stray.ts', bytes: 12, repair: 'none' },
  ])
})

test('verify --repair tells what it did, exits with 0, and leaves a sound store', async (t) => {
  const root = tempFolder(t)
  await damaged(root)
  const ran = await cistern(['verify', root, '--repair', '--json'])
  assert.equal(ran.code, 0, ran.stderr)
  const { sound, reopened, dropped, deleted, findings } = document(ran)
  assert.deepEqual([sound, reopened, dropped, deleted], [true, 1, 2, 1])
  const repairs = (findings as { repair: string }[]).map(({ repair }) => repair)
  assert.deepEqual(repairs, ['reopened', 'dropped', 'dropped', 'deleted'])
  assert.equal((await cistern(['verify', root])).code, 0)
  assert.ok(!existsSync(join(root, 'film/stray.ts')))
  await using store = await openDisk(root)
  assert.deepEqual(
    [...store.assets()].map(({ asset }) => asset),
    ['film'],
  )
  assert.equal(store.stat(ResourceKey.of('film', 'a.ts'))?.coverage.size, 2 * BLOCK)
})

test('damage to the index is damage too', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const journal = readdirSync(join(root, '_index')).find((name) => name.startsWith('journal'))
  flip(join(root, '_index', journal ?? ''), 300)
  const ran = await cistern(['verify', root])
  assert.equal(ran.code, 1)
  assert.match(ran.stdout, /^index {4}\d+ records? damaged or lost/)
  assert.equal((await cistern(['verify', root, '--repair'])).code, 0)
  assert.equal((await cistern(['verify', root])).code, 0)
})

test('[core 31] verify works beside an owner; --repair is refused, naming the holder, with a code of its own', async (t) => {
  const root = tempFolder(t)
  await damaged(root)
  const owner = await startStore(root)
  t.after(() => owner.kill())
  assert.equal((await cistern(['verify', root])).code, 1)
  const refused = await cistern(['verify', root, '--repair'])
  assert.equal(refused.code, 4)
  assert.match(refused.stderr, new RegExp(`^cistern: ERR_CISTERN_STORE_LOCKED: .*process ${owner.pid} on [^\\n]*\\n$`))
  assert.equal(refused.stdout, '')
  assert.equal(await tell(owner, 'put', 'film/c.ts', 4, 1000), null, 'the owner works on')
})

test('verify by way of a symlink to the root repairs the store', async (t) => {
  const root = join(tempFolder(t), 'store')
  await damaged(root)
  symlinkSync(root, `${root}-link`)
  assert.equal((await cistern(['verify', `${root}-link`, '--repair'])).code, 0)
  assert.equal((await cistern(['verify', root])).code, 0)
})

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} in the midst of a verification ends it with ${code}, and prints no half of a document`, async (t) => {
    const root = tempFolder(t)
    await filled(root)
    const before = new URL('./interrupt.js', import.meta.url)
    const ran = await cistern(['verify', root, '--json'], { before, env: { INTERRUPT: `${signal}:read:3` } })
    assert.deepEqual(ran, { code, signal: null, stdout: '', stderr: '' })
  })
}

test('SIGINT in the midst of a repair ends it between two, lets go of the store, and the next one finishes it', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const strays = Array.from({ length: 20 }, (_, n) => `stray-${n}.ts`)
  for (const stray of strays) writeFileSync(join(root, 'film', stray), 'nobody knows')
  const before = new URL('./interrupt.js', import.meta.url)
  // Taking the store over, and letting go of it, unlinks as well.
  const ran = await cistern(['verify', root, '--repair'], { before, env: { INTERRUPT: 'SIGINT:unlink:8' } })
  assert.deepEqual(ran, { code: 130, signal: null, stdout: '', stderr: '' })
  const left = strays.filter((stray) => existsSync(join(root, 'film', stray)))
  assert.ok(left.length > 0 && left.length < strays.length, `${left.length} are left`)
  const next = await cistern(['verify', root, '--repair'])
  assert.equal(next.code, 0, next.stderr)
  assert.match(next.stdout, new RegExp(`; ${left.length} deleted\n$`))
  await using store = await AssetStore.open({ root })
  assert.equal(store.stats().resources, 3)
})
