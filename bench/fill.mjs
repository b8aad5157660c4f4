// What the filler adds to a fetch: to the first byte that a reader waits for, and to the bytes of one large file.
import { setTimeout as elapsed } from 'node:timers/promises'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { Filler, httpSource } from '@cistern/fill'
import { Child } from './harness/child.mjs'
import { compare, spreadOf } from './harness/compare.mjs'
import { Origin } from './harness/origin.mjs'
import { times } from './harness/quick.mjs'

/** @import { Place } from './harness/place.mjs' */
/** @import { Result } from './harness/compare.mjs' */

const MIB = 1024 * 1024
const LATENCY_MS = 20
/** Bytes a second. */
const RATE = 100_000_000
const FIRST_BYTES = 100
/** Until the code is compiled, as in a program that has been running for a while. */
const WARM_UPS = times(40)
const FILM = 64 * MIB
const LARGE = 128 * MIB
/** Made before, as a server's is. */
const target = new Uint8Array(64 * 1024)

/** @param {Place} place */
export default async function fill(place) {
  const origin = await Origin.open()
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  const filler = new Filler(store)
  try {
    return [...(await firstByte(origin, filler)), await throughput(origin, place)]
  } finally {
    await filler.close()
    await store.close()
    await origin[Symbol.asyncDispose]()
  }
}

/**
 * From the call to the byte, less what the origin took to send its headers: measured there, since a timer is late.
 * @param {Origin} origin
 * @param {Filler} filler
 * @returns {Promise<Result[]>}
 */
async function firstByte(origin, filler) {
  /** @type {number[]} */
  const seeks = []
  /** @type {number[]} */
  const opens = []
  /** @type {number[]} */
  const fetches = []
  for (let turn = -WARM_UPS; turn < times(FIRST_BYTES); turn++) {
    const position = 1 + (((turn + WARM_UPS) * 1_234_567) % (FILM - MIB))
    const our = await beyondLatency(origin, `seek${turn}`, (url) => seek(filler, url, position))
    const their = await beyondLatency(origin, `fetch${turn}`, (url) => fetchOne(url, position))
    if (turn < 0) continue
    seeks.push(our.ms)
    opens.push(our.ms + our.openMs)
    fetches.push(their.ms)
  }
  const name = 'the first byte at a cold position, to a reader'
  const sides = {
    'waitRange and readAt': spreadOf(seeks),
    'fetch of the same range, to its first piece': spreadOf(fetches),
  }
  return [
    {
      name: `${name}, beyond what the origin takes to answer a fetch`,
      ratio: 'ms more than fetch takes',
      ratios: spreadOf(seeks.map((ms, turn) => ms - (fetches[turn] ?? Number.NaN))),
      sides,
      unit: 'ms',
      target: { atMost: 2 },
    },
    {
      name: `${name}, beyond the ${LATENCY_MS} ms that the origin waits before its headers`,
      ratio: 'ms, waitRange and readAt',
      ratios: spreadOf(seeks),
      sides,
      unit: 'ms',
      target: undefined,
    },
    {
      name: `the same, of a resource that is not open`,
      ratio: 'ms, open, waitRange and readAt',
      ratios: spreadOf(opens),
      sides: { 'fetch of the same range, to its first piece': spreadOf(fetches) },
      unit: 'ms',
      target: undefined,
    },
  ]
}

/**
 * @typedef {object} Got
 * @property {number} openMs What opening took, before it was asked for the byte.
 * @property {() => void} letGo Of the rest.
 */

/**
 * @param {Origin} origin
 * @param {string} name
 * @param {(url: string) => Promise<Got>} get
 */
async function beyondLatency(origin, name, get) {
  const url = origin.url(name, { bytes: FILM, rate: RATE, latency: LATENCY_MS })
  const started = performance.now()
  const { openMs, letGo } = await get(url)
  const ms = performance.now() - started - openMs
  letGo()
  await elapsed(2 * LATENCY_MS) // what was on its way is over: the next one is alone
  return { ms: ms - (await origin.latency(name)), openMs }
}

/**
 * @param {Filler} filler
 * @param {string} url
 * @param {number} position
 * @returns {Promise<Got>}
 */
async function seek(filler, url, position) {
  const started = performance.now()
  const reader = await filler.open(ResourceKey.of('seeks', new URL(url).pathname.slice(1)), httpSource(url))
  const openMs = performance.now() - started
  await reader.waitRange(position, position + 1)
  await reader.readAt(position, target)
  return { openMs, letGo: () => reader.close() }
}

/**
 * @param {string} url
 * @param {number} position
 * @returns {Promise<Got>}
 */
async function fetchOne(url, position) {
  const leaving = new AbortController()
  const { body } = await fetch(url, { headers: { range: `bytes=${position}-` }, signal: leaving.signal })
  await body?.getReader().read()
  return { openMs: 0, letGo: () => leaving.abort() }
}

/**
 * @param {Origin} origin
 * @param {Place} place
 */
async function throughput(origin, place) {
  const url = origin.url('large', { bytes: LARGE })
  const ours = Child.start('./fill-child.mjs', place.folder())
  const theirs = Child.start('./fill-child.mjs', place.folder())
  try {
    return await compare({
      name: 'filling one file of 128 MiB from an origin that is never behind, each in a process of its own',
      ratio: 'theirs/ours',
      target: { atLeast: 1.1 },
      ours: {
        name: 'Filler.complete, committed',
        run: () => ours.ask('fill', url),
        settle: () => ours.ask('removed'),
      },
      theirs: {
        name: 'fetch piped to createWriteStream',
        run: () => theirs.ask('pipe', url),
        settle: () => theirs.ask('unlinked'),
      },
    })
  } finally {
    await ours[Symbol.asyncDispose]()
    await theirs[Symbol.asyncDispose]()
  }
}
