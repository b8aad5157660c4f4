import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AssetStore, ResourceKey, type ResourceReader } from '@cistern/assets'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { openFilesUnder, showsDescriptors } from '../../helpers/descriptors.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { openDisk, until } from './open-disk.js'

const skip = !showsDescriptors && 'open descriptors are not shown here'
const keyOf = (n: number): ResourceKey => ResourceKey.of('film', `${n}.ts`)

/** Descriptors of resources; the index has its own. */
const held = (root: string): string[] => openFilesUnder(root).filter((path) => !path.startsWith(`${root}/_index`))

async function fill(store: AssetStore, n: number): Promise<void> {
  await using got = await store.acquire(keyOf(n))
  await got.writer?.writeAt(0, Buffer.from(`text ${n}`))
  await got.writer?.commit()
}

test('[core 21] of what is idle, cacheEntries files stay open', { skip }, async (t) => {
  const root = tempFolder(t)
  for (const cacheEntries of [0, 3]) {
    await using store = await openDisk(root, { cacheEntries })
    for (let n = 0; n < 10; n++) await fill(store, n)
    await store.checkpoint()
    for (let n = 0; n < 10; n++) (await store.open(keyOf(n))).close()
    await until(() => held(root).length === cacheEntries)
  }
})

test('[core 21] opening what is idle opens no file', { skip }, async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  await fill(store, 1)
  await store.checkpoint()
  ;(await store.open(keyOf(1))).close()
  const before = held(root)
  assert.equal(before.length, 1)
  const readers: ResourceReader[] = []
  for (let times = 0; times < 20; times++) readers.push(await store.open(keyOf(1)))
  assert.deepEqual(held(root), before)
  for (const reader of readers) reader.close()
})

test('[core 21] many readers of one resource share one descriptor', { skip }, async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { cacheEntries: 0 })
  await fill(store, 1)
  await store.checkpoint()
  const readers = await Promise.all(Array.from({ length: 20 }, () => store.open(keyOf(1))))
  assert.equal(held(root).length, 1)
  for (const reader of readers) reader.close()
  await until(() => held(root).length === 0)
})

test('[core 21] an idle file is closed when it is removed or rewritten', { skip }, async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  for (const change of [() => store.remove(keyOf(1)), () => store.removeAsset('film')]) {
    await fill(store, 1)
    await store.checkpoint()
    ;(await store.open(keyOf(1))).close()
    assert.equal(held(root).length, 1)
    await change()
    await until(() => held(root).length === 0)
  }
  await fill(store, 1)
  ;(await store.open(keyOf(1))).close()
  await store.put(keyOf(1), 'anew')
  await store.checkpoint()
  await until(() => held(root).every((path) => path === `${root}/film/1.ts`))
})

test('[core 21] what was opened only to be rewritten is closed when it is not', { skip }, async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { cacheEntries: 0 })
  await fill(store, 1)
  await store.checkpoint()
  await until(() => held(root).length === 0)
  {
    await using got = await store.acquire(keyOf(1), { mode: 'rewrite' })
    await got.writer?.writeAt(0, Buffer.from('another'))
  }
  await store.checkpoint()
  for (let turn = 0; turn < 100; turn++) await eventLoopTurn()
  assert.deepEqual(held(root), [])
  assert.equal(Buffer.from((await store.get(keyOf(1))) ?? []).toString(), 'text 1')
})

test('[core 21] however much is written at once, unsynced files do not pile up', { skip }, async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { flushMs: 60_000 })
  let most = 0
  for (let n = 0; n < 200; n++) {
    await fill(store, n)
    most = Math.max(most, held(root).length)
  }
  assert.ok(most > 32 && most <= 64 + 8, `${most} files were open`)
})

test('closed, a store leaves no descriptor, lock or timer behind', { skip }, async (t) => {
  const root = tempFolder(t)
  const store = await openDisk(root)
  for (let n = 0; n < 5; n++) await fill(store, n)
  const reader = await store.open(keyOf(1))
  const got = await store.acquire(keyOf(9))
  await got.writer?.writeAt(0, Buffer.from('partial'))
  await store.close()
  assert.deepEqual(openFilesUnder(root), [])
  reader.close()
  await using again = await openDisk(root)
  assert.equal(again.stat(keyOf(9))?.coverage.size, 7)
})
