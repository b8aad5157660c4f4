import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { mock, test } from 'node:test'
import { FileDriver, StorageIoError } from '@cistern/storage'
import { TemporaryFolder } from './places.js'

test('create makes a file for its owner alone, and never opens one that is there', async () => {
  using folder = new TemporaryFolder()
  const path = folder.file('a')
  const driver = FileDriver.create(path)
  assert.equal(fs.statSync(path).mode & 0o777, 0o600)
  assert.equal(driver.path, path)
  assert.throws(() => FileDriver.create(path), { code: 'ERR_CISTERN_STORAGE_IO', path })
  await driver.close()
  const open = FileDriver.create(folder.file('b'), { mode: 0o640 })
  assert.equal(fs.statSync(folder.file('b')).mode & 0o777, 0o640)
  open.moved('/elsewhere')
  assert.equal(open.path, '/elsewhere')
  await open.close()
})

test('only regular files are opened: no folder, link or FIFO', () => {
  using folder = new TemporaryFolder()
  fs.writeFileSync(folder.file('target'), 'x')
  fs.symlinkSync(folder.file('target'), folder.file('link'))
  fs.mkdirSync(folder.file('folder'))
  execFileSync('mkfifo', [folder.file('fifo')])
  const before = fs.readdirSync('/proc/self/fd').length
  assert.throws(() => FileDriver.open(folder.file('link')), /symbolic link/)
  assert.throws(() => FileDriver.create(folder.file('link')), { code: 'ERR_CISTERN_STORAGE_IO' })
  assert.throws(() => FileDriver.open(folder.file('folder')), /not a regular file/)
  assert.throws(() => FileDriver.open(folder.file('fifo')), /not a regular file/)
  assert.throws(() => FileDriver.open(folder.file('absent')), { code: 'ERR_CISTERN_STORAGE_IO' })
  assert.equal(fs.readdirSync('/proc/self/fd').length, before)
})

test('reads give what there is, and fewer bytes only at the end', async () => {
  using folder = new TemporaryFolder()
  fs.writeFileSync(folder.file('a'), 'abcdef')
  const driver = FileDriver.open(folder.file('a'))
  const target = new Uint8Array(4)
  assert.equal(await driver.read(1, target), 4)
  assert.equal(Buffer.from(target).toString(), 'bcde')
  assert.equal(await driver.read(4, target), 2)
  assert.equal(await driver.read(6, target), 0)
  assert.equal(driver.readSync(4, target), 2)
  assert.equal(driver.readSync(9, target), 0)
  await assert.rejects(driver.write(0, [target]))
  await assert.rejects(driver.truncate(1))
  await driver.close()
})

test('short writes are gone on with, one that writes nothing is an error', async () => {
  using folder = new TemporaryFolder()
  const driver = FileDriver.create(folder.file('a'))
  const { writev, write } = fs
  type Written = (error: Error | null, bytes: number) => void
  // The kernel may take less than it is given: here 3 bytes at most.
  const shortWritev = (fd: number, parts: Uint8Array[], position: number, callback: Written) =>
    write(fd, parts[0] as Uint8Array, 0, Math.min(3, parts[0]?.length ?? 0), position, callback)
  const shortWrite = (fd: number, part: Uint8Array, offset: number, _: number, position: number, callback: Written) =>
    write(fd, part, offset, Math.min(3, part.length), position, callback)
  mock.method(fs, 'writev', shortWritev as typeof writev)
  mock.method(fs, 'write', shortWrite as unknown as typeof write)
  await driver.write(2, [Buffer.from('abcd'), Buffer.from('e'), Buffer.from('fghij')])
  await driver.write(0, [])
  mock.restoreAll()
  assert.equal(fs.readFileSync(folder.file('a'), 'latin1'), '\0\0abcdefghij')
  const nothing = (_fd: number, _part: unknown, _at: number, _length: number, _position: number, callback: Written) =>
    callback(null, 0)
  mock.method(fs, 'write', nothing as unknown as typeof write)
  await assert.rejects(driver.write(0, [Buffer.from('x')]), { code: 'ERR_CISTERN_STORAGE_IO' })
  mock.restoreAll()
  // After a failure nobody knows where the file ends: it is cut for real.
  await driver.truncate(12)
  await driver.truncate(4)
  assert.equal(driver.size, 4)
  await driver.sync()
  await driver.close()
})

