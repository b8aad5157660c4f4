// 1,000 readers of one resource that nobody has read yet, from an origin at 100 MB/s: each byte is fetched once, whatever
// their number. What they cost beyond one reader is the copying: each gets all of the bytes.
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { createServer } from 'node:http'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { Filler, httpSource } from '@cistern/fill'
import { toNodeHandler } from '@cistern/http'
import { Child } from './harness/child.mjs'
import { spreadOf } from './harness/compare.mjs'
import { Origin } from './harness/origin.mjs'
import { times } from './harness/quick.mjs'

/** @import { Place } from './harness/place.mjs' */
/** @import { Result } from './harness/compare.mjs' */

const MIB = 1024 * 1024
const BYTES = 16 * MIB
const RATE = 100_000_000
const READERS = 1_000
/** Fresh memory for each of a thousand would take most of the time of this run. */
const FRESH_READERS = 100
const CHUNK = 256 * 1024
const REPETITIONS = times(7)

/** @param {Place} place */
export default async function fillMany(place) {
  const origin = await Origin.open()
  const clients = Child.start('./http-clients-child.mjs')
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  const filler = new Filler(store)
  const host = new Host(origin, filler)
  try {
    return await measured(host, await host.listen(), clients, store)
  } finally {
    await host.close()
    await filler.close()
    await store.close()
    await clients[Symbol.asyncDispose]()
    await origin[Symbol.asyncDispose]()
  }
}

/**
 * @param {Host} host
 * @param {number} port
 * @param {Child} clients
 * @param {AssetStore} store
 * @returns {Promise<Result[]>}
 */
async function measured(host, port, clients, store) {
  /** @param {number} count */
  const fetchAll = (count) =>
    host.coldOnce((name) => clients.ask('fetchAll', { port, path: `/${name}`, clients: count, bytes: BYTES }))
  /** @type {Record<'shared' | 'fresh' | 'byFresh' | 'reused' | 'byReused' | 'http' | 'oneHttp', number[]>} */
  const taken = { shared: [], fresh: [], byFresh: [], reused: [], byReused: [], http: [], oneHttp: [] }
  for (let turn = -1; turn < REPETITIONS; turn++) {
    const one = await host.cold(1, (name) => host.readAll(name))
    const shared = await host.cold(READERS, (name) => host.readAll(name, { shared: true }))
    const fresh = await host.cold(FRESH_READERS, (name) => host.readAll(name))
    const freshCopies = await copyAll(store, fresh.name, FRESH_READERS, () => Buffer.allocUnsafeSlow(CHUNK))
    const memory = Buffer.allocUnsafeSlow(CHUNK)
    const reused = await host.cold(READERS, (name) => host.readInto(name, memory))
    const reusedCopies = await copyAll(store, reused.name, READERS, () => memory)
    const oneHttp = await fetchAll(1)
    const http = await fetchAll(READERS)
    await store.removeAsset(ASSET)
    if (turn < 0) continue
    taken.shared.push(shared.ms)
    taken.fresh.push(fresh.ms)
    taken.byFresh.push(one.ms + freshCopies)
    taken.reused.push(reused.ms)
    taken.byReused.push(one.ms + reusedCopies)
    taken.oneHttp.push(oneHttp)
    taken.http.push(http)
  }
  const cold = `readers of one cold 16 MiB resource, from an origin at 100 MB/s: the last is done`
  const byReused = `one reader, and ${READERS} × FileHandle.read into one piece of memory`
  const byFresh = `one reader, and ${FRESH_READERS} × FileHandle.read into fresh memory`
  const target = { atMost: 0.9 }
  return [
    beside(`${READERS} ${cold}`, 'chunks({ shared: true })', taken.shared, byReused, taken.byReused, target),
    beside(`${READERS} ${cold}`, 'readAt into one piece of memory', taken.reused, byReused, taken.byReused, target),
    beside(`${FRESH_READERS} ${cold}`, 'chunks(), fresh memory each', taken.fresh, byFresh, taken.byFresh),
    {
      ...beside(
        `${READERS} HTTP clients of one cold 16 MiB resource: the last has the whole`,
        `${READERS} clients, toNodeHandler`,
        taken.http,
        'one client',
        taken.oneHttp,
      ),
      bothOurs: true,
    },
  ]
}

