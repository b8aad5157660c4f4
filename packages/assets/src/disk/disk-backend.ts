import { constants, type Dirent } from 'node:fs'
import { copyFile, link, lstat, opendir, rename, statfs, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CisternError, mapIoError, NotFoundError, StorageIoError } from '@cistern/storage'
import type { Backend, BackendFile, StoredDriver } from '../base/backend.js'
import { errnoOf, syncDirectory } from '../index/file.js'
import { entryAt, isAbsent } from './entries.js'
import { Folders } from './folders.js'
import { createStored, lookAt, openStored } from './stored-file.js'

const INDEX_FOLDER = '_index'

/**
 * Files below a root: a finished one under its name, an unfinished one as `<name>.<generation>.part`. Opens nothing
 * outside of the root, and no symlink.
 */
export class DiskBackend implements Backend {
  readonly #root: string
  readonly #folders: Folders

  /** `root`: absolute, existing. */
  constructor(root: string) {
    this.#root = root
    this.#folders = new Folders(root)
  }

  async open({ name, generation, fingerprint, state, readOnly = false }: BackendFile): Promise<StoredDriver> {
    const [part, final] = [this.#part(name, generation), this.#final(name)]
    if (state === 'new') return this.#create(part, final)
    try {
      this.#folders.assertReal(dirname(part))
      if (state === 'active') return openStored(part, final, { writable: !readOnly })
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
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #create(path: string, final: string): Promise<StoredDriver> {
    const folder = dirname(path)
    try {
      return await this.#folders.during(folder, () => {
        this.#folders.assertReal(folder)
        return createStored(path, final)
      })
    } catch (error) {
      throw mapIoError(error, path, 'create')
    }
  }

  async publish(name: string, generation: string, length: number): Promise<string> {
    const [part, final] = [this.#part(name, generation), this.#final(name)]
    try {
      await rename(part, final)
    } catch (error) {
      // Repeated after a crash: the rename may have happened.
      if (errnoOf(error) !== 'ENOENT') throw mapIoError(error, final, 'publish')
    }
    const { length: found, fingerprint, links } = this.#look(final)
    if (found !== length) throw new StorageIoError(`${final} has ${found} bytes, not ${length}`, { path: final })
    // Moved there and back: of two links to one file, rename() leaves both.
    if (links > 1) await this.#unlink(part)
    return fingerprint
  }

  #look(path: string): ReturnType<typeof lookAt> {
    try {
      return lookAt(path)
    } catch (error) {
      throw mapIoError(error, path, 'publish')
    }
  }

  async remove(name: string, generation: string, published: boolean, isRenamed = false): Promise<void> {
    const folder = dirname(this.#final(name))
    if (this.#folders.leadsElsewhere(folder)) return // what is there is not ours
    await this.#folders.emptying(folder, async () => {
      // First what others may have by now: no time to lose the root may pass since the owner was last looked at.
      if (published) await this.#unlink(this.#final(name))
      if (generation !== '' && !isRenamed) await this.#unlink(this.#part(name, generation))
    })
  }

  async #unlink(path: string): Promise<void> {
    try {
      await unlink(path)
    } catch (error) {
      // A folder in its place, which some systems report as EPERM, is nothing of ours.
      if (!isAbsent(error) && !entryAt(path)?.isDirectory()) throw mapIoError(error, path, 'remove')
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
      if (errnoOf(error) === 'ENOENT') return []
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
      if (this.#folders.isReal(above)) return false
      const found = entryAt(above)
      if (found) return found.isFile()
    }
    return false
  }

  async clone(
    from: { readonly name: string; readonly generation: string; readonly fingerprint: string | undefined },
    to: { readonly name: string; readonly generation: string },
    share: boolean,
  ): Promise<void> {
    const target = this.#part(to.name, to.generation)
    const part = this.#part(from.name, from.generation)
    const source = (await lstat(part).catch(() => undefined)) ? part : this.#final(from.name)
    this.#folders.assertReal(dirname(source))
    try {
      await this.#folders.during(dirname(target), async () => {
        this.#folders.assertReal(dirname(target))
        if (!share || !(await linked(source, target))) await copied(source, target)
      })
      // Looked at when it is copied: what has been put in its place by then is not what is on record.
      const isOurs = from.fingerprint === undefined || lookAt(source).fingerprint === from.fingerprint
      if (!isOurs) throw new NotFoundError(`${from.name} is not the file that was opened`)
    } catch (error) {
      if (!isAbsent(error) && !CisternError.is(error, 'ERR_CISTERN_NOT_FOUND'))
        throw mapIoError(error, target, 'create')
      await this.remove(to.name, to.generation, false)
      throw new NotFoundError(`${from.name} is not on disk any more`, { cause: error })
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
}

/** `false` where the file system has no hard links, or no more of them. */
async function linked(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target)
    return true
  } catch (error) {
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'].includes(errnoOf(error) ?? '')) return false
    if (errnoOf(error) === 'ENOENT') throw error
    throw mapIoError(error, target, 'link')
  }
}

/** Copy on write where the file system can. */
async function copied(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw error
    throw mapIoError(error, target, 'copy')
  }
}
