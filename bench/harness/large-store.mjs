import { AssetStore, ResourceKey } from '@cistern/assets'
import { assetName, buildLargeIndex, pathName, RESOURCES_AN_ASSET } from './large-index.mjs'
import { shuffled } from './shuffled.mjs'

/** @import { Place } from './place.mjs' */

/** Resources of a large store that have a file, to be opened. */
const WITH_FILE = 100

/** A store over a large index on the disk, used in an order that has none. */
export class LargeStore {
  #store
  #keys
  #next = 0
  #pinned = false

  /**
   * @param {AssetStore} store
   * @param {number} resources
   */
  constructor(store, resources) {
    this.#store = store
    this.#keys = shuffled(resources)
  }

  /**
   * @param {Place} place
   * @param {number} resources
   */
  static async open(place, resources) {
    const root = place.folder()
    await buildLargeIndex(root, { assets: resources / RESOURCES_AN_ASSET, perAsset: RESOURCES_AN_ASSET })
    return new LargeStore(await AssetStore.open({ root, minFreeBytes: 0 }), resources)
  }

  /** Gives new metadata; resolves once all are on the medium. @param {number} count */
  async change(count) {
    /** @type {Promise<void>[]} */
    const changing = []
    for (let change = 0; change < count; change++) {
      const key = this.#nextKey()
      changing.push(this.#store.setMetadata(key, { contentType: 'video/mp2t', etag: `"changed ${this.#next}"` }))
    }
    await Promise.all(changing)
    await this.#store.checkpoint()
  }

  /** Pins assets, or takes their pins back in the next round; resolves once all is on the medium. @param {number} count */
  async pin(count) {
    const pinned = this.#pinned
    this.#pinned = !pinned
    await Promise.all(
      Array.from({ length: count }, () => {
        const asset = assetOf(this.#nextResource())
        return pinned ? this.#store.unpin(asset) : this.#store.pin(asset)
      }),
    )
  }

  /** @param {number} count */
  stat(count) {
    for (let one = 0; one < count; one++) this.#store.stat(this.#nextKey())
  }

  /** @param {number} count */
  lease(count) {
    for (let one = 0; one < count; one++) this.#store.lease(assetOf(this.#nextResource())).release()
  }

  /** Gives some resources, spread over all assets, a file. */
  async putFiles() {
    for (const key of this.#filed()) await this.#store.put(key, Buffer.alloc(4096, 1))
    await this.#store.checkpoint()
  }

  /** @param {number} count */
  async openFiles(count) {
    const filed = this.#filed()
    for (let one = 0; one < count; one++) {
      const reader = await this.#store.open(/** @type {ResourceKey} */ (filed[one % filed.length]))
      reader.close()
    }
  }

  close() {
    return this.#store.close()
  }

  #filed() {
    return this.#keys.slice(0, WITH_FILE).map(keyOf)
  }

  #nextKey() {
    return keyOf(this.#nextResource())
  }

  #nextResource() {
    return this.#keys[this.#next++ % this.#keys.length] ?? 0
  }
}

/** @param {number} resource */
function assetOf(resource) {
  return assetName(Math.floor(resource / RESOURCES_AN_ASSET))
}

/** @param {number} resource */
function keyOf(resource) {
  return ResourceKey.of(assetOf(resource), pathName(resource % RESOURCES_AN_ASSET))
}
