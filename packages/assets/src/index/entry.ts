import type { BlockMap } from './blocks.js'

/** A committed generation, as it is on record. */
export interface CommittedSlot {
  /** Which life of the bytes. */
  readonly generation: string
  /** File name inside the asset's folder: the key's path where that was free. */
  readonly name: string
  /** Readable bytes. */
  readonly length: number
  /** CRC32 of each 256 KiB block, little-endian. */
  readonly checksums: Uint8Array
  /** What the file looked like when it got its final name; `undefined` until the rename is on record. */
  readonly fingerprint: string | undefined
  /** Milliseconds since the epoch. */
  readonly committedAt: number
  /** Sealed identity of the processor that the bytes went through; `undefined` for plain bytes. */
  readonly processor: string | undefined
  /** What the source bytes were written under; `undefined` where nothing was declared. */
  readonly validator: string | undefined
  /** Encoded; `undefined` where none was given. */
  readonly metadata: Uint8Array | undefined
  /** Recorded in `relaxed` mode and never synced: its checksums are asked before its first use. */
  readonly unsynced: boolean
}

/** A generation that is being filled, as it is on record. */
export interface ActiveSlot {
  /** Which life of the bytes. Its raw part, where it has one, has this with `.raw` behind it. */
  readonly generation: string
  /** The final name that it will get inside the asset's folder. */
  readonly name: string
  /** Declared source length in bytes; `undefined` where none was declared. */
  readonly length: number | undefined
  /** What its source bytes were written under; `undefined` where nothing was declared. */
  readonly validator: string | undefined
  /** Sealed identity of the processor; `undefined` for plain bytes. */
  readonly processor: string | undefined
  /** Encoded; `undefined` where none was given. */
  readonly metadata: Uint8Array | undefined
  /** Recorded in `relaxed` mode and never synced. */
  readonly unsynced: boolean
  /** What its part looked like when its writer left it; without one, its checksums are asked before it is gone on with. */
  readonly fingerprint: string | undefined
  /** Session of the process that wrote it last. */
  readonly writer: string
  /** Source bytes on record. */
  readonly source: BlockMap
}

/** What the index has of one key. */
export interface Entry {
  /** The key's path in its asset. */
  readonly path: string
  /** What `open` gives; `undefined` where nothing is finished. */
  readonly committed: CommittedSlot | undefined
  /** What a `fill` goes on with; `undefined` where nothing is unfinished. */
  readonly active: ActiveSlot | undefined
}

/** Bytes that an entry occupies, going by what is on record. */
export const storedBytes = (entry: Entry): number => (entry.committed?.length ?? 0) + (entry.active?.source.size ?? 0)
