import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { mock, test } from 'node:test'
import { type FileResourceOptions, openFileResource, type ResourceWriter, StorageIoError } from '@cistern/storage'
import { TemporaryFolder } from './places.js'

const bytes = (what: string): Uint8Array => Buffer.from(what)

function written(writer: ResourceWriter | undefined): ResourceWriter {
  assert.ok(writer, 'there is a writer')
  return writer
}

/** Descriptors of this process that are open in `folder`. */
function descriptors(folder: TemporaryFolder): number {
  return fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(join('/proc/self/fd', fd)).startsWith(folder.path)
    } catch {
      return false // The descriptor that listed the folder is gone by now.
    }
  }).length
}

test('[core 17] the final name does not exist before the commit, and no .part after it', async () => {
  using folder = new TemporaryFolder()
  const path = folder.file('film.mp4')
  {
    await using file = await openFileResource(path)
    const writer = written(file.writer)
    await writer.writeFrom([bytes('hello '), bytes('world')])
    assert.equal(fs.readdirSync(folder.path).length, 1)
    assert.match(fs.readdirSync(folder.path)[0] ?? '', /^film\.mp4\.[0-9a-f]+\.part$/)
    assert.ok(!fs.existsSync(path))
    assert.equal(file.reader.path, undefined)
    assert.equal(await writer.commit(), 11)
    assert.deepEqual(fs.readdirSync(folder.path), ['film.mp4'])
    assert.equal(file.reader.path, path)
    assert.equal(Buffer.from(await file.reader.bytes()).toString(), 'hello world')
  }
  assert.equal(fs.readFileSync(path, 'utf8'), 'hello world')
  assert.equal(fs.statSync(path).mode & 0o777, 0o600)
  assert.equal(descriptors(folder), 0)
})

for (const how of ['close', 'release', 'fail', 'discard'] as const) {
  test(`[core 17] ${how} without a commit leaves no .part`, async () => {
    using folder = new TemporaryFolder()
    const file = await openFileResource(folder.file('a'))
    const writer = written(file.writer)
    await writer.writeAt(0, bytes('some'))
    if (how === 'discard') {
      await writer.discard()
      await writer.writeAt(0, bytes('more'))
    }
    if (how === 'release') await writer.release()
    if (how === 'fail') await writer.fail(new Error('no'))
    if (how === 'release' || how === 'fail') assert.deepEqual(fs.readdirSync(folder.path), [])
    if (how === 'release') assert.equal((await file.reader.bytes({ end: 4 })).length, 4)
    await file.close()
    await file.close()
    assert.deepEqual(fs.readdirSync(folder.path), [])
    assert.equal(descriptors(folder), 0)
  })
}

test('discard in a file: the part of the old generation goes, the new one is committed', async () => {
  using folder = new TemporaryFolder()
  await using file = await openFileResource(folder.file('a'))
  const writer = written(file.writer)
  await writer.writeAt(0, bytes('old bytes'))
  using clone = file.reader.clone()
  await file.reader.readAt(0, new Uint8Array(1))
  await writer.discard()
  await writer.writeAt(0, bytes('new'))
  await writer.commit()
  assert.deepEqual(fs.readdirSync(folder.path), ['a'])
  assert.equal(await text(clone.toReadable()), 'new')
  await assert.rejects(file.reader.bytes(), { code: 'ERR_CISTERN_REMOVED' })
})

test('auto: a file with bytes is finished and read-only, an empty or absent one is begun', async () => {
  using folder = new TemporaryFolder()
  fs.writeFileSync(folder.file('full'), 'abc')
  fs.writeFileSync(folder.file('empty'), '')
  await using full = await openFileResource(folder.file('full'))
  assert.equal(full.writer, undefined)
  assert.deepEqual(full.reader.status, { state: 'committed', length: 3 })
  assert.equal(full.reader.path, folder.file('full'))
  await using empty = await openFileResource(folder.file('empty'), { length: 2 })
  assert.equal(empty.reader.length, 2)
  const writer = written(empty.writer)
  await writer.writeAt(0, bytes('xy'))
  await writer.commit()
  assert.equal(fs.readFileSync(folder.file('empty'), 'utf8'), 'xy')
})

