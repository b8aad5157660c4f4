import type { BlockMap } from './blocks.js'

/** A committed generation, as it is on record. */
export interface CommittedSlot {
  readonly generation: string
  /** File name inside the asset's folder: the key's path where that was free. */
  readonly name: string
  readonly length: number
  /** CRC32 of each 256 KiB block, little-endian. */
  readonly checksums: Uint8Array
  /** What the file looked like when it got its final name; `undefined` until the rename is on record. */
  readonly fingerprint: string | undefined
  /** Milliseconds since the epoch. */
  readonly committedAt: number
  readonly processor: string | undefined
  readonly validator: string | undefined
  readonly metadata: Uint8Array | undefined
  /** Recorded in `relaxed` mode and never synced: its checksums are asked before its first use. */
  readonly unsynced: boolean
}

/** A generation that is being filled, as it is on record. */
export interface ActiveSlot {
  readonly generation: string
  readonly name: string
  /** Declared source length. */
  readonly length: number | undefined
  readonly validator: string | undefined
  readonly processor: string | undefined
  readonly metadata: Uint8Array | undefined
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
  readonly path: string
  readonly committed: CommittedSlot | undefined
  readonly active: ActiveSlot | undefined
}

/** Bytes that an entry occupies, going by what is on record. */
export const storedBytes = (entry: Entry): number => (entry.committed?.length ?? 0) + (entry.active?.source.size ?? 0)
