import { open } from 'lmdb'
import { assetName, bodyOf, metadataOf, pathName, RESOURCES_AN_ASSET } from './large-index.mjs'
import { fingerprintLike } from './memory-backend.mjs'
import { shuffled } from './shuffled.mjs'

/** @import { Place } from './place.mjs' */

/** An index kept in lmdb: a record for each asset, and for each resource under `asset/path`, in the encoding that lmdb is fastest with. */
export class LmdbIndex {
  #db
  #keys
  #next = 0
  #pinned = false

  /**
   * @param {import('lmdb').RootDatabase} db
   * @param {number} resources
   */
  constructor(db, resources) {
    this.#db = db
    this.#keys = shuffled(resources)
  }

  /**
   * @param {Place} place
   * @param {number} resources
   */
  static async open(place, resources) {
    const db = open({ path: `${place.folder()}/index.mdb`, sharedStructuresKey: Symbol.for('structures') })
    const index = new LmdbIndex(db, resources)
    for (let resource = 0; resource < resources; resource++) {
      const put = db.put(keyOf(resource), recordOf(resource, metadataOf(resource % RESOURCES_AN_ASSET)))
      if (resource % RESOURCES_AN_ASSET === 0) db.put(assetOf(resource), { pinned: false, use: resource })
      if (resource % 10_000 === 0) await put
    }
    await db.flushed
    return index
  }

  /** Resolves once all are on the medium. @param {number} count */
  async change(count) {
    /** @type {Promise<boolean>[]} */
    const changing = []
    for (let change = 0; change < count; change++) {
      const resource = this.#keys[this.#next++ % this.#keys.length] ?? 0
      const metadata = { contentType: 'video/mp2t', etag: `"changed ${this.#next}"` }
      // Whole, and known to the caller: looking it up first is not counted.
      changing.push(this.#db.put(keyOf(resource), recordOf(resource, metadata)))
    }
    await Promise.all(changing)
    await this.#db.flushed
  }

  /** Resolves once all are on the medium. @param {number} count */
  async pin(count) {
    this.#pinned = !this.#pinned
    /** @type {Promise<boolean>[]} */
    const changing = []
    for (let change = 0; change < count; change++) {
      const resource = this.#keys[this.#next++ % this.#keys.length] ?? 0
      changing.push(this.#db.put(assetOf(resource), { pinned: this.#pinned, use: resource }))
    }
    await Promise.all(changing)
    await this.#db.flushed
  }

  close() {
    return this.#db.close()
  }
}

/**
 * @param {number} resource
 * @param {object} metadata
 */
function recordOf(resource, metadata) {
  const path = pathName(resource % RESOURCES_AN_ASSET)
  const { length } = bodyOf(resource)
  return {
    generation: `0123456789abcdef-${resource.toString(36)}`,
    name: path,
    length,
    checksums: [0x12345678],
    fingerprint: fingerprintLike(length),
    committedAt: 1_760_000_000_000,
    metadata,
  }
}

/** @param {number} resource */
function keyOf(resource) {
  return `${assetOf(resource)}/${pathName(resource % RESOURCES_AN_ASSET)}`
}

/** @param {number} resource */
function assetOf(resource) {
  return assetName(Math.floor(resource / RESOURCES_AN_ASSET))
}
