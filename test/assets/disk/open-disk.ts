import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AssetStore, CisternError, type CisternErrorCode, type StoreOptions } from '@cistern/assets'
import { eventLoopTurn } from '../../helpers/deferred.js'

export const openDisk = (root: string, options: StoreOptions = {}): Promise<AssetStore> =>
  AssetStore.open({ minFreeBytes: 0, ...options, root })

/** Files below `root` that are not the index's, with `/` between folders, sorted. */
export function filesUnder(root: string): string[] {
  let names: string[]
  try {
    names = readdirSync(root, { recursive: true, encoding: 'utf8' })
  } catch {
    return filesUnder(root) // a folder went while it was listed
  }
  return names
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !path.startsWith('_index') && statSync(join(root, path), { throwIfNoEntry: false })?.isFile())
    .sort()
}

export const isCode =
  (code: CisternErrorCode) =>
  (error: unknown): boolean =>
    CisternError.is(error, code)

const PATIENCE_MS = 20_000

/** Waits for what happens by and by: renames after a flush, unlinks after that. */
export async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !condition(); await eventLoopTurn())
    if (Date.now() > end) throw new Error(`it did not come true: ${condition}`)
}
