// Faults and looks from outside: which files are synced and read, what fails once, what happens in the middle of a step.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type AssetStore, type Backend, driverAssets, openIndex, openStore, type StoreOptions } from '@cistern/assets'
import { DiskBackend } from '#assets/disk/disk-backend.js'
import { filesUnder } from '../disk/open-disk.js'

type Callback = (error: Error | null) => void
type Calls = (...given: unknown[]) => void

/** As `AssetStore.open` does it, over a backend of the test's own. */
export async function openOver(root: string, backend: Backend, options: StoreOptions = {}): Promise<AssetStore> {
  const { durability, flushMs } = options
  const index = await openIndex(join(root, '_index'), { durability, flushMs })
  return openStore(driverAssets(backend), index, { minFreeBytes: 0, ...options })
}

export const ioError = (code: string): Error => Object.assign(new Error(`${code}: on purpose`), { code })

/** As many renames as are asked to, fail. */
export class FailingPublish extends DiskBackend {
  failures = 0

  override async publish(name: string, generation: string, length: number): Promise<string> {
    if (this.failures === 0) return super.publish(name, generation, length)
    this.failures--
    throw ioError('ENOSPC')
  }
}

/** The file, as `asset/file`, that a descriptor is of; `undefined` for those of the index. */
function resourceFile(root: string, fd: number): string | undefined {
  const { ino } = fs.fstatSync(fd)
  return filesUnder(root).find((name) => fs.statSync(join(root, name), { throwIfNoEntry: false })?.ino === ino)
}

/** `step` comes before each sync of a file of a resource; what it rejects with is what the sync fails with. */
export function beforeSyncs(t: TestContext, root: string, step: (file: string) => Promise<void>): void {
  const sync = fs.fdatasync
  t.mock.method(fs, 'fdatasync', (fd: number, done: Callback) => {
    const file = resourceFile(root, fd)
    if (file === undefined) sync(fd, done)
    else step(file).then(() => sync(fd, done), done)
  })
}

/** The next sync of a resource's file, or of the journal, fails: the system says so once. */
export function failNextSync(t: TestContext, root: string, of: 'resource' | 'journal'): void {
  const sync = fs.fdatasync
  const failing = t.mock.method(fs, 'fdatasync', (fd: number, done: Callback) => {
    if ((resourceFile(root, fd) !== undefined) !== (of === 'resource')) return sync(fd, done)
    failing.mock.restore()
    process.nextTick(done, ioError('EIO'))
  })
}

/** All of that kind fail, until what this returns is called. */
export function failSyncs(t: TestContext, root: string, of: 'resource' | 'journal'): () => void {
  const sync = fs.fdatasync
  const failing = t.mock.method(fs, 'fdatasync', (fd: number, done: Callback) => {
    if ((resourceFile(root, fd) !== undefined) !== (of === 'resource')) return sync(fd, done)
    process.nextTick(done, ioError('EIO'))
  })
  return () => failing.mock.restore()
}

/** Inodes of all files synced from now on, in order. */
export function syncedInodes(t: TestContext): number[] {
  const inodes: number[] = []
  const sync = fs.fdatasync
  t.mock.method(fs, 'fdatasync', (fd: number, done: Callback) => {
    inodes.push(fs.fstatSync(fd).ino)
    sync(fd, done)
  })
  return inodes
}

/** `step` comes before each read of a resource's file, but for those that come while it runs; rejecting fails the read. */
export function beforeReads(
  t: TestContext,
  root: string,
  step: (file: string, position: number) => Promise<void>,
): void {
  const read = fs.read as unknown as Calls
  let isRunning = false
  t.mock.method(fs, 'read', (...given: unknown[]) => {
    const file = isRunning ? undefined : resourceFile(root, given[0] as number)
    if (file === undefined) return read(...given)
    isRunning = true
    step(file, given[4] as number)
      .finally(() => {
        isRunning = false
      })
      .then(
        () => read(...given),
        (error) => (given.at(-1) as (error: Error, bytes: number) => void)(error, 0),
      )
  })
}

/** Replaces a function of `node:fs/promises` until the test ends, for those who imported it by name, too. */
export function mockPromise<Name extends 'link' | 'mkdir' | 'open' | 'readdir'>(
  t: TestContext,
  name: Name,
  instead: (original: (...given: unknown[]) => Promise<unknown>, ...given: unknown[]) => Promise<unknown>,
): void {
  const original = fs.promises[name] as (...given: unknown[]) => Promise<unknown>
  const mocked = t.mock.method(fs.promises, name, (...given: unknown[]) => instead(original, ...given))
  syncBuiltinESMExports()
  t.after(() => {
    mocked.mock.restore()
    syncBuiltinESMExports()
  })
}
