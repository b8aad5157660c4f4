import { type EventEmitter, setMaxListeners } from 'node:events'
import type { BaseContext, StoreIndex } from './index/records.js'
import { DEFAULTS } from './options.js'
import type { Assets, ContextIndex, Lease, Limits, StoreContext, StoreCounters, StoreEvents } from './types.js'

/** What the store does with the context that its layers share. */
export interface StoreSide {
  /** For layers: they can look. */
  readonly context: StoreContext
  /** For the base: it can record, too. */
  readonly baseContext: BaseContext
  /** Tells where free bytes are asked from, once the base was made. */
  useBase(base: Assets): void
  /** Resolves once those who were told of the new limits are done, as far as they say. */
  setLimits(limits: Limits): Promise<void>
  /** Aborts the context's signal. */
  abort(reason: Error): void
}

/** A base over a medium with an end. */
interface MeasuredBase extends Assets {
  freeBytes?(): Promise<number>
  freed?(): Promise<void> | undefined
}

export function createContext(index: StoreIndex, events: EventEmitter<StoreEvents>, options: Limits): StoreSide {
  const closing = new AbortController()
  setMaxListeners(0, closing.signal) // each layer and writer may listen
  const relievers = new Set<() => void>()
  const limitListeners = new Set<() => void>()
  const counters: StoreCounters = { hits: 0, misses: 0, evictions: 0, readers: 0, writers: 0 }
  let limits = merged({ minFreeBytes: DEFAULTS.minFreeBytes }, options)
  let base: MeasuredBase | undefined

  const context: StoreContext = {
    index: lookingAt(index),
    events,
    signal: closing.signal,
    counters,
    get limits() {
      return limits
    },
    lease: (asset) => leaseOf(index, asset),
    touch: (asset) => index.touch(asset),
    seal: (identity) => index.seal(identity),
    onGone: (listener) => index.onGone(listener),
    onLimits: (listener) => subscribed(limitListeners, listener),
    onRelieve: (listener) => subscribed(relievers, listener),
    relieve: () => {
      for (const listener of [...relievers]) listener()
    },
    freed: () => base?.freed?.(),
    freeBytes: async () => (await base?.freeBytes?.()) ?? Number.POSITIVE_INFINITY,
  }

  return {
    context,
    baseContext: withRecords(context, index),
    useBase: (made) => {
      base = made
    },
    setLimits: async (change) => {
      limits = merged(limits, change)
      await Promise.all([...limitListeners].map((listener) => listener()))
    },
    abort: (reason) => closing.abort(reason),
  }
}

/** The index without what writes to it. */
function lookingAt(index: StoreIndex): ContextIndex {
  return {
    stat: (key) => index.stat(key),
    assetStat: (asset) => index.assetStat(asset),
    assets: () => index.assets(),
    resources: (asset) => index.resources(asset),
    generation: (key) => index.generation(key),
    get assetCount() {
      return index.assetCount
    },
    get resourceCount() {
      return index.resourceCount
    },
    get totalBytes() {
      return index.totalBytes
    },
    get pinnedBytes() {
      return index.pinnedBytes
    },
  }
}

/** Inherits, so that what changes in the context (limits) changes here. */
function withRecords(context: StoreContext, records: StoreIndex): BaseContext {
  return Object.create(context, { records: { value: records, enumerable: true } }) as BaseContext
}

function leaseOf(index: StoreIndex, asset: string): Lease {
  const giveBack = index.holdLease(asset)
  let held = true
  const release = (): void => {
    if (!held) return
    held = false
    giveBack()
  }
  return { release, [Symbol.dispose]: release }
}

/** A function of one's own for each: the same listener may be given twice. */
function subscribed(listeners: Set<() => void>, listener: () => void): () => void {
  const entry = (): void => listener()
  listeners.add(entry)
  return () => listeners.delete(entry)
}

/** Names that are given replace; `Infinity` lifts a limit. */
function merged(before: Limits, change: Limits): Limits {
  const after: { -readonly [Name in keyof Limits]: Limits[Name] } = {}
  for (const name of ['maxAssets', 'maxBytes', 'minFreeBytes'] as const) {
    const limit = change[name] ?? before[name]
    if (limit !== undefined && limit !== Number.POSITIVE_INFINITY) after[name] = limit
  }
  return Object.freeze(after)
}
