// A layer that changes nothing and sees everything: what was asked of the store, and what was read.
import {
  type AcquireOptions,
  type Acquisition,
  type Assets,
  AssetsLayer,
  type Layer,
  type OpenOptions,
  type ReaderHooks,
  type ResourceKey,
  type ResourceReader,
  wrapAcquisition,
  wrapReader,
} from '@cistern/assets'

export interface Counts {
  opens: number
  acquires: number
  /** Readers that were handed out and are not closed yet. */
  open: number
  bytesRead: number
}

/** Counts into `counts`, which the caller keeps: a layer has no way out to the store's users but what it was given. */
export function counting(counts: Counts): Layer {
  return (inner) => new CountingAssets(inner, counts)
}

class CountingAssets extends AssetsLayer {
  readonly #counts: Counts

  constructor(inner: Assets, counts: Counts) {
    super(inner)
    this.#counts = counts
  }

  override async open(key: ResourceKey, options?: OpenOptions): Promise<ResourceReader> {
    const reader = await this.inner.open(key, options)
    this.#counts.opens += 1
    return wrapReader(reader, this.#watched())
  }

  override async acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
    const got = await this.inner.acquire(key, options)
    this.#counts.acquires += 1
    return wrapAcquisition(got, { reader: this.#watched() })
  }

  #watched(): ReaderHooks {
    const counts = this.#counts
    counts.open += 1
    return {
      onRead: (_position, bytes) => {
        counts.bytesRead += bytes
      },
      onClose: () => {
        counts.open -= 1
      },
    }
  }
}
