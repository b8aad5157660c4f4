import type { Resource } from './resource.js'

/**
 * How a resource's owner (a standalone file, a store's base) is asked and told. All optional.
 * What the owner does itself (`fail`, `remove`, `shutdown`, `drop`) is not told back to it, but for `unused`.
 */
export interface ResourceHooks {
  /**
   * Before [start, end) is overwritten, or cut off by a commit. A promise holds the batch back, so that recorded bytes
   * are un-recorded first. Rejecting fails those writes. Not called again for a retry.
   */
  readonly beforeWrite?: ((start: number, end: number) => void | Promise<void>) | undefined
  /**
   * The write of `parts` is under way on another thread: the place for checksums, which then cost no time of their own.
   * Unless `written` follows for these bytes, the write failed.
   */
  readonly writing?: ((position: number, parts: readonly Uint8Array[]) => void) | undefined
  /**
   * Bytes are in the driver. Called before the resource's coverage grows and before writers are told; readers may have had
   * the bytes before, out of the writer's memory. `parts` are only borrowed; `added` counts the newly covered bytes.
   */
  readonly written?: ((position: number, parts: readonly Uint8Array[], added: number) => void) | undefined
  /**
   * Nothing of [start, end) is covered any more, because of an I/O error: a failed write over covered bytes, a failed or
   * short read. `bytes` of it were.
   */
  readonly lost?: ((start: number, end: number, error: Error, bytes: number) => void) | undefined
  /** A commit cut off what lies past its length: `bytes` stopped being covered. */
  readonly cut?: ((bytes: number) => void) | undefined
  /** Length or validator became known. */
  readonly declared?: (() => void | Promise<void>) | undefined
  /** Writes are drained, gaps and length checked, the driver truncated; the state is not committed yet. Rejecting makes `commit` reject. */
  readonly committing?: ((length: number) => void | Promise<void>) | undefined
  /** The state has just become committed; nobody has been told yet. */
  readonly committed?: ((length: number) => void) | undefined
  /** The resource is committed and everybody was told; `commit` waits for this, and rejects with its failure. */
  readonly durable?: ((length: number) => void | Promise<void>) | undefined
  /** The writer discards: gives the resource, a new generation, that takes over. */
  readonly renew?: (() => Promise<Resource>) | undefined
  /** The writer failed. */
  readonly failed?: ((error: Error) => void | Promise<void>) | undefined
  /** The writer was released; its writes are drained, and another may be opened. */
  readonly released?: ((cause: Error | undefined) => void | Promise<void>) | undefined
  /** The writer replaces the metadata. Absent: `setMetadata` throws NotSupportedError. */
  readonly setMetadata?: ((metadata: object) => void) | undefined
  /** No handle is open any more: the last one closed, or went over to the next generation. */
  readonly unused?: (() => void) | undefined
  /** Garbage collection found a handle that nobody closed, and closed it. */
  readonly leaked?: ((what: 'reader' | 'writer') => void) | undefined
}
