import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aes128Cbc, portable, ResourceKey } from '@cistern/assets'
import { tempFolder } from '../../helpers/temp-folder.js'
import { filesUnder, openDisk, until } from './open-disk.js'

const key = (path: string): ResourceKey => ResourceKey.of('film', path)

test('[core 17] the final name does not exist before the commit; then it is there, and no part beside it', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  await using got = await store.acquire(key('hd/1.ts'))
  await got.writer?.writeAt(0, Buffer.from('hello'))
  await store.checkpoint()
  const [part, ...others] = filesUnder(root)
  assert.match(part ?? '', /^film\/hd\/1\.ts\.[0-9a-z]+-[0-9a-z]+\.part$/)
  assert.deepEqual(others, [])
  assert.equal(got.reader.path, undefined)
  await got.writer?.commit()
  await store.checkpoint()
  assert.deepEqual(filesUnder(root), ['film/hd/1.ts'])
  assert.equal(got.reader.path, join(root, 'film/hd/1.ts'))
  assert.equal(readFileSync(join(root, 'film/hd/1.ts'), 'utf8'), 'hello')
})

test('[core 17] of what goes through a processor no raw part remains', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  const processor = aes128Cbc({ key: new Uint8Array(16), iv: new Uint8Array(16) })
  const cipher = createCipheriv('aes-128-cbc', new Uint8Array(16), new Uint8Array(16))
  const bytes = Buffer.concat([cipher.update('hello'.repeat(10_000)), cipher.final()])
  await using got = await store.acquire(key('1.ts'), { processor })
  await got.writer?.writeAt(0, bytes.subarray(0, 20_000))
  await store.checkpoint()
  assert.ok(filesUnder(root).some((name) => name.endsWith('.raw.part')))
  await got.writer?.writeAt(20_000, bytes.subarray(20_000))
  await got.writer?.commit()
  await store.checkpoint()
  await until(() => filesUnder(root).length === 1)
  assert.deepEqual(filesUnder(root), ['film/1.ts'])
  assert.equal(readFileSync(join(root, 'film/1.ts'), 'utf8'), 'hello'.repeat(10_000))
})

for (const ending of ['fail', 'remove', 'removeAsset', 'discard', 'a released rewrite', 'a failed put'] as const) {
  test(`[core 17] after ${ending} no part remains, nor an empty folder`, async (t) => {
    const root = tempFolder(t)
    await using store = await openDisk(root)
    await using got = await store.acquire(key('hd/1.ts'), ending === 'a released rewrite' ? { mode: 'rewrite' } : {})
    await got.writer?.writeAt(0, Buffer.from('hello'))
    if (ending !== 'a released rewrite') await store.checkpoint()
    if (ending === 'fail') await got.writer?.fail(new Error('gone'))
    else if (ending === 'remove') assert.equal(await store.remove(key('hd/1.ts')), true)
    else if (ending === 'removeAsset') assert.equal(await store.removeAsset('film'), true)
    else if (ending === 'discard') {
      await got.writer?.discard()
      await got.writer?.fail(new Error('gone'))
    } else if (ending === 'a released rewrite') await got.writer?.release()
    else {
      await got.writer?.fail(new Error('gone'))
      await assert.rejects(store.put(key('hd/1.ts'), 'hello', { integrity: `sha256-${'A'.repeat(43)}=` }))
    }
    got.reader.close()
    await until(() => filesUnder(root).length === 0 && store.stats().bytes === 0)
    await store.close()
    assert.throws(() => statSync(join(root, 'film')), { code: 'ENOENT' })
  })
}

test('[core 20] what has no name of its own gets one with ~n, and keeps it', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await openDisk(root)
    for (const path of ['stream', 'stream/1.ts', 'A.ts', 'a.ts', 'a.TS', 'x/y', 'x']) await store.put(key(path), path)
  }
  const expected = ['A.ts', 'a.TS~2', 'a.ts~1', 'stream', 'stream~1/1.ts', 'x/y', 'x~1']
  assert.deepEqual(
    filesUnder(root),
    expected.map((name) => `film/${name}`),
  )
  await using store = await openDisk(root)
  for (const path of ['stream', 'stream/1.ts', 'A.ts', 'a.ts', 'a.TS', 'x/y', 'x']) {
    assert.equal(Buffer.from((await store.get(key(path))) ?? []).toString(), path)
  }
  await store.put(key('a.ts'), 'anew')
  await store.checkpoint()
  assert.equal(readFileSync(join(root, 'film/a.ts~1'), 'utf8'), 'anew')
})

test('[core 20] a file that is in the way and not ours is left alone', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  await store.put(key('1.ts'), 'ours')
  await store.checkpoint()
  writeFileSync(join(root, 'film/2.ts'), 'theirs')
  writeFileSync(join(root, 'film/folder'), 'theirs')
  mkdirSync(join(root, 'film/3.ts'))
  for (const path of ['2.ts', 'folder/1.ts', '3.ts']) {
    await store.put(key(path), path)
    await store.checkpoint()
    assert.equal(Buffer.from((await store.get(key(path))) ?? []).toString(), path)
  }
  assert.equal(readFileSync(join(root, 'film/2.ts'), 'utf8'), 'theirs')
  assert.equal(readFileSync(join(root, 'film/folder'), 'utf8'), 'theirs')
})

test('[core 19] portable names are names on disk as they are', async (t) => {
  const root = tempFolder(t)
  const names = ['映画 1.mp4', 'CON', 'a/b', 'x'.repeat(300), '..'].map(portable)
  {
    await using store = await openDisk(root)
    for (const name of names) await store.put(ResourceKey.of(name, name), name)
  }
  assert.deepEqual(filesUnder(root), names.map((name) => `${name}/${name}`).sort())
})

test('files are for their owner alone', { skip: process.platform === 'win32' }, async (t) => {
  const root = join(tempFolder(t), 'store')
  await using store = await openDisk(root)
  await store.put(key('hd/1.ts'), 'hello')
  await store.checkpoint()
  assert.equal(statSync(join(root, 'film/hd/1.ts')).mode & 0o777, 0o600)
  for (const folder of ['', 'film', 'film/hd', '_index']) {
    assert.equal(statSync(join(root, folder)).mode & 0o777, 0o700, folder)
  }
})

test('what is moved there and back at once has one file, and none is left when it is removed', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  const [here, there] = [key('a.ts'), key('b.ts')]
  await store.put(here, 'a text')
  await store.checkpoint()
  await Promise.all([store.move(here, there), store.move(there, here)])
  await store.checkpoint()
  assert.deepEqual(filesUnder(root), ['film/a.ts'])
  const { findings } = await store.verify()
  assert.deepEqual(findings, [])
  await store.remove(here)
  await store.checkpoint()
  assert.deepEqual(filesUnder(root), [])
})