/**
 * @param {string} name
 * @param {string} ours
 * @param {readonly number[]} ourTimes
 * @param {string} theirs
 * @param {readonly number[]} theirTimes
 * @param {Result['target']} [target]
 * @returns {Result}
 */
function beside(name, ours, ourTimes, theirs, theirTimes, target) {
  return {
    name,
    ratio: `${ours} / ${theirs}`,
    ratios: spreadOf(ourTimes.map((our, turn) => our / (theirTimes[turn] ?? Number.NaN))),
    sides: { [ours]: spreadOf(ourTimes), [theirs]: spreadOf(theirTimes) },
    unit: 'ms',
    target,
  }
}

const ASSET = 'film'

/** The proxy, with what it fetches from. */
class Host {
  #origin
  #filler
  #server
  #serial = 0

  /**
   * @param {Origin} origin
   * @param {Filler} filler
   */
  constructor(origin, filler) {
    this.#origin = origin
    this.#filler = filler
    this.#server = createServer(toNodeHandler(({ path }) => this.#open(path.slice(1))))
  }

  async listen() {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return /** @type {import('node:net').AddressInfo} */ (this.#server.address()).port
  }

  async close() {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** @param {string} name */
  #open(name) {
    return this.#filler.open(
      ResourceKey.of(ASSET, name),
      httpSource(this.#origin.url(name, { bytes: BYTES, rate: RATE })),
    )
  }

  /**
   * As many at once, of a resource that is not there yet.
   * @param {number} count
   * @param {(name: string) => Promise<void>} read
   */
  async cold(count, read) {
    let name = ''
    const ms = await this.coldOnce(async (fresh) => {
      name = fresh
      const started = performance.now()
      await Promise.all(Array.from({ length: count }, () => read(fresh)))
      return performance.now() - started
    })
    return { ms, name }
  }

  /** @param {(name: string) => Promise<number>} read */
  async coldOnce(read) {
    await this.#origin.sent()
    const ms = await read(`${this.#serial++}.mp4`)
    const bytes = await this.#origin.sent()
    if (bytes !== BYTES) throw new Error(`the origin sent ${bytes} bytes, not ${BYTES}`)
    return ms
  }

  /**
   * @param {string} name
   * @param {{ shared?: boolean }} [options]
   */
  async readAll(name, options) {
    const reader = await this.#open(name)
    let bytes = 0
    for await (const chunk of reader.chunks(options)) bytes += chunk.length
    reader.close()
    if (bytes !== BYTES) throw new Error(`read ${bytes} bytes`)
  }

  /**
   * @param {string} name
   * @param {Uint8Array} target
   */
  async readInto(name, target) {
    const reader = await this.#open(name)
    for (let at = 0; at < BYTES; ) {
      await reader.waitRange(at, at + 1)
      at += await reader.readAt(at, target)
    }
    reader.close()
  }
}

/**
 * What the copying costs whoever has nothing but the file: as many handles, each read through by itself, 256 KiB at a time.
 * @param {AssetStore} store
 * @param {string} name
 * @param {number} readers
 * @param {() => Buffer} memory For each read.
 */
async function copyAll(store, name, readers, memory) {
  await store.checkpoint()
  const reader = await store.open(ResourceKey.of(ASSET, name), { committed: true })
  const { path } = reader
  reader.close()
  if (path === undefined) throw new Error('the file has no name yet')
  const handles = await Promise.all(Array.from({ length: readers }, () => open(path)))
  const started = performance.now()
  await Promise.all(
    handles.map(async (handle) => {
      for (let at = 0; at < BYTES; ) {
        const { bytesRead } = await handle.read(memory(), 0, CHUNK, at)
        at += bytesRead
      }
    }),
  )
  const ms = performance.now() - started
  await Promise.all(handles.map((handle) => handle.close()))
  return ms
}
