import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { AssetStore, aes128Cbc, ResourceKey } from '@cistern/assets'
import { randomBytes } from '../../helpers/bytes.js'
import { tempFolder } from '../../helpers/temp-folder.js'

const BLOCK = 256 * 1024
const key = ResourceKey.of('film', 'a.ts')

/** A byte changes and the file keeps its length, as when a disk rots. */
function flip(path: string, position: number): void {
  const [byte = 0] = readFileSync(path).subarray(position)
  const file = openSync(path, 'r+')
  writeSync(file, Uint8Array.of(byte ^ 1), 0, 1, position)
  closeSync(file)
}

test('[core 50] repair keeps the good blocks of a damaged resource, and only the bad one is asked for again', async (t) => {
  const root = await tempFolder(t)
  const bytes = randomBytes(1, 4 * BLOCK + 1000)
  {
    await using store = await AssetStore.open({ root })
    await store.put(key, bytes, { metadata: { etag: 'x' } })
    await store.checkpoint()
  }
  flip(join(root, 'film/a.ts'), 2 * BLOCK + 7)
  await using store = await AssetStore.open({ root })
  const seen: number[] = []
  const found = await store.verify({ onProgress: (done, total) => seen.push(done / total) })
  assert.deepEqual([found.badBlocks, found.missing, found.orphans], [1, 0, 0])
  assert.equal(store.stat(key)?.state, 'committed', 'looking changes nothing')
  assert.ok(seen.length > 0 && seen.every((share) => share > 0 && share <= 1))

  assert.equal((await store.verify({ repair: true })).badBlocks, 1)
  assert.equal(store.stat(key)?.state, 'active')
  assert.deepEqual(store.stat(key)?.metadata, { etag: 'x' })
  await using got = await store.acquire(key)
  assert.deepEqual([...(got.writer?.coverage.gaps(0, bytes.length) ?? [])], [{ start: 2 * BLOCK, end: 3 * BLOCK }])
  await got.writer?.writeAt(2 * BLOCK, bytes.subarray(2 * BLOCK, 3 * BLOCK))
  assert.equal(await got.writer?.commit(), bytes.length)
  assert.deepEqual(Buffer.from(await got.reader.bytes()), Buffer.from(bytes))
  await store.checkpoint()
  const after = await store.verify()
  assert.deepEqual([after.badBlocks, after.missing, after.orphans], [0, 0, 0])
  assert.equal(store.stats().bytes, bytes.length)
})

test('[core 50] a damaged resource that went through a processor is dropped whole', async (t) => {
  const root = await tempFolder(t)
  const processor = aes128Cbc({ key: new Uint8Array(16), iv: new Uint8Array(16) })
  const { createCipheriv } = await import('node:crypto')
  const cipher = createCipheriv('aes-128-cbc', new Uint8Array(16), new Uint8Array(16))
  const encrypted = Buffer.concat([cipher.update(randomBytes(2, 3 * BLOCK)), cipher.final()])
  await using store = await AssetStore.open({ root })
  await store.put(key, encrypted, { processor })
  await store.checkpoint()
  flip(join(root, 'film/a.ts'), 5)
  assert.equal((await store.verify({ repair: true })).badBlocks, 1)
  assert.equal(store.stat(key), undefined)
})

test('[core 52] repair drops the record of a file that is gone, and sweeps files that no record names', async (t) => {
  const root = await tempFolder(t)
  await using store = await AssetStore.open({ root })
  await store.put(key, randomBytes(3, 1000))
  await store.put(ResourceKey.of('film', 'b.ts'), randomBytes(4, 1000))
  await store.checkpoint()
  rmSync(join(root, 'film/a.ts'))
  writeFileSync(join(root, 'film/stray.ts'), 'nobody knows')
  const looked = await store.verify()
  assert.deepEqual([looked.resources, looked.missing, looked.orphans], [2, 1, 1])
  assert.ok(existsSync(join(root, 'film/stray.ts')))
  await store.verify({ repair: true })
  assert.equal(store.stat(key), undefined)
  assert.ok(!existsSync(join(root, 'film/stray.ts')))
  assert.equal((await store.asset('film').get('b.ts'))?.length, 1000)
})

test('[core 50] bad blocks of an unfinished resource are asked for again', async (t) => {
  const root = await tempFolder(t)
  const bytes = randomBytes(5, 3 * BLOCK)
  await using store = await AssetStore.open({ root })
  {
    await using got = await store.acquire(key)
    await got.writer?.declare({ length: 4 * BLOCK })
    await got.writer?.writeAt(0, bytes)
    const generation = got.writer?.generation
    await store.checkpoint()
    flip(join(root, `film/a.ts.${generation}.part`), BLOCK + 1)
    assert.equal((await store.verify({ repair: true })).badBlocks, 1)
    assert.deepEqual([...(got.writer?.coverage.gaps(0, 3 * BLOCK) ?? [])], [{ start: BLOCK, end: 2 * BLOCK }])
  }
})

test('verify stops with its signal', async (t) => {
  await using store = await AssetStore.open({ root: await tempFolder(t) })
  await store.put(key, randomBytes(6, 1000))
  const reason = new Error('enough')
  await assert.rejects(store.verify({ signal: AbortSignal.abort(reason) }), (error) => error === reason)
})
