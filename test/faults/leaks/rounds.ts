import { getEventListeners } from 'node:events'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'
import { eventLoopTurn } from '../../helpers/deferred.js'

/** One thing that is begun and ended, over and over. */
export interface Rounds {
  readonly name: string
  /** Of all, how many are done in this process: opening a store on disk costs more than the others. */
  readonly share: number
  /** `root` is an empty folder. */
  begin(root: string): Promise<Circle>
}

interface Circle {
  round(): Promise<void>
  /** Listeners on what lives through all rounds, by where they are. */
  listeners(): Readonly<Record<string, number>>
  end(): Promise<void>
}

const KEY = ResourceKey.of('film', 'a.ts')
const PENDING = ResourceKey.of('film', 'pending.ts')

export const KINDS: readonly Rounds[] = [
  overStore('open-close', async (store) => {
    ;(await store.open(KEY)).close()
  }),
  overStore('acquire-release', async (store) => {
    const { reader, writer } = await store.acquire(PENDING)
    await writer?.release()
    reader.close()
  }),
  overStore('wait-abort', async (store, signal) => {
    using reader = await store.open(KEY)
    const own = new AbortController()
    const waits = [
      reader.waitRange(10, 20, { signal: own.signal, whenAbandoned: 'wait' }),
      reader.waitCommit({ signal, whenAbandoned: 'wait' }),
    ]
    own.abort(new Error('not wanted any more'))
    reader.close()
    for (const { status } of await Promise.allSettled(waits)) if (status !== 'rejected') throw new Error('a wait ended')
  }),
  overStore('lease-release', async (store) => {
    store.lease('film').release()
    await undefined
  }),
  {
    name: 'memory-store',
    share: 1,
    begin: async () =>
      ofStores(async (signal) => {
        await using store = await MemStore.open({ signal })
        await store.put(KEY, 'text')
      }),
  },
  {
    name: 'disk-store',
    share: 0.1,
    begin: async (root) =>
      ofStores(async (signal) => {
        await using store = await AssetStore.open({ root, signal, durability: 'relaxed', minFreeBytes: 0 })
        ;(await store.acquire(KEY)).reader.close()
      }),
  },
]

/** In a store on disk that stays open; one resource in it is unfinished, so that there is something to wait for. */
function overStore(name: string, round: (store: AssetStore, signal: AbortSignal) => Promise<void>): Rounds {
  return {
    name,
    share: 1,
    begin: async (root) => {
      const store = await AssetStore.open({ root, minFreeBytes: 0 })
      const { signal } = new AbortController()
      const { reader, writer } = await store.acquire(KEY)
      await writer?.writeAt(0, Buffer.from('text'))
      return {
        round: () => round(store, signal),
        listeners: () => ({
          ...onProcess(),
          signal: getEventListeners(signal, 'abort').length,
          store: store.eventNames().reduce((sum, event) => sum + store.listenerCount(event), 0),
          leases: store.assetStat(KEY.asset)?.leases ?? 0,
          readers: store.stats().readers,
          writers: store.stats().writers,
        }),
        end: async () => {
          await writer?.release()
          reader.close()
          await store.close()
        },
      }
    },
  }
}

/** A store per round; the signal that closes them outlives them all. */
function ofStores(round: (signal: AbortSignal) => Promise<void>): Circle {
  const { signal } = new AbortController()
  return {
    round: () => round(signal),
    listeners: () => ({ ...onProcess(), signal: getEventListeners(signal, 'abort').length }),
    end: eventLoopTurn,
  }
}

function onProcess(): Record<string, number> {
  return { process: process.eventNames().reduce((sum, event) => sum + process.listenerCount(event), 0) }
}
