// What the page shows, as it is sent.
import type { Priority } from '@cistern/fill'

/** Half-open, in bytes of the source: start, end, start, end, … */
type FlatRanges = readonly number[]

export interface ShownPart {
  /** Path in its asset. */
  readonly path: string
  readonly label: string
  readonly kind: 'playlist' | 'init' | 'segment'
  /** Seconds from the beginning. */
  readonly at: number
  readonly state: 'absent' | 'active' | 'committed'
  /** Bytes of the source in all, once known. */
  readonly total: number | undefined
  readonly received: FlatRanges
  readonly readers: number
  /** Requests that are under way for it: the next byte of each, and how urgent that is. */
  readonly fetches: readonly { readonly position: number; readonly priority: Priority }[]
}

export interface ShownAsset {
  readonly asset: string
  readonly title: string
  readonly bytes: number
  readonly isPinned: boolean
  readonly leases: number
}

export interface ShownStream {
  readonly asset: string
  readonly title: string
  /** Of its playlist. */
  readonly address: string
  readonly isDownloading: boolean
}

export interface Failure {
  /** Which one of all since the start. */
  readonly number: number
  readonly asset: string
  readonly label: string
  readonly message: string
}

/** What lies between this program's own origin and the store. */
export interface ShownLine {
  readonly delayMs: number
  /** `null`: as fast as loopback goes. */
  readonly bytesPerSecond: number | null
  readonly isCut: boolean
}

export interface Snapshot {
  readonly streams: readonly ShownStream[]
  /** Of the stream that was asked for, in the order of playing. */
  readonly parts: readonly ShownPart[]
  /** Parts that are not in `parts`, because they are too many. */
  readonly more: number
  /** All in the store, least recently used first. */
  readonly assets: readonly ShownAsset[]
  readonly bytes: number
  readonly maxBytes: number | undefined
  readonly evictions: number
  readonly origin: { readonly requests: number; readonly bytes: number }
  readonly answered: { readonly requests: number; readonly bytes: number }
  readonly failures: readonly Failure[]
  /** `undefined`: the origin is somebody else's. */
  readonly line: ShownLine | undefined
}
