import { randomBytes } from 'node:crypto'
import fs, { constants } from 'node:fs/promises'
import { join } from 'node:path'
import { attempt, errnoOf, syncDirectory, syncFile } from './file.js'
import type { FileKind } from './header.js'

export type SnapshotKind = Exclude<FileKind, 'journal'>

export function snapshotName(kind: SnapshotKind): string {
  return `${kind}.bin`
}

/** What the snapshot before the present one is kept as. */
export function previousSnapshotName(kind: SnapshotKind): string {
  return `${kind}.prev.bin`
}

export function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`
}

/** write-file-atomic follows a symlink, out of the store, and no rename replaces a directory: what is no file is put aside. */
export async function clearTheWay(path: string, check?: () => void): Promise<void> {
  const stats = await lstatIfThere(path)
  if (stats === undefined || stats.isFile()) return
  check?.()
  await attempt(path, 'put aside', fs.rename(path, `${path}.${randomBytes(6).toString('hex')}.aside`))
}

// File systems without hard links (exFAT, some network and FUSE ones), or with all links taken.
const NO_LINK = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'])

/** Gives the present snapshot its second name, `*.prev.bin`, in the place of the one before. */
export async function keepPrevious(dir: string, kind: SnapshotKind, sync: boolean, check?: () => void): Promise<void> {
  const present = join(dir, snapshotName(kind))
  const previous = join(dir, previousSnapshotName(kind))
  if ((await lstatIfThere(present)) === undefined) return
  await clearTheWay(previous, check)
  const temporary = temporaryName(previous)
  try {
    await linkOrCopy(present, temporary, sync)
    check?.()
    await attempt(previous, 'rename', fs.rename(temporary, previous))
  } finally {
    // Also after success: of two links to one file, rename() leaves both.
    await fs.unlink(temporary).catch(() => undefined)
  }
  // Before the present one can lose its name, the other one is on the medium.
  if (sync) await syncDirectory(dir)
}

async function linkOrCopy(from: string, to: string, sync: boolean): Promise<void> {
  try {
    await fs.link(from, to)
    return
  } catch (error) {
    if (!NO_LINK.has(errnoOf(error) ?? '')) await attempt(from, 'link', Promise.reject(error))
  }
  await attempt(from, 'copy', fs.copyFile(from, to, constants.COPYFILE_EXCL))
  if (sync) await syncFile(to)
}

// `cov.bin.1f…9.tmp` is ours, with a number behind it, `cov.bin.1f…9.tmp.2893411`, write-file-atomic's.
const STRAY = /^(pins|lru|cov)(\.prev)?\.bin\.(\d{1,10}|[0-9a-f]{12}\.tmp(\.\d{1,10})?)$/

/** Removes the temporary files that a crash left. For the owner alone: `check` throws once it is not. Rejects with StorageIoError. */
export async function removeStrays(dir: string, check: () => void): Promise<void> {
  for (const entry of await attempt(dir, 'list', fs.readdir(dir, { withFileTypes: true }))) {
    if (entry.isDirectory() || !STRAY.test(entry.name)) continue
    check()
    await unlinkIfThere(join(dir, entry.name))
  }
}

async function lstatIfThere(path: string): Promise<Awaited<ReturnType<typeof fs.lstat>> | undefined> {
  try {
    return await fs.lstat(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    return await attempt(path, 'stat', Promise.reject(error))
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await fs.unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') await attempt(path, 'unlink', Promise.reject(error))
  }
}
