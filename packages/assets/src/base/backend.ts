import type { Driver } from '@cistern/storage'

/** Which bytes are meant: those of one generation. */
export interface BackendFile {
  /** `asset/file`, as the index has it: the final name. */
  readonly name: string
  /** Never used twice. Raw parts of processed resources have a generation of their own, ending in `.raw`. */
  readonly generation: string
  /** What `publish` returned; `undefined` for what was not published yet. */
  readonly fingerprint: string | undefined
  /**
   * `new`: create it, and fail if it exists. `active`: unfinished bytes, to read and write. `committed`: to read only;
   * without a fingerprint they may be under the name of the unfinished or of the final file.
   */
  readonly state: 'new' | 'active' | 'committed'
  /** Unfinished bytes that are only looked at: they may lie where nothing can be written. */
  readonly readOnly?: boolean | undefined
}

/** How stored bytes look from outside. */
export interface StoredLook {
  /** Bytes. */
  readonly length: number
  /** Changes when the bytes may have. Kept in the index, and compared when they are opened again. */
  readonly fingerprint: string
}

/** What a driver of a backend may tell about its storage. */
export interface StoredDriver extends Driver {
  /** Length, and what the bytes look like from outside (file systems: inode and time of change); no waiting. */
  readonly stat?: (() => StoredLook) | undefined
  /** The bytes have their final name. */
  published?(): void
  /** The bytes were removed, or are about to be: closing may have to let go of all of them. */
  unlinked?(): void
  /** Writes what is still held in memory only; a sync does so, too. */
  spill?(): Promise<void>
}

/** A place for bytes that are not files: `driverAssets(backend)` makes a base of it. */
export interface Backend {
  /** Rejects with `NotFoundError` when there are no such bytes. */
  open(file: BackendFile): Promise<StoredDriver>
  /** Gives a finished generation its final name, in place of what had it. Resolves with a fingerprint: what `open` would see. Repeating it is fine. */
  publish(name: string, generation: string, length: number): Promise<string>
  /**
   * Removes the bytes of one generation; `published`: and what has the final name, be it an older generation whose place
   * this one was to take. `isRenamed`: this process gave it the final name, and nothing of it is left under another. What
   * is not there is no error.
   */
  remove(name: string, generation: string, published: boolean, isRenamed?: boolean): Promise<void>
  /** All that is stored, named by the index or not, in any order: `verify` finds by it what no record names. */
  list(): AsyncIterable<{
    /** `asset/file`: the final name, without what marks an unfinished one. */
    readonly name: string
    /** That of an unfinished file; `undefined` for one under its final name. */
    readonly generation: string | undefined
  }>
  /** Bytes that can still be stored here; leave it out where that has no meaning. */
  freeBytes?(): Promise<number>
  /** Whether something has the final name; asked before a new resource is given it. */
  exists?(name: string): boolean
  /**
   * Makes an unfinished `to`, which is not there yet, of the bytes of `from`. `share`: neither will be written again, so
   * they may be one file. Rejects with `NotFoundError`, leaving nothing, where the name of `from` has no file, or one of
   * another fingerprint. Without it the library reads and writes.
   */
  clone?(
    from: { readonly name: string; readonly generation: string; readonly fingerprint: string | undefined },
    to: { readonly name: string; readonly generation: string },
    share: boolean,
  ): Promise<void>
  /** Makes the name itself durable, folders included; for `strict`. */
  syncName?(name: string): Promise<void>
}
