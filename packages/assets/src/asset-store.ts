import { inspect } from 'node:util'
import {
  type Bytes,
  CisternError,
  InvalidOptionError,
  onAbort,
  type ResourceReader,
  ResourceRemovedError,
  StoreClosedError,
} from '@cistern/storage'
import { Asset } from './asset.js'
import { type Checked, callable, checkOptions, type OptionSpec } from './check-options.js'
import { checkAsset } from './component.js'
import { traced } from './diagnostics.js'
import type { StoreIndex } from './index/records.js'
import { checkKey, type ResourceKey } from './key.js'
import { chainOf } from './layers/default-chain.js'
import { type Fill, fillAndCommit } from './open-or-fill.js'
import {
  ACQUIRE_OPTIONS,
  type DiskStoreOptions,
  LIMIT_OPTIONS,
  OPEN_OPTIONS,
  PUT_OPTIONS,
  STORE_OPTIONS,
  VERIFY_OPTIONS,
} from './options.js'
import { type PutBody, putWhole } from './put.js'
import { createContext, type StoreSide } from './store-context.js'
import { StoreEmitter } from './store-emitter.js'
import type {
  AcquireOptions,
  Acquisition,
  AssetStat,
  Assets,
  Base,
  IndexView,
  Lease,
  Limits,
  OpenOptions,
  PutOptions,
  Recovery,
  RemoveAssetOptions,
  ResourceStat,
  StoreOptions,
  StoreStats,
  VerifyOptions,
  VerifyReport,
} from './types.js'
import { untilAborted } from './until-aborted.js'
import { UseCounter } from './use-counter.js'

const REMOVE_ASSET_OPTIONS: OptionSpec<RemoveAssetOptions> = { unless: callable<() => boolean>() }

/**
 * Keeps assets and their resources: written as bytes arrive, read at once from any offset, evicted when old.
 *
 * Keys, names and options are checked before anything is done: the verbs reject with `InvalidKeyError` and
 * `InvalidOptionError`, and with `StoreClosedError` from `close` on. Events are told in order, after the state settled;
 * an error that a listener throws surfaces as the host's own `uncaughtException`, and changes nothing here.
 */
export class AssetStore extends StoreEmitter implements Assets, IndexView, AsyncDisposable {
  readonly #index: StoreIndex
  readonly #side: StoreSide
  readonly #uses: UseCounter
  readonly #chain: Assets
  readonly #forgetSignal: (() => void) | undefined
  #closed: Promise<void> | undefined

  static {
    // Not a method, because declarations are made file by file and cannot name a symbol of another module.
    const value = function (this: AssetStore): string {
      return this.#inspected()
    }
    Object.defineProperty(AssetStore.prototype, inspect.custom, { value, configurable: true, writable: true })
  }

