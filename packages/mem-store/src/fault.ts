import type { ResourceKey } from '@cistern/assets'

/** One operation on what would be a disk. */
export interface FaultPoint {
  /** `'publish'`: a finished resource gets its name. `'index'`: the journal would be written. */
  readonly op: 'read' | 'write' | 'sync' | 'publish' | 'remove' | 'index'
  /** `undefined` for what is not about one resource: the index. */
  readonly key: ResourceKey | undefined
  /** First byte of a read or write; 0 otherwise. */
  readonly position: number
  /** Bytes of a read or write; 0 otherwise. */
  readonly bytes: number
}

/**
 * Called before each operation: throw to fail it, await to slow it. Full disks, slow writers and dying reads in an app's
 * own tests. An error with a `code` is taken as the system error of that name: `ENOSPC` becomes `NoSpaceError`.
 */
export type Fault = (at: FaultPoint) => void | Promise<void>
