import type { ResourceReader } from '@cistern/storage'
import type { ResourceKey } from '../key.js'
import type {
  AcquireOptions,
  Acquisition,
  Assets,
  OpenOptions,
  RemoveAssetOptions,
  VerifyOptions,
  VerifyReport,
} from '../types.js'

/** Passes everything on to the layer it wraps: extend it, and override what you mean to change. */
export abstract class AssetsLayer implements Assets {
  /** The layer below, or the base. */
  protected readonly inner: Assets

  constructor(inner: Assets) {
    this.inner = inner
  }

  acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
    return this.inner.acquire(key, options)
  }

  open(key: ResourceKey, options?: OpenOptions): Promise<ResourceReader> {
    return this.inner.open(key, options)
  }

  move(from: ResourceKey, to: ResourceKey): Promise<void> {
    return this.inner.move(from, to)
  }

  remove(key: ResourceKey): Promise<boolean> {
    return this.inner.remove(key)
  }

  removeAsset(asset: string, options?: RemoveAssetOptions): Promise<boolean> {
    return this.inner.removeAsset(asset, options)
  }

  verify(options?: VerifyOptions): Promise<VerifyReport> {
    return this.inner.verify(options)
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}
