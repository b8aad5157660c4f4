import type { AssetRow } from './asset-row.js'

/** Rows kept at hand, at most twice as many. */
const RECENT = 2048

/**
 * The rows that were asked for last, by name. A look into a map of a million waits for memory several times; what is hot
 * lies close together here.
 */
export class RecentRows {
  #young = new Map<string, AssetRow>()
  #old = new Map<string, AssetRow>()

  get(asset: string): AssetRow | undefined {
    const row = this.#young.get(asset)
    if (row !== undefined) return row
    const old = this.#old.get(asset)
    if (old !== undefined) this.add(old)
    return old
  }

  add(row: AssetRow): void {
    if (this.#young.size === RECENT) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(row.name, row)
  }

  delete(row: AssetRow): void {
    this.#young.delete(row.name)
    this.#old.delete(row.name)
  }
}
