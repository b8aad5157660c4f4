import type { Entry } from './entry.js'
import type { IndexState } from './index-state.js'
import { sortKey } from './leaf.js'

/**
 * Whether the resource at `path` may have the file `name`: no other resource of the asset has it, in any case of
 * letters, is a folder above it or lies below it. Asks the neighbours in the index's order, never all of an asset.
 */
export function isNameFree(state: IndexState, asset: string, path: string, name: string): boolean {
  const lower = name.toLowerCase()
  const isOther = (other: { readonly path: string }): boolean => other.path !== path
  const has = (entry: Entry, wanted: string): boolean =>
    [entry.committed?.name, entry.active?.name].some((file) => file?.toLowerCase() === wanted)

  for (const entry of pathsLike(state, asset, lower)) if (isOther(entry) && has(entry, lower)) return false
  for (const entry of state.under(asset, `${lower}/`)) if (isOther(entry)) return false
  for (const folder of foldersOf(lower)) {
    for (const entry of pathsLike(state, asset, folder)) if (isOther(entry) && has(entry, folder)) return false
  }
  for (const [file, owner] of state.rows.get(asset)?.names ?? [])
    if (owner !== path && collide(file, lower)) return false
  return !state.isStraysName(asset, lower, path)
}

/** Entries whose path is `lower` but for the case of letters; they stand first among those with that prefix. */
function* pathsLike(state: IndexState, asset: string, lower: string): Generator<Entry> {
  for (const entry of state.under(asset, lower)) {
    const key = sortKey(entry.path)
    if (key !== lower && !key.startsWith(`${lower}\0`)) return
    yield entry
  }
}

/** The folders above it, outermost first. */
export function* foldersOf(path: string): Generator<string> {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) yield path.slice(0, slash)
}

const collide = (a: string, b: string): boolean => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)
