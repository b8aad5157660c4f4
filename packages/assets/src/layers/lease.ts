import { type ResourceReader, wrapReader } from '@cistern/storage'
import type { ResourceKey } from '../key.js'
import type { AcquireOptions, Acquisition, Assets, Layer, Lease, OpenOptions, StoreContext } from '../types.js'
import { AssetsLayer } from './assets-layer.js'
import { wrapAcquisition } from './wrap-acquisition.js'

/** {@link LeaseAssets} as a layer. */
export const lease: Layer = (inner, context) => new LeaseAssets(inner, context)

/**
 * Keeps an asset from being evicted while any handle of it is open, and records its uses. Stands outermost: every use
 * passes here, cache hits too, and what a cache inside keeps idle holds no lease.
 */
export class LeaseAssets extends AssetsLayer {
  readonly #context: StoreContext

  constructor(inner: Assets, context: StoreContext) {
    super(inner)
    this.#context = context
  }

  override acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
    return this.#leased(
      key.asset,
      () => this.inner.acquire(key, options),
      (got, lease) => {
        const release = afterLast(got.writer ? 2 : 1, lease)
        return wrapAcquisition(got, { reader: { onClose: release }, writer: { onSettled: release } })
      },
    )
  }

  override open(key: ResourceKey, options?: OpenOptions): Promise<ResourceReader> {
    return this.#leased(
      key.asset,
      () => this.inner.open(key, options),
      // The hook must not hold the reader: one that is dropped unclosed has to be collected.
      (reader, lease) => wrapReader(reader, { onClose: () => lease.release() }),
    )
  }

  override async move(from: ResourceKey, to: ResourceKey): Promise<void> {
    const leases = [this.#context.lease(from.asset), this.#context.lease(to.asset)]
    try {
      await this.inner.move(from, to)
      this.#context.touch(to.asset)
    } finally {
      for (const lease of leases) lease.release()
    }
  }

  /**
   * Leases before asking: between the answer and a later lease the asset could be evicted. No async function: hits are
   * hot.
   */
  #leased<T>(asset: string, ask: () => Promise<T>, keep: (got: T, lease: Lease) => T): Promise<T> {
    const lease = this.#context.lease(asset)
    const giveBack = (error: unknown): never => {
      lease.release()
      throw error
    }
    try {
      return ask().then((got) => {
        this.#context.touch(asset)
        return keep(got, lease)
      }, giveBack)
    } catch (error) {
      return giveBack(error)
    }
  }
}

/** Gives the lease back once `handles` of them are closed. */
function afterLast(handles: number, lease: Lease): () => void {
  let open = handles
  return () => {
    if (--open === 0) lease.release()
  }
}