  private constructor(base: Base, index: StoreIndex, options: Checked<StoreOptions>) {
    super()
    this.#index = index
    this.#side = createContext(index, this, options)
    this.#uses = new UseCounter(this.#side.context.counters)
    const { context, baseContext } = this.#side
    const end = (options.base ?? base)(baseContext)
    this.#side.useBase(end)
    this.#chain = chainOf(options)(end, context)
    index.onState((state, error) => this.#tellState(state, error))
    const { signal } = options
    // Who closes by signal has no promise to look at: a failure is what `close` rejects with, whenever it is called.
    this.#forgetSignal = signal && onAbort(signal, () => void this.close().catch(() => {}))
  }

  /**
   * Opens the store in the folder `root`, which is created where there is none. Rejects with `StoreLockedError` while
   * another process owns it, `IndexVersionError`, `StorageIoError`.
   */
  static async open(options: DiskStoreOptions): Promise<AssetStore> {
    // Not before it is asked for: stores in memory should not load what locks and syncs files.
    const { openDiskStore } = await import('./open-disk-store.js')
    return openDiskStore(options)
  }

  /** @internal For `openStore`. */
  static over(base: Base, index: StoreIndex, options: StoreOptions | undefined): AssetStore {
    const checked = checkOptions('openStore', options, STORE_OPTIONS)
    checked.signal?.throwIfAborted()
    return new AssetStore(base, index, checked)
  }

  /** What opening found. */
  get recovery(): Recovery {
    return this.#index.recovery
  }

  /** The verbs with the asset filled in. Throws `InvalidKeyError`. */
  asset(asset: string): Asset {
    checkAsset(asset)
    return new Asset(this, asset)
  }

  // ── reading and filling ──────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Reader of what is there or is being written and, for the one who is to fill it, the writer. Dispose of it, or settle
   * the writer and close the reader.
   *
   * Rejects with `ProcessorMismatchError` where bytes went, or go, through another processor; `NotSupportedError` for
   * `extend` with a processor, and for a processor that no layer runs; what a processor given as a function rejects with;
   * `QuotaExceededError` or `NoSpaceError` for an `extend` that has no room for its copy; `StoreReadonlyError` where
   * something would begin; `StorageIoError`; or the signal's reason.
   */
  async acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
    this.#check()
    checkKey('acquire', key)
    const checked = checkOptions('acquire', options, ACQUIRE_OPTIONS)
    const got = await untilAborted(
      checked.signal,
      () => traced('acquire', key.id, () => this.#chain.acquire(key, checked)),
      (late) => late[Symbol.asyncDispose](),
    )
    // A new generation of one's own choice is neither.
    if ((checked.mode ?? 'fill') === 'fill') this.#uses.answered(got.reader)
    return this.#uses.acquisition(got)
  }

  /**
   * Reader of what is there, finished or not. Rejects with `NotFoundError` where nothing is, or where what was there
   * turned out damaged; `StorageIoError`; the signal's reason; and, with `committed`, what the resource failed with.
   */
  async open(key: ResourceKey, options?: OpenOptions): Promise<ResourceReader> {
    this.#check()
    checkKey('open', key)
    const checked = checkOptions('open', options, OPEN_OPTIONS)
    try {
      const reader = await untilAborted(
        checked.signal,
        () => traced('open', key.id, () => this.#chain.open(key, checked)),
        (late) => late.close(),
      )
      this.#uses.answered(reader)
      return this.#uses.reader(reader)
    } catch (error) {
      if (CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) this.#uses.missed()
      throw error
    }
  }

  /**
   * Resolves at once with a reader. Calls `fill` only if nobody fills yet, and not when all of a declared length is
   * there: resolved → commit, rejected → release, and readers that wait get `ResourceAbandonedError` with that cause.
   * The fill outlives the caller's reader and `options.signal`; the signal it gets aborts when the store closes or the
   * resource is removed.
   */
  async openOrFill(key: ResourceKey, fill: Fill, options?: AcquireOptions): Promise<ResourceReader> {
    if (typeof fill !== 'function') throw new InvalidOptionError('openOrFill: fill must be a function')
    const { reader, writer } = await this.acquire(key, options)
    // Never rejects.
    if (writer) void fillAndCommit(key, writer, fill, this.#side.context.signal)
    return reader
  }

  /**
   * Stores a whole thing; what was there is seen until then. Of two at once the last to commit wins.
   *
   * Rejects with `IntegrityError`, `ProcessingError`, `QuotaExceededError`, `NoSpaceError`, `StorageIoError`, the failure
   * of `body`, or the signal's reason; what was there stays. A `body` of another length than `length` is
   * `IncompleteResourceError` or `InvalidRangeError`; for the rest see {@link AssetStore.acquire}.
   */
  async put(key: ResourceKey, body: PutBody, options?: PutOptions): Promise<ResourceStat> {
    this.#check()
    checkKey('put', key)
    await putWhole((put) => this.acquire(key, put), body, checkOptions('put', options, PUT_OPTIONS))
    const stat = this.#index.stat(key)
    if (!stat) throw new ResourceRemovedError(`${key.id} was removed as soon as it was stored`)
    return stat
  }

  /** All bytes of what is committed; `undefined` where nothing is, or not all of it yet. Rejects with `StorageIoError`. */
  async get(key: ResourceKey): Promise<Bytes | undefined> {
    this.#check()
    checkKey('get', key)
    if (this.#index.stat(key)?.state !== 'committed') {
      this.#uses.missed()
      return undefined
    }
    try {
      using reader = await this.open(key)
      return await reader.bytes()
    } catch (error) {
      // Removed meanwhile, or its file turned out to be gone.
      if (CisternError.is(error, 'ERR_CISTERN_NOT_FOUND') || CisternError.is(error, 'ERR_CISTERN_REMOVED'))
        return undefined
      throw error
    }
  }

  // ── keeping and letting go ───────────────────────────────────────────────────────────────────────────────────────

  /**
   * Replaces the metadata kept beside a resource; `stat` shows it. Rejects with `NotFoundError` where nothing is,
   * `InvalidOptionError` for what would not come back as it was, `StoreReadonlyError`, or the journal's failure.
   */
  async setMetadata(key: ResourceKey, metadata: object): Promise<void> {
    this.#check()
    checkKey('setMetadata', key)
    await this.#index.setMetadata(key, metadata)
  }

  /** Rejects with `NotFoundError`, or `NotSupportedError` while it is being written. What was at `to` is replaced. */
  async move(from: ResourceKey, to: ResourceKey): Promise<void> {
    this.#check()
    checkKey('move', from)
    checkKey('move', to)
    await this.#chain.move(from, to)
  }

  /** In use or not. `false` where nothing was. */
  async remove(key: ResourceKey): Promise<boolean> {
    this.#check()
    checkKey('remove', key)
    return this.#chain.remove(key)
  }

  /** In use or not, leased or not. `false` where nothing was, or `unless` said so. */
  async removeAsset(asset: string, options?: RemoveAssetOptions): Promise<boolean> {
    this.#check()
    checkAsset(asset)
    return this.#chain.removeAsset(asset, checkOptions('removeAsset', options, REMOVE_ASSET_OPTIONS))
  }

  /** Counts as a use, and keeps the asset from being evicted until it is released. Throws where verbs reject. */
  lease(asset: string): Lease {
    this.#check()
    checkAsset(asset)
    const lease = this.#side.context.lease(asset)
    this.#side.context.touch(asset)
    return lease
  }

  /**
   * Keeps the asset from being evicted, across restarts too, until `unpin`. It may hold nothing yet. Resolves once that
   * is durable. Rejects with the journal's failure, `StorageIoError` or `NoSpaceError`, and with `StoreReadonlyError`.
   */
  async pin(asset: string): Promise<void> {
    this.#check()
    checkAsset(asset)
    await this.#index.pin(asset)
  }

  /** Takes back `pin`, however often it was called. Resolves once that is durable; rejects as `pin` does. */
  async unpin(asset: string): Promise<void> {
    this.#check()
    checkAsset(asset)
    await this.#index.unpin(asset)
  }

  /** Limits that are given replace; those that are not stay. `Infinity` lifts `maxAssets` and `maxBytes`, 0 `minFreeBytes`. */
  async setLimits(limits: Limits): Promise<void> {
    this.#check()
    await this.#side.setLimits(checkOptions('setLimits', limits, LIMIT_OPTIONS))
  }

  // ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One resource; `undefined` where nothing is. Throws where verbs reject, as do the three below. */
  stat(key: ResourceKey): ResourceStat | undefined {
    this.#check()
    checkKey('stat', key)
    return this.#index.stat(key)
  }

  /** One asset: its bytes, pin and leases; `undefined` where nothing is known of it. */
  assetStat(asset: string): AssetStat | undefined {
    this.#check()
    checkAsset(asset)
    return this.#index.assetStat(asset)
  }

  /** All assets, least recently used first. */
  assets(): Iterable<AssetStat> {
    this.#check()
    return this.#index.assets()
  }

  /** The resources of one asset. */
  resources(asset: string): Iterable<ResourceStat> {
    this.#check()
    checkAsset(asset)
    return this.#index.resources(asset)
  }

  /** Works on a closed store, too: its `state` says so. */
  stats(): StoreStats {
    const index = this.#index
    const { counters, limits } = this.#side.context
    return {
      assets: index.assetCount,
      resources: index.resourceCount,
      bytes: index.totalBytes,
      pinnedBytes: index.pinnedBytes,
      ...counters,
      unflushed: index.unflushed,
      limits,
      state: this.#closed ? 'closed' : index.state,
    }
  }

  // ── the store as a whole ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Resolves once all that is there now is on record and, unless `relaxed`, on the medium. Rejects with the journal's
   * failure, `StorageIoError` or `NoSpaceError`, and with `StoreReadonlyError`.
   */
  async checkpoint(): Promise<void> {
    this.#check()
    await this.#index.checkpoint()
  }

  /**
   * Checks every byte on record against its checksum. What is damaged is in the report. Rejects with `StorageIoError`
   * where a folder or file cannot be read at all, the journal's failure, `StoreReadonlyError`, or the signal's reason.
   */
  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    this.#check()
    const checked = checkOptions('verify', options, VERIFY_OPTIONS)
    return traced('verify', undefined, () => this.#chain.verify(checked))
  }

  /**
   * Calls of open handles, and all verbs, reject with `StoreClosedError` from now on. Resolves after what was in flight,
   * with all on record. Closing again gives the same promise.
   */
  close(): Promise<void> {
    // Begun in a microtask: listeners of the signals that abort find the store closed, and may close it, too.
    this.#closed ??= Promise.resolve().then(() => this.#closeAll())
    return this.#closed
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #closeAll(): Promise<void> {
    this.#forgetSignal?.()
    this.#side.abort(closedError())
    try {
      await this.#chain.close()
    } finally {
      await this.#index.close()
    }
  }

  #check(): void {
    if (this.#closed) throw closedError()
  }

  #tellState(state: 'degraded' | 'restored' | 'readonly', error: Error | undefined): void {
    if (state === 'restored') this.emit('restored')
    else this.emit(state, { error: error ?? new Error(`the store turned ${state}`) })
  }

  #inspected(): string {
    const { state, assets, resources, bytes, readers, writers } = this.stats()
    return `AssetStore ${inspect({ state, assets, resources, bytes, readers, writers }, { breakLength: 120 })}`
  }
}

function closedError(): StoreClosedError {
  return new StoreClosedError('the store is closed')
}
