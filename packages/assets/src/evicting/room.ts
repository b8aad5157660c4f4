import { QuotaExceededError } from '@cistern/storage'
import type { EvictReason, StoreContext } from '../types.js'
import { FreeSpace } from './free-space.js'
import type { Reservations } from './reservations.js'

/** Eviction for `maxBytes` goes on down to this share of it, so that not each write has to evict. */
const LOW_SHARE = 0.9

/** What stands in the way, and how much has to go. */
export interface Lack {
  readonly reason: EvictReason
  readonly bytes: number
  readonly assets: number
  /** No eviction would help: nothing is evicted for it. */
  readonly hopeless?: boolean | undefined
}

/** What the limits in force leave free. Nothing is kept here: index, reservations and the medium say how it stands. */
export class Room {
  readonly free: FreeSpace
  readonly #context: StoreContext
  readonly #reservations: Reservations

  constructor(context: StoreContext, reservations: Reservations) {
    this.#context = context
    this.#reservations = reservations
    this.free = new FreeSpace(
      () => context.freeBytes(),
      () => reservations.outstanding,
    )
  }

  /** For `bytes` more in `asset`. */
  lackFor(asset: string, bytes: number): Lack | undefined {
    return this.#assetsFor(asset) ?? this.#bytesFor(bytes) ?? this.#freeSpaceFor(bytes)
  }

  /** The limits in force are exceeded as things stand: they were lowered, or something was pinned. */
  excess(): Lack | undefined {
    return (
      this.excessAssets() ?? this.#bytesFor(0) ?? (this.free.estimate === undefined ? undefined : this.#freeSpaceFor(0))
    )
  }

  excessAssets(): Lack | undefined {
    const { maxAssets } = this.#context.limits
    if (maxAssets === undefined) return undefined
    const excess = this.#reservations.assets() - maxAssets
    return excess > 0 ? { reason: 'assets', bytes: 0, assets: excess } : undefined
  }

  /** What is left to evict once eviction for `maxBytes` has begun. */
  aboveLow(): Lack | undefined {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#context.limits
    const excess = this.#used() - maxBytes * LOW_SHARE
    return excess > 0 ? { reason: 'bytes', bytes: excess, assets: 0 } : undefined
  }

  get needsFreeSpace(): boolean {
    return (this.#context.limits.minFreeBytes ?? 0) > 0
  }

  /** For who has to be told that nothing is left to evict. */
  refusal({ reason }: Lack, asset: string, bytes: number, cause: Error | undefined): QuotaExceededError {
    const { maxAssets, maxBytes, minFreeBytes } = this.#context.limits
    const { totalBytes, pinnedBytes } = this.#context.index
    const how = {
      assets: `maxAssets is ${maxAssets}, and there are ${this.#reservations.assets()}`,
      bytes: `maxBytes is ${maxBytes}, ${totalBytes} are used (${pinnedBytes} pinned) and ${this.#reservations.outstanding} reserved`,
      'free-space': `minFreeBytes is ${minFreeBytes}, ${this.free.estimate} are free, ${totalBytes} used (${pinnedBytes} pinned)`,
      'no-space': `the medium is full, ${totalBytes} are used (${pinnedBytes} pinned)`,
    }[reason]
    return new QuotaExceededError(`no room for ${bytes} bytes more of ${asset}: ${how}, and nothing is left to evict`, {
      cause,
    })
  }

  #assetsFor(asset: string): Lack | undefined {
    const { maxAssets } = this.#context.limits
    if (maxAssets === undefined) return undefined
    const assets = this.#reservations.assetsBefore(asset)
    if (assets === undefined) return undefined
    if (assets > maxAssets) return { reason: 'assets', bytes: 0, assets: assets - maxAssets }
    this.#reservations.admit(asset)
    return undefined
  }

  #bytesFor(bytes: number): Lack | undefined {
    const { maxBytes } = this.#context.limits
    if (maxBytes === undefined || this.#context.index.totalBytes + this.#reservations.atMost + bytes <= maxBytes) {
      return undefined
    }
    const used = this.#used() + bytes
    if (used <= maxBytes) return undefined
    // What is pinned, leased or being written stays: when that alone is too much, evicting the rest would be in vain.
    const room = maxBytes - this.#reservations.outstanding - bytes
    // The cheap one first: with leases in the chain it holds the other, and tells alone.
    const hopeless = bytes > 0 && (this.#context.index.pinnedBytes > room || this.#reservations.heldBytes() > room)
    return { reason: 'bytes', bytes: used - maxBytes * LOW_SHARE, assets: 0, hopeless }
  }

  /**
   * A limit of the store's own, so that QuotaExceededError is what it leads to; NoSpaceError is left to a medium that
   * really is full.
   */
  #freeSpaceFor(bytes: number): Lack | undefined {
    const { minFreeBytes = 0 } = this.#context.limits
    if (minFreeBytes === 0) return undefined
    const free = (this.free.estimate ?? Number.NEGATIVE_INFINITY) - bytes
    return free < minFreeBytes ? { reason: 'free-space', bytes: minFreeBytes - free, assets: 0 } : undefined
  }

  #used(): number {
    return this.#context.index.totalBytes + this.#reservations.outstanding
  }
}
