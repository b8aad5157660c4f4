/**
 * One generation's bytes, as a backend stores them. `Resource` adds coverage, waiting and the life cycle: it never asks
 * for bytes that were not written, and has one write in flight at a time. Reads may run beside it.
 */
export interface Driver {
  /** Where the bytes are now, for error messages. */
  readonly path?: string | undefined
  /** Fills `target` from `position`; gives the bytes read, fewer than asked only where the storage ends. */
  read(position: number, target: Uint8Array): Promise<number>
  /** As `read`, at once. Leave it out where there is no such thing: `readAtSync` then throws NotSupportedError. */
  readSync?(position: number, target: Uint8Array): number
  /** Writes all of `parts`, one behind the other. They are borrowed until this settles. */
  write(position: number, parts: readonly Uint8Array[]): Promise<void>
  /** A promise while the storage is still being made: pieces that come meanwhile then leave together. It must not reject. */
  ready?(): Promise<void> | undefined
  /** Resolves once what was written before is on the medium. */
  sync(): Promise<void>
  /** Makes the storage `length` bytes long: cuts off what is beyond, extends with a hole. */
  truncate(length: number): Promise<void>
  /** Lets go of the storage after its last operation ended. Closing twice is fine. */
  close(): Promise<void>
}
