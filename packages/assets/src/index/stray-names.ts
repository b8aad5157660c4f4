import { foldersOf } from './names.js'
import type { Stray } from './record.js'

/** Paths that share a name, and how many strays each has under it. */
type Paths = Map<string, number>

/**
 * Which file names the strays of an asset have, whatever the case of letters. Asked before each new name is given, while
 * a thousand puts of one flush may be strays.
 */
export class StrayNames {
  readonly #names = new Map<string, Paths>()
  /** What has a name somewhere below a folder, by the folder's. */
  readonly #below = new Map<string, Paths>()

  add({ name, path }: Stray): void {
    const lower = name.toLowerCase()
    count(this.#names, lower, path, 1)
    for (const folder of foldersOf(lower)) count(this.#below, folder, path, 1)
  }

  delete({ name, path }: Stray): void {
    const lower = name.toLowerCase()
    count(this.#names, lower, path, -1)
    for (const folder of foldersOf(lower)) count(this.#below, folder, path, -1)
  }

  /** Whether a stray of another path than `path` has the name `lower`, is a folder above it, or lies below it. */
  isTaken(lower: string, path: string): boolean {
    if (hasOther(this.#names.get(lower), path) || hasOther(this.#below.get(lower), path)) return true
    for (const folder of foldersOf(lower)) if (hasOther(this.#names.get(folder), path)) return true
    return false
  }
}

function hasOther(paths: Paths | undefined, path: string): boolean {
  return paths !== undefined && (paths.size > 1 || !paths.has(path))
}

function count(named: Map<string, Paths>, name: string, path: string, change: 1 | -1): void {
  const paths = named.get(name) ?? new Map<string, number>()
  const strays = (paths.get(path) ?? 0) + change
  if (strays > 0) named.set(name, paths.set(path, strays))
  else if (paths.delete(path) && paths.size === 0) named.delete(name)
}
