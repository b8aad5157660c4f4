import { EventEmitter } from 'node:events'
import {
  type Driver,
  MemDriver,
  NotFoundError,
  Resource,
  type ResourceHooks,
  type ResourceReader,
  StoreClosedError,
} from '@cistern/storage'
import type { ResourceKey } from '#assets/key.js'
import { compose } from '#assets/layers/compose.js'
import type {
  AcquireOptions,
  Acquisition,
  Assets,
  Layer,
  Limits,
  OpenOptions,
  RemoveAssetOptions,
  StoreContext,
  StoreEvents,
  VerifyReport,
} from '#assets/types.js'
import { type FakeEntry, FakeIndex } from './fake-index.js'

export interface FakeOptions {
  readonly limits?: Limits | undefined
  freeBytes?(): Promise<number>
  /** Before each driver write. Throw to fail it. */
  onWrite?(position: number, bytes: number): void | Promise<void>
  /** Before a resource is acquired. Throw to refuse it. */
  onAcquire?(): void
  /** Between hiding an asset and unlinking it. */
  onUnlink?(asset: string): Promise<void>
}

/** The smallest store that layers can stand on: resources in memory, an index of maps, and a log of what happened. */
export class FakeStore implements Assets {
  readonly index = new FakeIndex()
  readonly log: string[] = []
  readonly evicted: StoreEvents['evict'][0][] = []
  readonly context: StoreContext & { freed(): Promise<void> | undefined }
  /** Resources with an open handle: each would be a descriptor. */
  readonly inUse = new Set<Resource>()
  /** The most bytes there ever were. */
  mostBytes = 0
  limits: Limits
  readonly #options: FakeOptions
  readonly #gone = new Set<(key: ResourceKey, generation: string) => void>()
  readonly #relieve = new Set<() => void>()
  readonly #limits = new Set<() => void>()
  readonly #closing = new AbortController()
  readonly #unlinking = new Set<Promise<void>>()
  #generations = 0

  constructor(options: FakeOptions = {}) {
    this.#options = options
    this.limits = options.limits ?? {}
    this.context = this.#createContext()
    this.context.events.on('evict', (event) => this.evicted.push(event))
  }

  async setLimits(limits: Limits): Promise<void> {
    this.limits = limits
    await Promise.all([...this.#limits].map((listener) => listener()))
  }

  /** Subscriptions that layers hold. */
  get listeners(): number {
    return this.#gone.size + this.#relieve.size + this.#limits.size
  }

  async acquire(key: ResourceKey, options: AcquireOptions = {}): Promise<Acquisition> {
    this.log.push(`acquire ${key.id}`)
    this.#options.onAcquire?.()
    const { mode = 'fill', staged = false } = options
    const entry = this.#entry(key)
    if (mode === 'replace') return this.#acquired(this.#create(key), true)
    if (mode === 'fill' && entry.committed) return this.#acquired(entry.committed, false)
    entry.active ??= this.#create(key)
    const got = this.#acquired(entry.active, !entry.active.writing)
    if (mode === 'extend' && entry.committed) await copy(entry.committed, got)
    return staged ? this.#stage(key, got) : got
  }

  async open(key: ResourceKey, _options?: OpenOptions): Promise<ResourceReader> {
    this.log.push(`open ${key.id}`)
    const resource = this.index.shown(key)
    if (!resource) throw new NotFoundError(`no ${key.id}`)
    this.inUse.add(resource)
    return resource.openReader()
  }

  async move(from: ResourceKey, to: ResourceKey): Promise<void> {
    const entry = this.#entry(from)
    if (!entry.committed) throw new NotFoundError(`no ${from.id}`)
    this.#tellGone(from, entry.committed.generation)
    this.index.entries.delete(from.id)
    this.#entry(to).committed = entry.committed
  }

  async remove(key: ResourceKey): Promise<boolean> {
    const entry = this.index.entries.get(key.id)
    if (!entry) return false
    await this.#remove(key.asset, [entry])
    return true
  }

  async removeAsset(asset: string, options: RemoveAssetOptions = {}): Promise<boolean> {
    await undefined // as if its turn in the key's queue came later
    const entries = [...this.index.entries.values()].filter((entry) => entry.key.asset === asset)
    if (entries.length === 0 || options.unless?.()) return false
    await this.#remove(asset, entries)
    return true
  }

  async verify(): Promise<VerifyReport> {
    const found = { badBlocks: 0, orphans: 0, missing: 0, findings: [] }
    return { resources: 0, bytes: 0, ...found, reopened: 0, dropped: 0, deleted: 0 }
  }

  async close(): Promise<void> {
    this.log.push('close')
    this.#closing.abort()
    for (const resource of this.inUse) resource.shutdown(new StoreClosedError('closed'))
  }

  async #remove(asset: string, entries: readonly FakeEntry[]): Promise<void> {
    let bytes = 0
    for (const { key, committed, active } of entries) {
      this.index.entries.delete(key.id)
      for (const resource of [committed, active]) {
        if (!resource) continue
        bytes += resource.coverage.size
        resource.remove()
        this.#tellGone(key, resource.generation)
      }
    }
    this.index.hide(asset, bytes)
    await this.#unlink(asset, bytes)
  }

  /** At once, unless there is something to wait for: until then the bytes count as used. */
  #unlink(asset: string, bytes: number): Promise<void> | undefined {
    const free = (): void => {
      this.log.push(`unlink ${asset}`)
      this.index.totalBytes -= bytes
    }
    const held = this.#options.onUnlink?.(asset)
    if (!held) {
      free()
      return undefined
    }
    const unlinked = held.then(free).finally(() => this.#unlinking.delete(unlinked))
    this.#unlinking.add(unlinked)
    return unlinked
  }

  #tellGone(key: ResourceKey, generation: string): void {
    for (const listener of [...this.#gone]) listener(key, generation)
  }

  #entry(key: ResourceKey): FakeEntry {
    let entry = this.index.entries.get(key.id)
    if (!entry) {
      entry = { key, committed: undefined, active: undefined }
      this.index.entries.set(key.id, entry)
      if (!this.index.order.has(key.asset)) this.index.order.add(key.asset)
    }
    return entry
  }

  #acquired(resource: Resource, writing: boolean): Acquisition {
    this.inUse.add(resource)
    const reader = resource.openReader()
    const writer = writing ? resource.openWriter() : undefined
    return {
      reader,
      writer,
      async [Symbol.asyncDispose]() {
        await writer?.release()
        reader.close()
      },
    }
  }