test('readonly: the file must be there, empty or not', async () => {
  using folder = new TemporaryFolder()
  await assert.rejects(openFileResource(folder.file('a'), { mode: 'readonly' }), { code: 'ERR_CISTERN_NOT_FOUND' })
  fs.writeFileSync(folder.file('a'), '')
  await using file = await openFileResource(folder.file('a'), { mode: 'readonly' })
  assert.deepEqual(file.reader.status, { state: 'committed', length: 0 })
  assert.equal(file.writer, undefined)
})

test('readwrite: an existing file is changed in place, and is never unlinked; an absent one is begun', async () => {
  using folder = new TemporaryFolder()
  const path = folder.file('a')
  fs.writeFileSync(path, 'abcdef')
  {
    await using file = await openFileResource(path, { mode: 'readwrite' })
    assert.deepEqual(file.reader.status, { state: 'active', writing: true })
    assert.equal(Buffer.from(await file.reader.bytes({ end: 6 })).toString(), 'abcdef')
    const writer = written(file.writer)
    await writer.writeAt(2, bytes('XY'))
    await writer.commit(5)
  }
  assert.equal(fs.readFileSync(path, 'utf8'), 'abXYe')
  {
    await using file = await openFileResource(path, { mode: 'readwrite' })
    await written(file.writer).fail(new Error('no'))
  }
  assert.equal(fs.readFileSync(path, 'utf8'), 'abXYe')
  {
    // A new generation is written beside the file, and takes its place at the commit.
    await using file = await openFileResource(path, { mode: 'readwrite' })
    const writer = written(file.writer)
    await writer.discard()
    await writer.writeAt(0, bytes('new'))
    assert.equal(fs.readFileSync(path, 'utf8'), 'abXYe')
    await writer.commit()
  }
  assert.equal(fs.readFileSync(path, 'utf8'), 'new')
  {
    await using file = await openFileResource(folder.file('b'), { mode: 'readwrite' })
    await written(file.writer).writeAt(0, bytes('b'))
    await written(file.writer).commit()
  }
  assert.deepEqual(fs.readdirSync(folder.path).sort(), ['a', 'b'])
})

test('length declares: writes past it are refused, so is another one, and a file that is longer already', async () => {
  using folder = new TemporaryFolder()
  await using file = await openFileResource(folder.file('a'), { length: 4 })
  assert.equal(await file.reader.waitLength(), 4)
  const writer = written(file.writer)
  await assert.rejects(writer.writeAt(3, bytes('xy')), { code: 'ERR_CISTERN_INVALID_RANGE' })
  await assert.rejects(writer.declare({ length: 5 }), { code: 'ERR_CISTERN_INVALID_RANGE' })
  await writer.writeAt(0, bytes('abcd'))
  await writer.commit()
  const shorter = openFileResource(folder.file('a'), { mode: 'readwrite', length: 3 })
  await assert.rejects(shorter, { code: 'ERR_CISTERN_INVALID_RANGE' })
  await using longer = await openFileResource(folder.file('a'), { mode: 'readwrite', length: 6 })
  await assert.rejects(written(longer.writer).commit(), { code: 'ERR_CISTERN_INCOMPLETE' })
})

test('a part that cannot be unlinked fails the commit, and leaves no file under the final name', async () => {
  using folder = new TemporaryFolder()
  await using file = await openFileResource(folder.file('a'))
  await written(file.writer).writeAt(0, bytes('mine'))
  const { unlink } = fs.promises
  const refusing = async (path: fs.PathLike) => {
    if (String(path).endsWith('.part')) throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
    return unlink(path)
  }
  mock.method(fs.promises, 'unlink', refusing)
  await assert.rejects(written(file.writer).commit(), { code: 'ERR_CISTERN_STORAGE_IO' })
  await assert.rejects(written(file.writer).fail(new Error('no')), { code: 'ERR_CISTERN_STORAGE_IO' })
  await file.close()
  mock.restoreAll()
  assert.ok(!fs.existsSync(folder.file('a')))
})

test('a part that somebody else removed is no matter', async () => {
  using folder = new TemporaryFolder()
  const file = await openFileResource(folder.file('a'))
  fs.unlinkSync(folder.file(fs.readdirSync(folder.path)[0] as string))
  await file.close()
})

