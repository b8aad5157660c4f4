import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AssetStore, StoreOptions } from '@cistern/assets'
import type { StorePlace } from '@cistern/assets/testing'

/** A folder of its own to open stores in, gone with the place. */
export async function diskPlace(
  open: (root: string, options: StoreOptions) => Promise<AssetStore>,
): Promise<StorePlace> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'cistern-conformance-')))
  return {
    open: (options) => open(root, options),
    [Symbol.asyncDispose]: async () => rmSync(root, { recursive: true, force: true, maxRetries: 3 }),
  }
}