  /** What was acquired becomes the output; source bytes go to a resource of their own. */
  #stage(key: ResourceKey, { reader, writer: output }: Acquisition): Acquisition {
    const raw = this.#create(key)
    this.inUse.add(raw)
    const writer = raw.openWriter()
    const source = raw.openReader()
    if (!output) throw new Error('the fake stages what is new')
    return {
      reader,
      writer,
      stage: { output, source, identify: async () => {} },
      async [Symbol.asyncDispose]() {
        await writer.release()
        await output.release()
        source.close()
        reader.close()
      },
    }
  }

  #create(key: ResourceKey): Resource {
    const entry = this.#entry(key)
    const hooks: ResourceHooks = {
      written: (_position, _parts, added) => {
        this.index.occupy(key.asset, added)
        this.mostBytes = Math.max(this.mostBytes, this.index.totalBytes)
      },
      committed: () => {
        const before = entry.committed
        entry.committed = resource
        if (entry.active === resource) entry.active = undefined
        this.index.entries.set(key.id, entry)
        if (before) this.#leave(entry, before)
      },
      released: () => {
        if (entry.active !== resource || (resource.coverage.size > 0 && !entry.committed)) return
        entry.active = undefined
        this.#leave(entry, resource)
        if (!entry.committed) this.index.entries.delete(key.id)
      },
      failed: () => {
        if (entry.active === resource) entry.active = undefined
        this.#leave(entry, resource)
        if (!entry.committed) this.index.entries.delete(key.id)
      },
      renew: async () => {
        const next = this.#create(key)
        entry.active = next
        this.inUse.add(next)
        this.#leave(entry, resource)
        return next
      },
      unused: () => this.inUse.delete(resource),
    }
    const resource = new Resource({ generation: `g${++this.#generations}`, driver: this.#createDriver(), hooks })
    return resource
  }

  #leave(entry: FakeEntry, resource: Resource): void {
    this.#tellGone(entry.key, resource.generation)
    this.index.hide(entry.key.asset, resource.coverage.size)
    void this.#unlink(entry.key.asset, resource.coverage.size)
  }

  #createDriver(): Driver {
    const driver = new MemDriver()
    const { onWrite } = this.#options
    if (!onWrite) return driver
    return {
      read: (position, target) => driver.read(position, target),
      write: async (position, parts) => {
        await onWrite(
          position,
          parts.reduce((sum, part) => sum + part.length, 0),
        )
        return driver.write(position, parts)
      },
      sync: () => driver.sync(),
      truncate: (length) => driver.truncate(length),
      close: () => driver.close(),
    }
  }

  #createContext(): FakeStore['context'] {
    const store = this
    return {
      index: this.index,
      events: new EventEmitter<StoreEvents>(),
      signal: this.#closing.signal,
      get limits() {
        return store.limits
      },
      lease: (asset) => this.#lease(asset),
      touch: (asset) => this.index.touch(asset),
      freed: () => (this.#unlinking.size > 0 ? Promise.race(this.#unlinking) : undefined),
      seal: (identity) => identity,
      onGone: (listener) => subscribe(this.#gone, listener),
      onLimits: (listener) => subscribe(this.#limits, listener),
      onRelieve: (listener) => subscribe(this.#relieve, listener),
      freeBytes: () => this.#options.freeBytes?.() ?? Promise.resolve(Number.POSITIVE_INFINITY),
      relieve: () => {
        for (const listener of [...this.#relieve]) listener()
      },
      counters: { hits: 0, misses: 0, evictions: 0, readers: 0, writers: 0 },
    }
  }

  #lease(asset: string): { release(): void; [Symbol.dispose](): void } {
    const { leases } = this.index
    leases.set(asset, (leases.get(asset) ?? 0) + 1)
    let held = true
    const release = (): void => {
      if (held) leases.set(asset, (leases.get(asset) ?? 0) - 1)
      held = false
    }
    return { release, [Symbol.dispose]: release }
  }
}

async function copy(from: Resource, { writer }: Acquisition): Promise<void> {
  using reader = from.openReader()
  await writer?.writeAt(0, await reader.bytes())
}

function subscribe<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** `layers` over a fake store. */
export function chainOver(store: FakeStore, ...layers: readonly Layer[]): Assets {
  return compose(...layers)(store, store.context)
}

/** Fills one resource whole. */
export async function fill(
  assets: Assets,
  key: ResourceKey,
  bytes: Uint8Array,
  options?: AcquireOptions,
): Promise<void> {
  await using got = await assets.acquire(key, options)
  if (!got.writer) throw new Error(`${key.id} is there already`)
  await got.writer.writeAt(0, bytes)
  await got.writer.commit()
}
