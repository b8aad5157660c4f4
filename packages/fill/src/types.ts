import type { AcquireOptions, ResourceKey } from '@cistern/assets'
import type { ByteRange } from '@cistern/storage'
import type { Priority } from './priority.js'

/** Options of a filler. Unknown names are refused with `InvalidOptionError`. */
export interface FillerOptions {
  /** Requests at a time. Default 3. */
  readonly concurrency?: number | undefined
  /** Of those, to one and the same origin. Default: as many as `concurrency`. */
  readonly perOrigin?: number | undefined
  /** Bytes after which a request looks whether something else is wanted more. Default 2 MiB. */
  readonly chunkSize?: number | undefined
  /** Chunks that are fetched ahead of a reader. Default 10. */
  readonly lookahead?: number | undefined
  /** Of all requests together. No limit by default. */
  readonly maxBytesPerSecond?: number | undefined
  /** Attempts after the first, of sources that do not say. Default 3. */
  readonly retries?: number | undefined
  /** Milliseconds before the second attempt; each further one waits twice as long, half of it by chance. Default 250. */
  readonly backoffMs?: number | undefined
  /** Memory for bytes on their way to readers that the store has no room for; each resource may have one piece beyond it. Default 8 MiB. */
  readonly windowBytes?: number | undefined
  /** What becomes of a resource whose last reader leaves before it is whole. Default `'stop'`. */
  readonly whenLeft?: 'stop' | 'finish' | undefined
  /** Closes the filler when it aborts. */
  readonly signal?: AbortSignal | undefined
}

/** What the store is to do with the bytes; said by the first who asks for a resource, ignored of others meanwhile. */
export type StoreSide = Pick<AcquireOptions, 'processor' | 'metadata' | 'integrity'>

/** Options of `open`. */
export interface FillOptions extends StoreSide {
  /** Of the bytes that it waits for; those ahead of it are `high` at most. Default `'critical'`. */
  readonly priority?: Priority | undefined
  /** Chunks ahead of it. Default: the filler's. */
  readonly lookahead?: number | undefined
  /** As the filler's, for this reader. */
  readonly whenLeft?: 'stop' | 'finish' | undefined
  /** Ends the call; it rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `prefetch`. */
export interface PrefetchOptions extends StoreSide {
  /** Half-open, in bytes of the source. Default: all of it. */
  readonly ranges?: readonly ByteRange[] | undefined
  /** Default `'medium'`. */
  readonly priority?: Priority | undefined
  /** Withdraws it; it rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `complete`. */
export type CompleteOptions = Omit<PrefetchOptions, 'ranges'>

/** A request as it stands. Positions are bytes of the source. */
export interface RunningFetch {
  /** What it fills. */
  readonly key: ResourceKey
  /** Its source's origin. */
  readonly origin: string | undefined
  /** The next byte that it brings. */
  readonly position: number
  /** The byte behind its last one; `undefined`: all that the source has. */
  readonly end: number | undefined
  /** How urgent its next byte is. */
  readonly priority: Priority
}

/** How a filler stands. */
export interface FillerStats {
  /** Requests that are under way. */
  readonly running: readonly RunningFetch[]
  /** Requests sent since it was made. */
  readonly requests: number
  /** Bytes taken from sources since it was made. */
  readonly bytes: number
  /** Resources that somebody wants more of. */
  readonly filling: number
}

/** What a filler tells. */
export type FillerEvents = {
  /** Bytes came. `received`: source bytes that are there; `total`: in all, once known. */
  progress: [{ readonly key: ResourceKey; readonly received: number; readonly total: number | undefined }]
  /** A request is sent. */
  request: [
    {
      readonly key: ResourceKey
      readonly start: number
      readonly end: number | undefined
      readonly priority: Priority
    },
  ]
  /** A resource was given up, for `error`. */
  fail: [{ readonly key: ResourceKey; readonly error: Error }]
}
