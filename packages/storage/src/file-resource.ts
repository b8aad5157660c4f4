import { randomUUID } from 'node:crypto'
import fs from 'node:fs/promises'
import { InvalidOptionError, InvalidRangeError, mapIoError, NotFoundError, StorageIoError } from './errors.js'
import { FileDriver } from './file-driver.js'
import { checkBytes, checkOptions } from './options.js'
import { RangeSet } from './range-set.js'
import { Resource } from './resource.js'
import { type StandaloneResource, standalone } from './standalone.js'

/** Options of {@link openFileResource}. */
export interface FileResourceOptions {
  /**
   * `'auto'` (default): an existing non-empty file is finished and read-only, otherwise a fresh resource is begun.
   * `'readonly'`: the file must exist, and is finished. `'readwrite'`: an existing file is opened in place, as it is.
   */
  readonly mode?: 'auto' | 'readwrite' | 'readonly' | undefined
  /** Declares the length in bytes. A finished file must have it. */
  readonly length?: number | undefined
}

/**
 * A resource in one file. What is being written lives in `<path>.<random>.part`, synced and renamed to `path` at commit, so
 * that `path` is absent or whole; anything else than a commit unlinks the part. A file that has appeared at `path`
 * meanwhile is never overwritten, except in `'readwrite'`.
 * Rejects with InvalidOptionError, NotFoundError (`'readonly'`), StorageIoError (a folder, a symbolic link, …).
 */
export async function openFileResource(path: string, options: FileResourceOptions = {}): Promise<StandaloneResource> {
  checkOptions(options, ['mode', 'length'], 'openFileResource')
  const { mode = 'auto', length } = options
  if (!['auto', 'readwrite', 'readonly'].includes(mode)) {
    throw new InvalidOptionError(`mode must be 'auto', 'readwrite' or 'readonly', not '${String(mode)}'`)
  }
  if (length !== undefined) checkBytes(length, 'length')
  const size = await sizeOf(path)
  if (size === undefined && mode === 'readonly') throw new NotFoundError(`there is no file ${path}`)
  const file = new StandaloneFile(path, mode === 'readwrite')
  if (size !== undefined && (mode === 'readonly' || (mode === 'auto' && size > 0))) return file.finished(length)
  const opened = size !== undefined && mode === 'readwrite' ? file.inPlace(length) : file.begun()
  if (length !== undefined) await opened.writer?.declare({ length })
  return opened
}

/** The owner of one file's generations. */
class StandaloneFile {
  readonly #path: string
  readonly #overwrite: boolean
  /** What goes on behind the handles: unlinking, closing. */
  readonly #chores = new Set<Promise<void>>()

  constructor(path: string, overwrite: boolean) {
    this.#path = path
    this.#overwrite = overwrite
  }

  finished(length: number | undefined): StandaloneResource {
    const driver = FileDriver.open(this.#path)
    const { size } = driver
    if (length !== undefined && length !== size) {
      void driver.close()
      throw new StorageIoError(`${this.#path} has ${size} bytes, not the ${length} it should have`, {
        path: this.#path,
      })
    }
    const resource: Resource = new Resource({
      generation: randomUUID(),
      driver,
      coverage: covering(size),
      committed: true,
      path: () => this.#path,
      hooks: { unused: () => this.#chore(() => closeDrained(resource)) },
    })
    return this.#open(resource)
  }

  inPlace(length: number | undefined): StandaloneResource {
    const driver = FileDriver.open(this.#path, { writable: true })
    const { size } = driver
    if (length !== undefined && length < size) {
      void driver.close()
      throw new InvalidRangeError(`${this.#path} has ${size} bytes already, more than the length ${length}`)
    }
    const resource: Resource = new Resource({
      generation: randomUUID(),
      driver,
      coverage: covering(size),
      path: () => this.#path,
      hooks: {
        committing: () => synced(resource, driver),
        // The file was there before us: whatever becomes of the writing, it is not ours to remove.
        renew: async () => this.#begin(),
        unused: () => this.#chore(() => closeDrained(resource)),
      },
    })
    return this.#open(resource)
  }

  begun(): StandaloneResource {
    return this.#open(this.#begin())
  }

  #begin(): Resource {
    const generation = randomUUID()
    const part = `${this.#path}.${generation.slice(0, 8)}.part`
    const driver = FileDriver.create(part)
    let unlinked: Promise<void> | undefined
    let published = false
    const drop = (): Promise<void> => {
      if (published) return Promise.resolve()
      unlinked ??= fs.unlink(part).catch(ignoreAbsent(part))
      return unlinked
    }
    const resource: Resource = new Resource({
      generation,
      driver,
      path: () => this.#path,
      hooks: {
        committing: async () => {
          // Bytes before the name: after a power cut the final name is absent or whole.
          await synced(resource, driver)
          await publish(part, this.#path, this.#overwrite)
          published = true
          driver.moved(this.#path)
        },
        renew: async () => this.#begin(),
        failed: drop,
        released: drop,
        unused: () => this.#chore(() => Promise.all([drop(), closeDrained(resource)])),
      },
    })
    return resource
  }

  #open(resource: Resource): StandaloneResource {
    const reader = resource.openReader()
    const writer = resource.status.state === 'committed' ? undefined : resource.openWriter()
    return standalone(reader, writer, async () => {
      // A discarded generation may be unused before the present one is.
      while (this.#chores.size > 0) await Promise.all(this.#chores)
    })
  }

  #chore(work: () => Promise<unknown>): void {
    const chore = work().then(
      () => {},
      () => {
        // A part that cannot be unlinked, a descriptor that cannot be closed: nobody is left to tell, and the bytes are safe.
      },
    )
    this.#chores.add(chore)
    void chore.then(() => this.#chores.delete(chore))
  }
}

async function closeDrained(resource: Resource): Promise<void> {
  await resource.drained()
  await resource.driver.close()
}

/** A sync that failed may have lost any of the bytes, and the next one would not say so again: the resource is done for. */
async function synced(resource: Resource, driver: FileDriver): Promise<void> {
  try {
    await driver.sync()
  } catch (cause) {
    const error = mapIoError(cause, driver.path, 'sync')
    resource.fail(error)
    throw error
  }
}

function covering(size: number): RangeSet {
  const coverage = new RangeSet()
  coverage.insert(0, size)
  return coverage
}

/** Bytes of the regular file at `path`; `undefined` where there is nothing. */
async function sizeOf(path: string): Promise<number | undefined> {
  const stat = await fs.lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw mapIoError(error, path, 'open')
  })
  if (stat === undefined || stat.isFile()) return stat?.size
  const kind = stat.isDirectory() ? 'a directory' : stat.isSymbolicLink() ? 'a symbolic link' : 'not a regular file'
  throw new StorageIoError(`cannot open ${path}: it is ${kind}`, { path })
}

async function publish(part: string, path: string, overwrite: boolean): Promise<void> {
  try {
    // An empty file counts as absent, as it did at open.
    if (overwrite || (await sizeOf(path)) === 0) return await fs.rename(part, path)
    try {
      // Unlike rename, link refuses where a file has appeared.
      await fs.link(part, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST' || (await sizeOf(path)) !== undefined) throw error
      // A file system without hard links.
      return await fs.rename(part, path)
    }
    await fs.unlink(part).catch(async (error: unknown) => {
      // Two names for bytes that may still change would be worse than none.
      await fs.unlink(path)
      throw error
    })
  } catch (error) {
    throw mapIoError(error, path, 'publish')
  }
}

function ignoreAbsent(path: string): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (error.code !== 'ENOENT') throw mapIoError(error, path, 'unlink')
  }
}
