import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ResourceKey } from '@cistern/assets'
import { tempFolder } from '../../helpers/temp-folder.js'
import { filesUnder, isCode, openDisk } from './open-disk.js'

const key = ResourceKey.of('film', 'hd/1.ts')
const isRefused = isCode('ERR_CISTERN_STORAGE_IO')

test('[core 54] a folder of somebody else is refused, and nothing in it is touched', async (t) => {
  const root = tempFolder(t)
  writeFileSync(join(root, 'letter.txt'), 'Dear all')
  await assert.rejects(openDisk(root), isRefused)
  assert.deepEqual(readdirSync(root), ['letter.txt'])
})

test('[core 54] a file, and a folder below a file, are refused', async (t) => {
  const file = join(tempFolder(t), 'file')
  writeFileSync(file, 'a file')
  await assert.rejects(openDisk(file), isRefused)
  await assert.rejects(openDisk(join(file, 'store')), isRefused)
  assert.equal(readFileSync(file, 'utf8'), 'a file')
})

test('[core 54] an _index that is a file or a symlink is refused', async (t) => {
  const folder = tempFolder(t)
  const [file, link, elsewhere] = ['file', 'link', 'elsewhere'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const root of [file, link, elsewhere]) mkdirSync(root)
  writeFileSync(join(file, '_index'), 'not a folder')
  symlinkSync(elsewhere, join(link, '_index'))
  await assert.rejects(openDisk(file), isRefused)
  await assert.rejects(openDisk(link), isRefused)
  assert.deepEqual(readdirSync(elsewhere), [])
})

test('a root that is reached by a symlink is the folder it leads to', async (t) => {
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'real'))
  symlinkSync(join(folder, 'real'), join(folder, 'link'))
  {
    await using store = await openDisk(join(folder, 'link'))
    await store.put(key, 'hello')
  }
  await using store = await openDisk(join(folder, 'real'))
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'hello')
})

const isRoot = process.getuid?.() === 0
test('[core 54] a root without permission is refused', { skip: isRoot && 'root may write anywhere' }, async (t) => {
  const root = tempFolder(t)
  chmodSync(root, 0o500)
  await assert.rejects(openDisk(root), isRefused)
  chmodSync(root, 0o700)
})

test('a folder that became a symlink is not followed: nothing is written or read outside', async (t) => {
  const [root, outside] = [tempFolder(t), tempFolder(t)]
  {
    await using store = await openDisk(root)
    await store.put(key, 'hello')
  }
  renameSync(join(root, 'film'), join(outside, 'film'))
  symlinkSync(join(outside, 'film'), join(root, 'film'))
  await using store = await openDisk(root)
  await assert.rejects(store.open(key), isRefused)
  await assert.rejects(store.put(ResourceKey.of('film', 'hd/2.ts'), 'bytes'), isRefused)
  await assert.rejects(store.put(ResourceKey.of('film', 'new/2.ts'), 'bytes'), isRefused)
  assert.deepEqual(readdirSync(outside, { recursive: true }).sort(), ['film', 'film/hd', 'film/hd/1.ts'])
})

test('a file that became a symlink is not followed: it is absent', async (t) => {
  const [root, outside] = [tempFolder(t), tempFolder(t)]
  {
    await using store = await openDisk(root)
    await store.put(key, 'hello')
  }
  renameSync(join(root, 'film/hd/1.ts'), join(outside, 'secret'))
  symlinkSync(join(outside, 'secret'), join(root, 'film/hd/1.ts'))
  await using store = await openDisk(root)
  await assert.rejects(store.open(key), isCode('ERR_CISTERN_NOT_FOUND'))
  await store.put(key, 'fetched again')
  await store.checkpoint()
  assert.equal(Buffer.from((await store.get(key)) ?? []).toString(), 'fetched again')
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'hello')
  assert.ok(filesUnder(root).length >= 1)
})

test('a removal does not follow a symlink either: what it leads to stays', async (t) => {
  const [root, outside] = [tempFolder(t), tempFolder(t)]
  {
    await using store = await openDisk(root)
    await store.put(key, 'hello')
  }
  renameSync(join(root, 'film'), join(outside, 'film'))
  symlinkSync(join(outside, 'film'), join(root, 'film'))
  await using store = await openDisk(root)
  assert.equal(await store.removeAsset('film'), true)
  assert.equal(readFileSync(join(outside, 'film/hd/1.ts'), 'utf8'), 'hello')
})