test('a short read is gone on with until the file ends', async () => {
  using folder = new TemporaryFolder()
  fs.writeFileSync(folder.file('a'), 'abcdefgh')
  const driver = FileDriver.open(folder.file('a'))
  const { read } = fs
  const short = (
    fd: number,
    target: Uint8Array,
    offset: number,
    length: number,
    position: number,
    callback: () => void,
  ) => read(fd, target, offset, Math.min(3, length), position, callback)
  mock.method(fs, 'read', short as unknown as typeof read)
  const target = new Uint8Array(10)
  assert.equal(await driver.read(0, target), 8)
  mock.restoreAll()
  assert.equal(Buffer.from(target.subarray(0, 8)).toString(), 'abcdefgh')
  await driver.close()
})

test('a file that came in order is not cut; one longer than what is committed is', async () => {
  using folder = new TemporaryFolder()
  const driver = FileDriver.create(folder.file('a'))
  const cut = mock.method(fs, 'ftruncate')
  await driver.truncate(0)
  await driver.write(0, [Buffer.from('abcd')])
  await driver.truncate(4)
  assert.equal(cut.mock.callCount(), 0)
  // While a write is under way its end is not the end of the file yet.
  const writing = driver.write(4, [Buffer.from('ef')])
  const cutting = driver.truncate(6)
  assert.equal(cut.mock.callCount(), 1)
  await Promise.all([writing, cutting])
  await driver.truncate(2)
  assert.equal(cut.mock.callCount(), 2)
  assert.equal(driver.size, 2)
  await driver.truncate(8)
  assert.equal(driver.size, 8)
  mock.restoreAll()
  await driver.close()
})

test('[core 15] close waits for what is under way, and refuses what comes after', async () => {
  using folder = new TemporaryFolder()
  const driver = FileDriver.create(folder.file('a'))
  const order: string[] = []
  const bytes = Buffer.alloc(4 * 1024 * 1024, 7)
  const writing = driver.write(0, [bytes]).then(() => order.push('written'))
  const syncing = driver.sync().then(() => order.push('synced'))
  const closing = driver.close().then(() => order.push('closed'))
  assert.equal(driver.close(), driver.close())
  await assert.rejects(driver.read(0, new Uint8Array(1)), { code: 'ERR_CISTERN_STORAGE_IO' })
  assert.throws(() => driver.readSync(0, new Uint8Array(1)), { code: 'ERR_CISTERN_STORAGE_IO' })
  await Promise.all([writing, syncing, closing])
  assert.equal(order.at(-1), 'closed')
  assert.equal(fs.statSync(folder.file('a')).size, bytes.length)
})

test('[core 15] an operation that Node refuses at once does not keep close waiting', async () => {
  using folder = new TemporaryFolder()
  const driver = FileDriver.create(folder.file('a'))
  await assert.rejects(driver.read(0.5, new Uint8Array(4)), { code: 'ERR_OUT_OF_RANGE' })
  await driver.close()
})

test('[core 15] the size of a closed file is not that of another', async () => {
  using folder = new TemporaryFolder()
  const driver = FileDriver.create(folder.file('a'))
  await driver.close()
  assert.throws(() => driver.size, StorageIoError)
})

test('what was only read is closed at once, after its last read, and on another thread when the file was unlinked', async () => {
  using folder = new TemporaryFolder()
  fs.writeFileSync(folder.file('a'), 'abcdef')
  const kept = FileDriver.open(folder.file('a'))
  const reading = kept.read(0, new Uint8Array(6))
  const closed = kept.close()
  assert.ok(isOpen(kept.fd, folder.file('a')))
  assert.equal(await reading, 6)
  await closed
  const idle = FileDriver.open(folder.file('a'))
  void idle.close()
  assert.ok(!isOpen(idle.fd, folder.file('a')))
  const gone = FileDriver.open(folder.file('a'))
  const aside = mock.method(fs, 'close')
  gone.unlinked()
  await gone.close()
  assert.equal(aside.mock.callCount(), 1)
  mock.restoreAll()
})

function isOpen(fd: number, path: string): boolean {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`) === path
  } catch {
    return false
  }
}
