import { lstat, mkdir, readdir, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CisternError, mapIoError, NoSpaceError, StorageIoError } from '@cistern/storage'
import type { AssetStore } from './asset-store.js'
import { openIndexOver } from './index/open-index.js'
import { diskAssets } from './layers/disk.js'
import { openStore } from './open-store.js'
import { checkOptions, DISK_STORE_OPTIONS, type DiskStoreOptions } from './options.js'

export const INDEX_FOLDER = '_index'

/** What `AssetStore.open` does. */
export async function openDiskStore(options: DiskStoreOptions): Promise<AssetStore> {
  const { root, ...rest } = checkOptions('AssetStore.open', options, DISK_STORE_OPTIONS)
  rest.signal?.throwIfAborted()
  try {
    const { folder, holdsFiles } = await prepareRoot(root)
    const { durability, flushMs } = rest
    const index = await openIndexOver(join(folder, INDEX_FOLDER), holdsFiles, { durability, flushMs })
    return await openStore(diskAssets(folder), index, rest)
  } catch (error) {
    if (!CisternError.is(error, 'ERR_CISTERN_NO_SPACE')) throw error
    const { message, path } = error as NoSpaceError
    // Nothing can be evicted by a store that cannot be opened.
    const advice =
      'A store needs a few free blocks and inodes to write down its owner and a journal: free some space first'
    throw new NoSpaceError(`${message}. ${advice}`, { cause: (error as Error).cause, path })
  }
}

/** Makes the folder if need be. Refuses, touching nothing, what is no folder or belongs to something else. */
async function prepareRoot(root: string): Promise<{ folder: string; holdsFiles: boolean }> {
  const path = resolve(root)
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const folder = await realpath(path)
    const names = await readdir(folder)
    await refuseForeign(folder, names)
    return { folder, holdsFiles: holdsFiles(names) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw new StorageIoError(`${path} is not a folder: a store needs one of its own`, { path, cause: error })
    throw mapIoError(error, path, 'open the store at')
  }
}

/** Of what a root holds: something that records ought to name. */
export const holdsFiles = (names: readonly string[]): boolean => names.some((name) => name !== INDEX_FOLDER)

/** A folder with files but without an index is somebody else's: sweeping or filling it would be a mistake. */
async function refuseForeign(root: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  if (names.includes(INDEX_FOLDER)) {
    const index = await lstat(join(root, INDEX_FOLDER))
    if (index.isDirectory()) return
    throw new StorageIoError(`${join(root, INDEX_FOLDER)} is not a folder: ${root} is not a store`, { path: root })
  }
  throw new StorageIoError(
    `${root} is not empty and has no ${INDEX_FOLDER}/: it is not a store. Give an empty folder, or a path that does not exist yet`,
    { path: root },
  )
}
