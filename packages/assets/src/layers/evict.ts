import { CisternError, type ResourceWriter, wrapWriter } from '@cistern/storage'
import { Eviction } from '../evicting/eviction.js'
import { type Reservation, Reservations } from '../evicting/reservations.js'
import { Room } from '../evicting/room.js'
import type { Demand } from '../evicting/waiting-line.js'
import type { ResourceKey } from '../key.js'
import type { AcquireOptions, Acquisition, Assets, Layer, StoreContext } from '../types.js'
import { AssetsLayer } from './assets-layer.js'
import { withHandles } from './wrap-acquisition.js'

/** {@link EvictAssets} as a layer. */
export const evict: Layer = (inner, context) => new EvictAssets(inner, context)

/**
 * Keeps the store within `maxBytes`, `maxAssets` and `minFreeBytes`: before each write, room for its new bytes is
 * reserved, if need be by evicting the assets used longest ago. Passed by are those that are pinned, leased, or being
 * written through this layer. A write for which nothing is left to evict rejects with `QuotaExceededError`; its writer
 * stays usable. Explicit removes pass through: they ignore leases.
 */
export class EvictAssets extends AssetsLayer {
  readonly #context: StoreContext
  readonly #reservations: Reservations
  readonly #room: Room
  readonly #eviction: Eviction
  readonly #unsubscribe: () => void
  /** Keys whose rewriter writes through this layer: who extends one of these joins it, and nothing is copied. */
  readonly #rewriting = new Set<string>()

  constructor(inner: Assets, context: StoreContext) {
    super(inner)
    this.#context = context
    this.#reservations = new Reservations(context.index)
    this.#room = new Room(context, this.#reservations)
    this.#eviction = new Eviction(inner, context, this.#reservations, this.#room)
    this.#unsubscribe = context.onLimits(() => this.#applyLimits())
  }

  override async acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
    const letGo = this.#reservations.hold(key.asset)
    try {
      const got = await this.#relieved(() =>
        options?.mode === 'extend' ? this.#extend(key, options) : this.inner.acquire(key, options),
      )
      if (got.writer === undefined) return got
      const output = got.stage?.output
      const isRewriter = options?.mode === 'rewrite' || options?.mode === 'extend'
      if (isRewriter) this.#rewriting.add(key.id)
      const watched = withHandles(
        got,
        got.reader,
        this.#watch(key.asset, got.writer, () => isRewriter && this.#rewriting.delete(key.id)),
        output && this.#watch(key.asset, output),
      )
      await this.#prepare()
      return watched
    } finally {
      letGo()
    }
  }

  /** The asset it arrives in may be one too many. Looked at when the layers above have given back their leases of both. */
  override async move(from: ResourceKey, to: ResourceKey): Promise<void> {
    await this.inner.move(from, to)
    setImmediate(() => this.#tidy())
  }

  override async close(): Promise<void> {
    this.#unsubscribe()
    await this.#eviction.close()
    await this.inner.close()
  }

  /** A medium may have no room for one file more, or for the copy that an extension begins with. */
  async #relieved(acquire: () => Promise<Acquisition>): Promise<Acquisition> {
    try {
      return await acquire()
    } catch (error) {
      if (!CisternError.is(error, 'ERR_CISTERN_NO_SPACE')) throw error
      this.#context.relieve()
      await this.#free(1)
      return acquire()
    }
  }

  /** The base copies the committed bytes before anyone writes: room for them is taken beforehand. */
  async #extend(key: ResourceKey, options: AcquireOptions): Promise<Acquisition> {
    const stat = this.#context.index.stat(key)
    const isCopied = stat?.state === 'committed' && !this.#rewriting.has(key.id)
    const bytes = isCopied ? (stat.length ?? 0) : 0
    let giveBack = (): void => {}
    const demand = this.#demand(key.asset, bytes, () => {
      giveBack = this.#reservations.reserve(bytes)
    })
    if (bytes > 0) await this.#eviction.ask(demand)
    try {
      return await this.inner.acquire(key, options)
    } finally {
      giveBack()
    }
  }

  /** What a new writer is better off with: room for one more asset, and knowledge of the medium. Refuses nothing yet. */
  async #prepare(): Promise<void> {
    if (this.#room.needsFreeSpace && this.#room.free.estimate === undefined) await this.#room.free.measure()
    if (this.#room.excessAssets()) {
      // A store that closes meanwhile says so itself, when the writer is used.
      await this.#eviction.ask({ take: () => this.#room.excessAssets(), refuse: () => undefined }).catch(() => {})
    }
    this.#tidy()
  }

  /** The hooks lead to the reservation and never to the writer: one that is dropped unsettled has to be collected. */
  #watch(asset: string, writer: ResourceWriter, onSettled?: () => void): ResourceWriter {
    const reservation = this.#reservations.open(asset, writer)
    return wrapWriter(writer, {
      beforeWrite: (position, bytes) => this.#beforeWrite(reservation, position, position + bytes),
      onWriteError: (error) => this.#onWriteError(reservation, error),
      onSettled: () => {
        onSettled?.()
        reservation.end()
        this.#eviction.withdraw(reservation)
        this.#tidy()
      },
    })
  }

  #beforeWrite(reservation: Reservation, start: number, end: number): void | Promise<void> {
    const bytes = reservation.need(start, end)
    if (bytes === 0) return undefined
    const demand = this.#demand(
      reservation.asset,
      bytes,
      () => {
        reservation.grant(start, end)
        this.#room.free.grant(bytes)
      },
      reservation,
    )
    if (!this.#eviction.isAwaited && demand.take() === undefined) return undefined
    return this.#eviction.ask(demand)
  }

  #demand(asset: string, bytes: number, grant: () => void, reservation?: Reservation): Demand {
    return {
      reservation,
      take: () => {
        const lack = this.#room.lackFor(asset, bytes)
        if (lack === undefined) grant()
        return lack
      },
      refuse: (lack, cause) => this.#room.refusal(lack, asset, bytes, cause),
    }
  }

  /** Asked once for a write: the queue that writes does not ask again about a retry. */
  async #onWriteError(reservation: Reservation, error: Error): Promise<'retry' | 'fail'> {
    if (CisternError.is(error, 'ERR_CISTERN_NO_SPACE')) {
      this.#context.relieve()
      await this.#free(Math.max(1, reservation.outstanding))
      return 'retry' // even when nothing could go: what was idle did, and others may have made room
    }
    if (!isOutOfDescriptors(error)) return 'fail'
    this.#context.relieve()
    return 'retry'
  }

  /** Evicts `bytes`, or what there is. */
  async #free(bytes: number): Promise<void> {
    const goal = this.#eviction.evictedBytes + bytes
    await this.#eviction.ask({
      take: () => {
        const missing = goal - this.#eviction.evictedBytes
        return missing > 0 ? { reason: 'no-space', bytes: missing, assets: 0 } : undefined
      },
      refuse: () => undefined,
    })
  }

  /** Resolves once the store is within its new limits, as far as it can be: `setLimits` waits for that. */
  async #applyLimits(): Promise<void> {
    if (this.#room.needsFreeSpace) await this.#room.free.measure()
    if (this.#room.excess()) await this.#eviction.tidy()
  }

  #tidy(): void {
    if (this.#room.excess()) void this.#eviction.tidy()
  }
}

function isOutOfDescriptors(error: Error): boolean {
  if (!CisternError.is(error, 'ERR_CISTERN_STORAGE_IO')) return false
  const code = (error.cause as NodeJS.ErrnoException | null | undefined)?.code
  return code === 'EMFILE' || code === 'ENFILE'
}
