import fs from 'node:fs'

/** The files of one `_index/`, by name. */
export type IndexFiles = ReadonlyMap<string, Uint8Array>

type Done = (error: NodeJS.ErrnoException | null, result?: unknown) => void
type Call = (...given: unknown[]) => void
const calls = fs as unknown as Record<'open' | 'fstat' | 'read' | 'close', Call>
const promises = fs.promises as unknown as { readdir: (...given: unknown[]) => Promise<unknown> }

const PLACE = '/cistern-in-memory/_index'
const FIRST_DESCRIPTOR = 2 ** 30

/**
 * A folder that exists in this process only, for reading: what the index reads below `dir` comes from the files last shown.
 * A hundred thousand damaged stores would take hours on a file system, and a good part of its life.
 */
export class MemoryIndex implements Disposable {
  readonly dir = PLACE
  #files: IndexFiles = new Map()
  readonly #open = new Map<number, Uint8Array>()
  #next = FIRST_DESCRIPTOR
  readonly #restore: () => void

  constructor() {
    const [original, readdir] = [{ ...calls }, promises.readdir]
    this.#restore = () => {
      Object.assign(calls, { open: original.open, fstat: original.fstat, read: original.read, close: original.close })
      promises.readdir = readdir
    }
    calls.open = (path, ...given) =>
      String(path).startsWith(PLACE)
        ? this.#opened(String(path).slice(PLACE.length + 1), given.at(-1) as Done)
        : original.open.call(fs, path, ...given)
    calls.fstat = (fd, ...given) => {
      const bytes = this.#open.get(fd as number)
      if (bytes) answer(given.at(-1) as Done, { isFile: () => true, size: bytes.length })
      else original.fstat.call(fs, fd, ...given)
    }
    calls.read = (fd, ...given) => {
      const bytes = this.#open.get(fd as number)
      if (!bytes) return original.read.call(fs, fd, ...given)
      const [target, offset, length, position, done] = given as [Uint8Array, number, number, number, Done]
      const part = bytes.subarray(position, position + length)
      target.set(part, offset)
      answer(done, part.length)
    }
    calls.close = (fd, ...given) => {
      if (this.#open.delete(fd as number)) answer(given.at(-1) as Done)
      else original.close.call(fs, fd, ...given)
    }
    promises.readdir = (path, ...given) =>
      path === PLACE ? Promise.resolve([...this.#files.keys()]) : readdir.call(fs.promises, path, ...given)
  }

  show(files: IndexFiles): void {
    this.#files = files
  }

  /** Descriptors that whoever read left open. */
  get descriptors(): number {
    return this.#open.size
  }

  [Symbol.dispose](): void {
    this.#restore()
  }

  #opened(name: string, done: Done): void {
    const bytes = this.#files.get(name)
    if (bytes === undefined) return void process.nextTick(done, Object.assign(new Error(name), { code: 'ENOENT' }))
    this.#open.set(++this.#next, bytes)
    answer(done, this.#next)
  }
}

function answer(done: Done, result?: unknown): void {
  process.nextTick(done, null, result)
}
