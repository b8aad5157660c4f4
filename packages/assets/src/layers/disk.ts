import { DriverAssets } from '../base/driver-assets.js'
import { DiskBackend } from '../disk/disk-backend.js'
import type { BaseContext } from '../index/records.js'
import type { Base } from '../types.js'

/** The end of the chain of a store on disk: finished files under their names, unfinished ones as parts beside them. */
export class DiskAssetStore extends DriverAssets {
  /** `root`: an existing folder, absolute and without symlinks. The index, in its `_index/`, is opened apart from it. */
  constructor(root: string, context: BaseContext) {
    super(context, new DiskBackend(root))
  }
}

/** {@link DiskAssetStore} as the base of a chain. */
export const diskAssets =
  (root: string): Base =>
  (context) =>
    new DiskAssetStore(root, context)
