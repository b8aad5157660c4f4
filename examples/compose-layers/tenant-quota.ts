// A layer that refuses: each tenant may store so many bytes, whatever the store as a whole has room for.
import {
  type AcquireOptions,
  type Acquisition,
  type Assets,
  AssetsLayer,
  type Layer,
  type ResourceKey,
  type ResourceWriter,
  type StoreContext,
  wrapAcquisition,
} from '@cistern/assets'

export class TenantQuotaError extends Error {
  override readonly name = 'TenantQuotaError'
}

/** Whose asset it is: what stands before the first dot of its name. */
export const tenantOf = (asset: string): string => asset.slice(0, asset.indexOf('.') + 1)

/** Rejects a write with TenantQuotaError when with it the tenant would have more than `maxBytes`; its writer stays usable. */
export function tenantQuota(maxBytes: number): Layer {
  return (inner, context) => new TenantQuotaAssets(inner, context, maxBytes)
}

interface OpenWriter {
  readonly key: ResourceKey
  readonly writer: ResourceWriter
  /** Bytes that are there or were let through: at least what the writer will have written. */
  admitted: number
}

class TenantQuotaAssets extends AssetsLayer {
  readonly #context: StoreContext
  readonly #maxBytes: number
  readonly #writers = new Set<OpenWriter>()

  constructor(inner: Assets, context: StoreContext, maxBytes: number) {
    super(inner)
    this.#context = context
    this.#maxBytes = maxBytes
  }

  override async acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
    const got = await this.inner.acquire(key, options)
    if (!got.writer) return got
    const writer: OpenWriter = { key, writer: got.writer, admitted: got.writer.coverage.size }
    this.#writers.add(writer)
    return wrapAcquisition(got, {
      writer: {
        // Asked before each write, so that writers at the same time cannot exceed together what none exceeds alone.
        beforeWrite: (_position, bytes) => this.#admit(writer, bytes),
        onSettled: () => {
          this.#writers.delete(writer)
        },
      },
    })
  }

  #admit(writer: OpenWriter, bytes: number): void {
    const tenant = tenantOf(writer.key.asset)
    const used = this.#usedBy(tenant)
    if (used + bytes > this.#maxBytes) {
      throw new TenantQuotaError(
        `${tenant} has ${used} of ${this.#maxBytes} bytes, ${bytes} more for ${writer.key.id} are too many`,
      )
    }
    writer.admitted += bytes
  }

  /**
   * What the index says is stored, except for generations that are being written: there our own count is ahead of it.
   * By generation, not by key: while a resource is replaced, the bytes it had are there too.
   */
  #usedBy(tenant: string): number {
    const { index } = this.#context
    const writing = [...this.#writers].filter(({ key }) => tenantOf(key.asset) === tenant)
    const counted = new Set(writing.map(({ writer }) => writer.generation))
    let used = writing.reduce((sum, { admitted }) => sum + admitted, 0)
    for (const { asset } of index.assets()) {
      if (tenantOf(asset) !== tenant) continue
      for (const stat of index.resources(asset)) if (!counted.has(stat.generation)) used += stat.storedBytes
    }
    return used
  }
}
