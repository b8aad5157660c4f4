import assert from 'node:assert/strict'
import type { Bytes, ResourceWriter } from '@cistern/storage'
import type { AssetStore } from '../asset-store.js'
import type { ResourceKey } from '../key.js'
import type { AcquireOptions, Acquisition, DefaultLayers, StoreOptions } from '../types.js'
import { turn } from './bytes.js'

/** How long something that happens by and by may take on a slow machine. */
const PATIENCE_MS = 20_000

/** Any test runner's `test`: node:test, vitest, mocha's `it`. */
export type TestFunction = (title: string, body: () => Promise<void>) => unknown

/** Makes the stores under test. */
export interface StoreFactory {
  /** Begins the titles of the tests. */
  readonly name: string
  /** Somewhere with nothing in it. */
  create(): Promise<StorePlace>
}

/** Where one store after the other is opened. Disposed of after the last of them was closed. */
export interface StorePlace extends AsyncDisposable {
  /** Opens the store that is here, with these options and whatever makes it the one under test. */
  open(options: StoreOptions): Promise<AssetStore>
}

/** One of the default layers. */
export type LayerName = keyof DefaultLayers

/** What the stores under test are capable of: tests of what they are not are left out. */
export interface StoreCapabilities {
  /** What one store leaves in a place is there for the next. */
  readonly survivesReopening: boolean
  /** A byte at 4 GiB is no matter; otherwise a write past `maxBytes` is refused with QuotaExceededError. */
  readonly sparse: boolean
  /** The default layers that the chain holds; all of them, unless said. */
  readonly layers?: readonly LayerName[] | undefined
}

/** What {@link testAssetStore} takes. */
export interface AssetStoreSuite {
  /** Called once for each test of the suite. */
  readonly test: TestFunction
  /** Makes a place for each of them. */
  readonly factory: StoreFactory
  /** Leaves out the tests of what these stores are not. */
  readonly capabilities: StoreCapabilities
}

/** What the parts of the suite work with. */
export class Suite {
  readonly capabilities: StoreCapabilities
  readonly #suite: AssetStoreSuite

  constructor(suite: AssetStoreSuite) {
    this.#suite = suite
    this.capabilities = suite.capabilities
  }

  test(title: string, body: () => Promise<void>): void {
    this.#suite.test(`${this.#suite.factory.name}: ${title}`, body)
  }

  /** The chain holds all of these layers. */
  has(...layers: readonly LayerName[]): boolean {
    const present = this.capabilities.layers
    return present === undefined || layers.every((layer) => present.includes(layer))
  }

  open(options?: StoreOptions): Promise<OpenPlace> {
    return OpenPlace.open(this.#suite.factory, options)
  }
}

/** A place, and the store that is open there. */
export class OpenPlace implements AsyncDisposable {
  readonly #place: StorePlace
  store: AssetStore

  private constructor(place: StorePlace, store: AssetStore) {
    this.#place = place
    this.store = store
  }

  static async open(factory: StoreFactory, options: StoreOptions = {}): Promise<OpenPlace> {
    const place = await factory.create()
    try {
      return new OpenPlace(place, await place.open(roomy(options)))
    } catch (error) {
      await place[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Closes the store and opens the next one on what it left. */
  async reopen(options: StoreOptions = {}): Promise<AssetStore> {
    await this.store.close()
    this.store = await this.#place.open(roomy(options))
    return this.store
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.store.close()
    } finally {
      await this.#place[Symbol.asyncDispose]()
    }
  }
}

/** A machine that is short of disk space is no reason to fail. */
function roomy(options: StoreOptions): StoreOptions {
  return { minFreeBytes: 0, ...options }
}

/** Acquires for filling: fails unless the writer is ours. */
export async function begin(
  store: AssetStore,
  key: ResourceKey,
  options?: AcquireOptions,
): Promise<Acquisition & { readonly writer: ResourceWriter }> {
  const got = await store.acquire(key, options)
  if (got.writer) return got as Acquisition & { readonly writer: ResourceWriter }
  await got[Symbol.asyncDispose]()
  throw new Error(`${key.id}: somebody else holds the writer, or there is nothing to fill`)
}

/** Fills `key` with `bytes` and commits, by way of a writer. */
export async function fill(
  store: AssetStore,
  key: ResourceKey,
  bytes: Uint8Array,
  options?: AcquireOptions,
): Promise<void> {
  await using got = await begin(store, key, options)
  await got.writer.writeAt(0, bytes)
  await got.writer.commit()
}

/** Leaves `bytes` at `at` of `key`, uncommitted and with nobody writing. */
export async function leave(store: AssetStore, key: ResourceKey, bytes: Uint8Array, at = 0): Promise<void> {
  await using got = await begin(store, key)
  await got.writer.writeAt(at, bytes)
}

export async function read(store: AssetStore, key: ResourceKey): Promise<Bytes> {
  using reader = await store.open(key)
  return await reader.bytes()
}

/** Assets that hold something, in order of last use. */
export function assetsOf(store: AssetStore): string[] {
  return [...store.assets()].filter(({ resources }) => resources > 0).map(({ asset }) => asset)
}

/** Waits until the store occupies `bytes`: what was superseded is unlinked by and by, and counts until then. */
export async function occupies(store: AssetStore, bytes: number): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (store.stats().bytes !== bytes && Date.now() < end) await turn()
  assert.equal(store.stats().bytes, bytes)
}
