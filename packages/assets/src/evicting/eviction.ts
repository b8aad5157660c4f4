import { CisternError, StoreClosedError, WriterClosedError } from '@cistern/storage'
import { Pace } from '../index/pace.js'
import type { AssetStat, Assets, EvictReason, StoreContext, StoreEvents } from '../types.js'
import type { Reservation, Reservations } from './reservations.js'
import type { Lack, Room } from './room.js'
import { type Demand, type Waiting, WaitingLine } from './waiting-line.js'

/** Removals under way at once: unlinking a big file takes tens of milliseconds of another thread. */
const REMOVALS_AT_ONCE = 8

/** Makes room, oldest asset first, in one run for all who wait. Who waits longest goes first; limits come last. */
export class Eviction {
  readonly #inner: Assets
  readonly #context: StoreContext
  readonly #reservations: Reservations
  readonly #room: Room
  readonly #waiting = new WaitingLine()
  /** What nobody waits for. */
  readonly #beside: Set<Waiting> = new Set()
  readonly #tidying: Waiting
  readonly #lowering: Waiting
  #running: Promise<void> | undefined
  /** Why removals cannot be recorded now. What is removed then is hidden, and frees nothing. */
  #unrecorded: Error | undefined
  #closed = false
  #evictedBytes = 0

  constructor(inner: Assets, context: StoreContext, reservations: Reservations, room: Room) {
    this.#inner = inner
    this.#context = context
    this.#reservations = reservations
    this.#room = room
    this.#tidying = unattended(() => room.excess())
    this.#lowering = unattended(() => room.aboveLow())
    context.events.on('degraded', this.#onDegraded)
    context.events.on('restored', this.#onRestored)
  }

  readonly #onDegraded = ({ error }: StoreEvents['degraded'][0]): void => {
    this.#unrecorded = error
  }

  readonly #onRestored = (): void => {
    this.#unrecorded = undefined
  }

  /** Somebody waits: who comes now goes behind, or small writes would for ever overtake a large one. */
  get isAwaited(): boolean {
    return this.#waiting.first !== undefined
  }

  /** Bytes evicted so far. */
  get evictedBytes(): number {
    return this.#evictedBytes
  }

  /** Resolves once `demand` took what it needs. Rejects with what it is refused with. */
  ask(demand: Demand): Promise<void> {
    if (this.#closed) return Promise.reject(new StoreClosedError('the store is closed'))
    return new Promise((resolve, reject) => {
      this.#waiting.add({ demand, resolve, reject })
      this.#start()
    })
  }

  /** Evicts what exceeds the limits, after those who wait. Resolves once that is done, and never rejects. */
  async tidy(): Promise<void> {
    if (this.#closed) return
    this.#beside.add(this.#tidying)
    this.#start()
    await this.#running
  }

  /** Its writer settled: nobody wants what it waited for. */
  withdraw(reservation: Reservation): void {
    for (const waiting of this.#waiting.of(reservation)) {
      this.#drop(waiting)
      waiting.reject(new WriterClosedError('the writer settled before there was room'))
    }
  }

  /** Resolves once no removal is under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.#context.events.off('degraded', this.#onDegraded)
    this.#context.events.off('restored', this.#onRestored)
    this.#beside.clear()
    for (const { reject } of this.#waiting.takeAll()) reject(new StoreClosedError('the store is closed'))
    await this.#running
  }

  #start(): void {
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    await undefined // so that what #start keeps is this run, however soon it ends
    const pace = new Pace() // thousands may wait, and be refused one after the other
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        await this.#serve(next)
      } catch (error) {
        this.#drop(next)
        next.reject(error)
      }
      if (pace.due) await pace.rest()
    }
    this.#running = undefined
  }

  #next(): Waiting | undefined {
    if (this.#waiting.first) return this.#waiting.first
    for (const first of this.#beside) return first
    return undefined
  }

  #drop(waiting: Waiting): void {
    if (!this.#beside.delete(waiting)) this.#waiting.delete(waiting)
  }

  /** Evicts until `waiting` has what it needs, or nothing is left; or until it is withdrawn, or somebody goes first. */
  async #serve(waiting: Waiting): Promise<void> {
    const tried = new Set<string>()
    let measured = false
    let failure: Error | undefined
    while (this.#next() === waiting) {
      const lack = waiting.demand.take()
      if (lack === undefined) {
        this.#drop(waiting)
        return waiting.resolve()
      }
      if (lack.reason === 'free-space' && !measured) {
        await this.#room.free.measure()
        measured = true
        continue
      }
      const victims = lack.hopeless || this.#unrecorded ? [] : this.#choose(lack, tried)
      if (victims.length === 0) {
        const freed = lack.hopeless || lack.reason === 'assets' ? undefined : this.#context.freed()
        if (freed === undefined) return this.#refuse(waiting, lack, this.#unrecorded ?? failure)
        await freed
        measured = false
        continue
      }
      // Goes on for a while after the write that asked is served, so that not each write has to evict.
      if (lack.reason === 'bytes') this.#beside.add(this.#lowering)
      const failures = await Promise.all(victims.map((victim) => this.#evict(victim, lack.reason)))
      for (const { asset } of victims) tried.add(asset)
      failure ??= failures.find((error) => error !== undefined)
      measured = false
    }
  }

  #refuse(waiting: Waiting, lack: Lack, cause: Error | undefined): void {
    this.#drop(waiting)
    // Somebody else owns the root: that nothing can be evicted is the least of it.
    if (CisternError.is(cause, 'ERR_CISTERN_STORE_READONLY')) return waiting.reject(cause)
    const error = waiting.demand.refuse(lack, cause)
    if (error === undefined) waiting.resolve()
    else waiting.reject(error)
  }

  /** The oldest that may go, as many as it takes. */
  #choose(lack: Lack, tried: ReadonlySet<string>): AssetStat[] {
    const victims: AssetStat[] = []
    let bytes = 0
    for (const stat of this.#context.index.assets()) {
      if (victims.length === REMOVALS_AT_ONCE || (bytes >= lack.bytes && victims.length >= lack.assets)) break
      if (stat.resources === 0 || this.#isKept(stat) || tried.has(stat.asset)) continue
      if (stat.bytes === 0 && lack.reason !== 'assets') continue
      victims.push(stat)
      bytes += stat.bytes
    }
    return victims
  }

  #isKept({ asset, pinned, leases }: AssetStat): boolean {
    return pinned || leases > 0 || this.#reservations.holds(asset)
  }

  /** Gives what went wrong: the asset stays then, and is passed by. */
  async #evict({ asset, bytes }: AssetStat, reason: EvictReason): Promise<Error | undefined> {
    let freed = bytes
    const unless = (): boolean => {
      const stat = this.#context.index.assetStat(asset)
      if (stat === undefined || this.#isKept(stat)) return true
      freed = stat.bytes
      return false
    }
    try {
      if (!(await this.#inner.removeAsset(asset, { unless }))) return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
    this.#evictedBytes += freed
    this.#context.counters.evictions++
    this.#context.events.emit('evict', { asset, bytes: freed, reason })
    return undefined
  }
}

function unattended(take: () => Lack | undefined): Waiting {
  return { demand: { take, refuse: () => undefined }, resolve: () => {}, reject: () => {} }
}
