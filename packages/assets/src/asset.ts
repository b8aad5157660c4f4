import type { Bytes, ResourceReader } from '@cistern/storage'
import type { AssetStore } from './asset-store.js'
import { ResourceKey } from './key.js'
import type { Fill } from './open-or-fill.js'
import type { PutBody } from './put.js'
import type { AcquireOptions, Acquisition, Lease, OpenOptions, PutOptions, ResourceStat } from './types.js'

/** The verbs of a store with the asset filled in. Holds nothing: it needs no closing. */
export class Asset {
  /** The asset's name: the first component of the keys of all its resources. */
  readonly id: string
  readonly #store: AssetStore

  /** For `store.asset(id)`, which checks the id. */
  constructor(store: AssetStore, id: string) {
    this.#store = store
    this.id = id
  }

  /** See {@link AssetStore.acquire}. All verbs reject with `InvalidKeyError` for a path that is no portable one. */
  async acquire(path: string, options?: AcquireOptions): Promise<Acquisition> {
    return this.#store.acquire(this.#key(path), options)
  }

  /** See {@link AssetStore.open}. */
  async open(path: string, options?: OpenOptions): Promise<ResourceReader> {
    return this.#store.open(this.#key(path), options)
  }

  /** See {@link AssetStore.openOrFill}. */
  async openOrFill(path: string, fill: Fill, options?: AcquireOptions): Promise<ResourceReader> {
    return this.#store.openOrFill(this.#key(path), fill, options)
  }

  /** See {@link AssetStore.put}. */
  async put(path: string, body: PutBody, options?: PutOptions): Promise<ResourceStat> {
    return this.#store.put(this.#key(path), body, options)
  }

  /** See {@link AssetStore.get}. */
  async get(path: string): Promise<Bytes | undefined> {
    return this.#store.get(this.#key(path))
  }

  /** Throws what the others reject with. */
  stat(path: string): ResourceStat | undefined {
    return this.#store.stat(this.#key(path))
  }

  /** See {@link AssetStore.setMetadata}. */
  async setMetadata(path: string, metadata: object): Promise<void> {
    return this.#store.setMetadata(this.#key(path), metadata)
  }

  /** See {@link AssetStore.remove}. */
  async remove(path: string): Promise<boolean> {
    return this.#store.remove(this.#key(path))
  }

  /** See {@link AssetStore.resources}. */
  resources(): Iterable<ResourceStat> {
    return this.#store.resources(this.id)
  }

  /** See {@link AssetStore.lease}. */
  lease(): Lease {
    return this.#store.lease(this.id)
  }

  /** See {@link AssetStore.pin}. */
  pin(): Promise<void> {
    return this.#store.pin(this.id)
  }

  /** See {@link AssetStore.unpin}. */
  unpin(): Promise<void> {
    return this.#store.unpin(this.id)
  }

  #key(path: string): ResourceKey {
    return ResourceKey.of(this.id, path)
  }
}