test('a file that appeared meanwhile is not overwritten, and the writer stays usable', async () => {
  using folder = new TemporaryFolder()
  const path = folder.file('a')
  await using file = await openFileResource(path)
  const writer = written(file.writer)
  await writer.writeAt(0, bytes('mine'))
  fs.writeFileSync(path, 'theirs')
  await assert.rejects(writer.commit(), { code: 'ERR_CISTERN_STORAGE_IO', path })
  assert.equal(fs.readFileSync(path, 'utf8'), 'theirs')
  assert.deepEqual(file.reader.status, { state: 'active', writing: true })
  fs.unlinkSync(path)
  await writer.commit()
  assert.equal(fs.readFileSync(path, 'utf8'), 'mine')
})

test('a file system without hard links: renamed', async () => {
  using folder = new TemporaryFolder()
  await using file = await openFileResource(folder.file('a'))
  await written(file.writer).writeAt(0, bytes('mine'))
  const promises = fs.promises
  const link = mock.method(promises, 'link', async () => {
    throw Object.assign(new Error('EPERM'), { code: 'EPERM' })
  })
  try {
    await written(file.writer).commit()
    assert.equal(link.mock.callCount(), 1)
  } finally {
    mock.restoreAll()
  }
  assert.deepEqual(fs.readdirSync(folder.path), ['a'])
})

test('bytes reach the medium before the final name', async () => {
  using folder = new TemporaryFolder()
  await using file = await openFileResource(folder.file('a'))
  await written(file.writer).writeAt(0, bytes('mine'))
  const failing = ((_fd: number, callback: (error: Error) => void) =>
    callback(Object.assign(new Error('EIO'), { code: 'EIO' }))) as typeof fs.fdatasync
  mock.method(fs, 'fdatasync', failing)
  await assert.rejects(written(file.writer).commit())
  mock.restoreAll()
  assert.ok(!fs.existsSync(folder.file('a')))
})

test('folders, links and unknown options are refused, naming what is wrong', async () => {
  using folder = new TemporaryFolder()
  fs.mkdirSync(folder.file('folder'))
  fs.writeFileSync(folder.file('target'), 'x')
  fs.symlinkSync(folder.file('target'), folder.file('link'))
  await assert.rejects(openFileResource(folder.file('folder')), /is a directory/)
  await assert.rejects(openFileResource(folder.file('link')), /is a symbolic link/)
  await assert.rejects(openFileResource('/dev/null'), /is not a regular file/)
  await assert.rejects(openFileResource(folder.file('no/such/folder/a')), { code: 'ERR_CISTERN_STORAGE_IO' })
  await assert.rejects(openFileResource(folder.file('target/a')), { code: 'ERR_CISTERN_STORAGE_IO' })
  const refused = { code: 'ERR_CISTERN_INVALID_OPTION' }
  await assert.rejects(openFileResource(folder.file('a'), { size: 1 } as FileResourceOptions), {
    ...refused,
    message: /'size'/,
  })
  await assert.rejects(openFileResource(folder.file('a'), { mode: 'rw' as 'auto' }), refused)
  await assert.rejects(openFileResource(folder.file('a'), { length: -1 }), refused)
  await assert.rejects(openFileResource(folder.file('target'), { length: 2 }), { code: 'ERR_CISTERN_STORAGE_IO' })
  while (descriptors(folder) > 0) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(fs.readdirSync(folder.path).sort(), ['folder', 'link', 'target'])
})

test('[core 11] a stream goes on after the resource it came from was disposed, and the descriptor goes with it', async () => {
  using folder = new TemporaryFolder()
  fs.writeFileSync(folder.file('a'), 'x'.repeat(1000))
  const file = await openFileResource(folder.file('a'))
  const stream = file.reader.toReadable({ chunkSize: 10 })
  await file.close()
  assert.equal(descriptors(folder), 1)
  assert.equal(await text(stream), 'x'.repeat(1000))
  while (descriptors(folder) > 0) await new Promise((resolve) => setImmediate(resolve))
})

test('a sync that failed is not tried again into a success: the resource fails, and its part goes', async (t) => {
  using folder = new TemporaryFolder()
  await using file = await openFileResource(folder.file('film.mp4'))
  const writer = written(file.writer)
  await writer.writeFrom([bytes('hello')])
  const failing = t.mock.method(fs, 'fdatasync', (_fd: number, done: (error: Error) => void) => {
    failing.mock.restore() // the system says so once
    process.nextTick(done, Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
  })
  await assert.rejects(writer.commit(), StorageIoError)
  assert.equal(file.reader.status.state, 'failed')
  await assert.rejects(writer.commit(), StorageIoError)
  await file[Symbol.asyncDispose]()
  assert.deepEqual(fs.readdirSync(folder.path), [])
})
