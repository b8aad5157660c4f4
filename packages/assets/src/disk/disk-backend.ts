import { constants, type Dirent, lstatSync, realpathSync, type Stats } from 'node:fs'
import { copyFile, link, lstat, mkdir, opendir, rename, rmdir, statfs, unlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { mapIoError, NotFoundError, StorageIoError } from '@cistern/storage'
import type { Backend, BackendFile, StoredDriver } from '../base/backend.js'
import { syncDirectory } from '../index/file.js'
import { createStored, lookAt, openStored } from './stored-file.js'

/** Folders that were seen to be real ones; looked at anew after so many. */
const KNOWN_FOLDERS = 4096
const INDEX_FOLDER = '_index'

/**
 * Files below a root: a finished one under its name, an unfinished one as `<name>.<generation>.part`. Opens nothing
 * outside of the root, and no symlink.
 */
export class DiskBackend implements Backend {
  readonly #root: string
  readonly #folders = new Set<string>()

  /** `root`: absolute, existing. */
  constructor(root: string) {
    this.#root = root
  }

  async open({ name, generation, fingerprint, state }: BackendFile): Promise<StoredDriver> {
    const [part, final] = [this.#part(name, generation), this.#final(name)]
    if (state === 'new') return this.#create(part, final)
    try {
      this.#assertRealFolder(dirname(part))
      if (state === 'active') return openStored(part, final, { writable: true })
      if (fingerprint !== undefined) return openStored(final, final, { writable: false })
      // Not known to have its final name: the part's is looked for first, because no other generation can have it.
      return this.#openIfThere(part, final) ?? openStored(final, final, { writable: false })
    } catch (error) {
      throw isAbsent(error) ? new NotFoundError(`${name} is not on disk any more`, { cause: error }) : error
    }
  }

  #openIfThere(path: string, final: string): StoredDriver | undefined {
    try {
      return openStored(path, final, { writable: false })
    } catch (error) {
      if (errno(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #create(path: string, final: string): Promise<StoredDriver> {
    for (let attempt = 0; ; attempt++) {
      try {
        this.#assertRealFolder(dirname(path))
        return await createStored(path, final)
      } catch (error) {
        // The folder is not there yet, or went with its last file between our two steps.
        if (errno(error) !== 'ENOENT' || attempt === 3) throw mapIoError(error, path, 'create')
        await this.#makeFolder(dirname(path))
      }
    }
  }

  /** Below a folder that is a real one: `mkdir` would follow a symlink out of the root. */
  async #makeFolder(folder: string): Promise<void> {
    let above = dirname(folder)
    while (above !== this.#root && !entryAt(above)) above = dirname(above)
    this.#assertRealFolder(above)
    await mkdir(folder, { recursive: true, mode: 0o700 })
  }

  async publish(name: string, generation: string, length: number): Promise<string> {
    const [part, final] = [this.#part(name, generation), this.#final(name)]
    try {
      await rename(part, final)
    } catch (error) {
      // Repeated after a crash: the rename may have happened.
      if (errno(error) !== 'ENOENT') throw mapIoError(error, final, 'publish')
    }
    const { length: found, fingerprint } = this.#look(final)
    if (found !== length) throw new StorageIoError(`${final} has ${found} bytes, not ${length}`, { path: final })
    return fingerprint
  }

  #look(path: string): { readonly length: number; readonly fingerprint: string } {
    try {
      return lookAt(path)
    } catch (error) {
      throw mapIoError(error, path, 'publish')
    }
  }

  async remove(name: string, generation: string, published: boolean): Promise<void> {
    if (this.#leadsElsewhere(dirname(this.#final(name)))) return // what is there is not ours
    if (generation !== '') await this.#unlink(this.#part(name, generation))
    if (published) await this.#unlink(this.#final(name))
    await this.#removeEmptyFolders(dirname(this.#final(name)))
  }

  async #unlink(path: string): Promise<void> {
    try {
      await unlink(path)
    } catch (error) {
      // A folder in its place is nothing of ours.
      if (!isAbsent(error) && errno(error) !== 'EISDIR' && errno(error) !== 'EPERM')
        throw mapIoError(error, path, 'remove')
    }
  }

  async #removeEmptyFolders(folder: string): Promise<void> {
    for (let at = folder; at.length > this.#root.length; at = dirname(at)) {
      try {
        await rmdir(at)
        this.#folders.delete(at)
      } catch {
        return // not empty, or gone: either way nothing is left to do
      }
    }
  }

  async *list(): AsyncGenerator<{ readonly name: string; readonly generation: string | undefined }> {
    for await (const asset of await opendir(this.#root)) {
      if (!asset.isDirectory() || asset.name.toLowerCase().startsWith(INDEX_FOLDER)) continue
      yield* this.#listBelow(asset.name)
    }
  }

  async *#listBelow(
    folder: string,
  ): AsyncGenerator<{ readonly name: string; readonly generation: string | undefined }> {
    for await (const entry of await this.#entriesOf(folder)) {
      const name = `${folder}/${entry.name}`
      if (entry.isDirectory()) yield* this.#listBelow(name)
      else if (entry.isFile()) {
        const [, base, generation] = /^(.*)\.([0-9a-z]+-[0-9a-z]+(?:\.raw)?)\.part$/.exec(name) ?? []
        yield base === undefined ? { name, generation: undefined } : { name: base, generation }
      }
    }
  }

  /** None where the folder went, with its last file, since it was seen. */
  async #entriesOf(folder: string): Promise<AsyncIterable<Dirent> | readonly Dirent[]> {
    try {
      return await opendir(join(this.#root, folder))
    } catch (error) {
      if (errno(error) === 'ENOENT') return []
      throw error
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#root)
    return bavail * bsize
  }

  exists(name: string): boolean {
    const final = this.#final(name)
    if (entryAt(final)) return true
    // A file where a folder should be takes all names below it.
    const asset = join(this.#root, name.slice(0, name.indexOf('/')))
    for (let above = dirname(final); above.length > asset.length; above = dirname(above)) {
      if (this.#folders.has(above)) return false
      const found = entryAt(above)
      if (found) return found.isFile()
    }
    return false
  }

  async clone(
    from: { readonly name: string; readonly generation: string },
    to: { readonly name: string; readonly generation: string },
    share: boolean,
  ): Promise<void> {
    const target = this.#part(to.name, to.generation)
    const part = this.#part(from.name, from.generation)
    const source = (await lstat(part).catch(() => undefined)) ? part : this.#final(from.name)
    await this.#makeFolder(dirname(target))
    this.#assertRealFolder(dirname(source))
    try {
      if (share) {
        await link(source, target)
        return
      }
    } catch (error) {
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'].includes(errno(error) ?? ''))
        throw mapIoError(error, target, 'link')
    }
    try {
      // Copy on write where the file system can.
      await copyFile(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
    } catch (error) {
      throw mapIoError(error, target, 'copy')
    }
  }

  /** Folders up to the root: a name is durable when each of them is. */
  async syncName(name: string): Promise<void> {
    for (let at = dirname(this.#final(name)); at.length >= this.#root.length; at = dirname(at)) await syncDirectory(at)
  }

  #final(name: string): string {
    return join(this.#root, name)
  }

  #part(name: string, generation: string): string {
    return `${this.#final(name)}.${generation}.part`
  }

  /** A folder that is not there leads nowhere. */
  #leadsElsewhere(folder: string): boolean {
    if (this.#folders.has(folder)) return false
    try {
      this.#assertRealFolder(folder)
      return false
    } catch (error) {
      return !isAbsent(error)
    }
  }

  /** A symlink on the way would lead out of the root. Rejects with `StorageIoError`. */
  #assertRealFolder(folder: string): void {
    if (this.#folders.has(folder)) return
    const real = realpathSync.native(folder)
    if (real !== folder)
      throw new StorageIoError(`${folder} leads to ${real}: symlinks are not followed`, { path: folder })
    if (!`${real}${sep}`.startsWith(`${this.#root}${sep}`))
      throw new StorageIoError(`${folder} is outside of the store`, { path: folder })
    if (this.#folders.size >= KNOWN_FOLDERS) this.#folders.clear()
    this.#folders.add(folder)
  }
}

const errno = (error: unknown): string | undefined => {
  const direct = (error as NodeJS.ErrnoException | undefined)?.code
  if (direct === undefined || !direct.startsWith('ERR_CISTERN')) return direct
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code
}

/** Gone, or something else in its place: a folder, a symlink. */
const isAbsent = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EMLINK'].includes(errno(error) ?? '')

/** What cannot be looked at is as if it were not there: whoever opens it is told why. */
function entryAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
