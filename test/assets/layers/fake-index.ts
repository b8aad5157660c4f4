import { RangeSet, type Resource } from '@cistern/storage'
import type { ResourceKey } from '#assets/key.js'
import type { AssetStat, ContextIndex, ResourceStat } from '#assets/types.js'

/** What the index would keep of one key. */
export interface FakeEntry {
  readonly key: ResourceKey
  committed: Resource | undefined
  active: Resource | undefined
}

/** The index as plain maps: what layers look at, and nothing durable. */
export class FakeIndex implements ContextIndex {
  readonly entries = new Map<string, FakeEntry>()
  readonly pinned = new Set<string>()
  readonly leases = new Map<string, number>()
  readonly bytes = new Map<string, number>()
  /** Least recently used first. */
  readonly order = new Set<string>()
  totalBytes = 0

  occupy(asset: string, bytes: number): void {
    this.totalBytes += bytes
    this.bytes.set(asset, (this.bytes.get(asset) ?? 0) + bytes)
    if (!this.order.has(asset)) this.order.add(asset)
  }

  /** Bytes that are hidden are still on the medium: they leave `totalBytes` when they are unlinked. */
  hide(asset: string, bytes: number): void {
    this.bytes.set(asset, (this.bytes.get(asset) ?? 0) - bytes)
  }

  touch(asset: string): void {
    this.order.delete(asset)
    this.order.add(asset)
  }

  get assetCount(): number {
    return new Set(this.#named().map((entry) => entry.key.asset)).size
  }

  get resourceCount(): number {
    return this.#named().length
  }

  get pinnedBytes(): number {
    return [...this.pinned].reduce((sum, asset) => sum + (this.bytes.get(asset) ?? 0), 0)
  }

  generation(key: ResourceKey): string | undefined {
    return this.shown(key)?.generation
  }

  shown(key: ResourceKey): Resource | undefined {
    const entry = this.entries.get(key.id)
    return entry?.committed ?? entry?.active
  }

  stat(key: ResourceKey): ResourceStat | undefined {
    const resource = this.shown(key)
    if (!resource) return undefined
    const { status, coverage } = resource
    return {
      key,
      generation: resource.generation,
      state: status.state === 'committed' ? 'committed' : 'active',
      writing: resource.writing,
      readers: resource.readers,
      length: resource.length,
      coverage: RangeSet.fromFlat(coverage.toFlat()),
      received: coverage,
      storedBytes: coverage.size,
      committedAt: undefined,
      metadata: undefined,
      processor: undefined,
    }
  }

  assetStat(asset: string): AssetStat | undefined {
    const resources = this.#named().filter((entry) => entry.key.asset === asset).length
    const pinned = this.pinned.has(asset)
    const leases = this.leases.get(asset) ?? 0
    if (resources === 0 && !pinned && leases === 0) return undefined
    return { asset, bytes: this.bytes.get(asset) ?? 0, resources, pinned, leases }
  }

  *assets(): Generator<AssetStat> {
    for (const asset of [...this.order]) {
      const stat = this.assetStat(asset)
      if (stat) yield stat
    }
  }

  *resources(asset: string): Generator<ResourceStat> {
    for (const { key } of this.#named()) {
      const stat = key.asset === asset ? this.stat(key) : undefined
      if (stat) yield stat
    }
  }

  #named(): FakeEntry[] {
    return [...this.entries.values()].filter((entry) => entry.committed ?? entry.active)
  }
}
