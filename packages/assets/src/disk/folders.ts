import { realpathSync } from 'node:fs'
import { mkdir, rmdir } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { StorageIoError } from '@cistern/storage'
import { errnoOf } from '../index/file.js'
import { entryAt, isAbsent } from './entries.js'

/** Folders that were seen to be real ones; looked at anew after so many. */
const KNOWN_FOLDERS = 4096

/** The folders below a root: made with their first file, gone with their last, and never a symlink out of it. */
export class Folders {
  readonly #root: string
  readonly #real = new Set<string>()
  /** Folders in which something is being made, one entry for each: they stay, however empty they look. */
  readonly #inUse = new Set<{ readonly folder: string }>()
  /** How many things are being removed from a folder. */
  readonly #emptying = new Map<string, number>()
  /** Folders on their way out. */
  readonly #leaving = new Set<Promise<void>>()

  constructor(root: string) {
    this.#root = root
  }

  /** Seen to be a real one, not long ago. */
  isReal(folder: string): boolean {
    return this.#real.has(folder)
  }

  /** A symlink on the way would lead out of the root. Throws `StorageIoError`, and ENOENT for a folder that is not there. */
  assertReal(folder: string): void {
    if (this.#real.has(folder)) return
    const real = realpathSync.native(folder)
    if (real !== folder)
      throw new StorageIoError(`${folder} leads to ${real}: symlinks are not followed`, { path: folder })
    if (!`${real}${sep}`.startsWith(`${this.#root}${sep}`))
      throw new StorageIoError(`${folder} is outside of the store`, { path: folder })
    if (this.#real.size >= KNOWN_FOLDERS) this.#real.clear()
    this.#real.add(folder)
  }

  /** A folder that is not there leads nowhere. */
  leadsElsewhere(folder: string): boolean {
    try {
      this.assertReal(folder)
      return false
    } catch (error) {
      return !isAbsent(error)
    }
  }

  /** Runs `make`, which makes something in `folder`; once more if that was not there yet, or went with its last file. */
  async during<T>(folder: string, make: () => Promise<T>): Promise<T> {
    const use = { folder }
    this.#inUse.add(use)
    try {
      try {
        return await make()
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error
      }
      // Nobody begins to remove it from here on; who began before may still be at it.
      await Promise.allSettled(this.#leaving)
      await this.#make(folder)
      return await make()
    } finally {
      this.#inUse.delete(use)
    }
  }

  /** Runs `remove`, which removes something from `folder`; when nobody is at the same any more, goes that too, if it is empty. */
  async emptying(folder: string, remove: () => Promise<void>): Promise<void> {
    this.#emptying.set(folder, (this.#emptying.get(folder) ?? 0) + 1)
    try {
      await remove()
    } finally {
      const others = (this.#emptying.get(folder) ?? 1) - 1
      if (others > 0) this.#emptying.set(folder, others)
      else this.#emptying.delete(folder)
      // Of several who empty it, each but the last would only find it not empty yet.
      if (others === 0) await this.#removeEmpty(folder)
    }
  }

  /** `folder`, and those above it, as far as they are empty. */
  async #removeEmpty(folder: string): Promise<void> {
    for (let at = folder; at.length > this.#root.length; at = dirname(at)) {
      if (this.#isInUse(at)) return
      const leaving = rmdir(at)
      this.#leaving.add(leaving)
      try {
        await leaving
        this.#real.delete(at)
      } catch {
        return // not empty, or gone: either way nothing is left to do
      } finally {
        this.#leaving.delete(leaving)
      }
    }
  }

  /** Below a folder that is a real one: `mkdir` would follow a symlink out of the root. */
  async #make(folder: string): Promise<void> {
    let above = dirname(folder)
    const missing = [folder]
    for (; above !== this.#root && !entryAt(above); above = dirname(above)) missing.unshift(above)
    this.assertReal(above)
    // Not `recursive`: on a medium without a free block or inode, that says ENOENT.
    for (const each of missing) await mkdir(each, { mode: 0o700 }).catch(unlessThere)
  }

  #isInUse(folder: string): boolean {
    for (const use of this.#inUse) if (`${use.folder}${sep}`.startsWith(`${folder}${sep}`)) return true
    return false
  }
}

function unlessThere(error: unknown): void {
  if (errnoOf(error) !== 'EEXIST') throw error
}
