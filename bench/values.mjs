// Whole values: 2 MiB read at once, as it is and verified, and small ones put and got.
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'
import cacache from 'cacache'
import { compare, compareAll } from './harness/compare.mjs'

/** @import { Asset } from '@cistern/assets' */
/** @import { Place } from './harness/place.mjs' */
/** @import { Result } from './harness/compare.mjs' */

const KIB = 1024
const LARGE = 2 * KIB * KIB
const LARGE_READS = 10
const SMALL = 4 * KIB
const SMALL_VALUES = 100

/** @param {Place} place */
export default async function values(place) {
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  try {
    return [...(await large(place, store)), ...(await small(place, store))]
  } finally {
    await store.close()
  }
}

/**
 * @param {Place} place
 * @param {AssetStore} store
 * @returns {Promise<Result[]>}
 */
async function large(place, store) {
  const bytes = Buffer.alloc(LARGE, 'a resource of two mebibytes')
  const sha512 = createHash('sha512').update(bytes).digest('hex')
  const asset = store.asset('large')
  await asset.put('resource', bytes)
  await store.checkpoint()
  const path = `${place.folder()}/resource`
  await writeFile(path, bytes)
  const cache = place.folder()
  await cacache.put(cache, 'resource', bytes)
  const peers = {
    readFile: {
      name: 'fs.promises.readFile',
      run: () => repeated(LARGE_READS, async () => whole(await readFile(path), LARGE)),
    },
    cacache: {
      name: 'cacache.get, by SHA-512',
      run: () => repeated(LARGE_READS, async () => whole((await cacache.get(cache, 'resource')).data, LARGE)),
    },
  }
  return [
    ...(await compareAll({
      name: '2 MiB read whole, warm',
      ours: { name: 'open + bytes()', run: () => repeated(LARGE_READS, () => readWhole(asset)) },
      others: [
        { ...peers.readFile, ratio: 'theirs/ours', target: { atLeast: 2 } },
        { ...peers.cacache, ratio: 'theirs/ours', target: { atLeast: 12 } },
      ],
      repetitions: 25,
      warmups: 5,
    })),
    ...(await compareAll({
      name: '2 MiB read whole, warm and verified',
      ours: {
        name: 'open({ verify: true }) + bytes(), by CRC32',
        run: () => repeated(LARGE_READS, () => readWhole(asset, { verify: true })),
      },
      others: [
        { ...peers.readFile, ratio: 'theirs/ours', target: { atLeast: 0.7 } },
        { ...peers.cacache, ratio: 'theirs/ours', target: { atLeast: 4 } },
      ],
      repetitions: 25,
      warmups: 5,
    })),
    // The digest is most of it, on both sides.
    await compare({
      name: '2 MiB read whole, warm, and its SHA-512 compared',
      ours: {
        name: 'open + bytes(), then createHash',
        run: () =>
          repeated(LARGE_READS, async () => {
            const got = await readWhole(asset)
            if (createHash('sha512').update(got).digest('hex') !== sha512) throw new Error('another digest')
          }),
      },
      theirs: peers.cacache,
      ratio: 'theirs/ours',
    }),
  ]
}

/**
 * @param {Place} place
 * @param {AssetStore} store
 * @returns {Promise<Result[]>}
 */
async function small(place, store) {
  const bytes = Buffer.alloc(SMALL, 'a small value')
  const cache = place.folder()
  const names = Array.from({ length: SMALL_VALUES }, (_, index) => `value-${index}`)
  let turn = 0
  const asset = store.asset('small')
  const get = {
    ours: {
      name: 'get',
      run: () => eachOf(names, async (name) => whole(await asset.get(name), SMALL)),
    },
    theirs: {
      name: 'cacache.get',
      run: () => eachOf(names, async (name) => whole((await cacache.get(cache, name)).data, SMALL)),
    },
  }
  const puts = await compare({
    name: `${SMALL_VALUES} values of 4 KiB put, one after the other`,
    ours: {
      name: 'put',
      run: () => eachOf(names, (name) => asset.put(name, bytes)),
      settle: () => store.checkpoint(),
    },
    theirs: {
      name: 'cacache.put',
      // Content that is there already is not written again: each has its own.
      run: () =>
        eachOf(names, (name) => {
          const own = Buffer.from(bytes)
          own.write(`${turn++}`)
          return cacache.put(cache, name, own)
        }),
      settle: async () => {
        await cacache.rm.all(cache)
        for (const name of names) await cacache.put(cache, name, bytes)
      },
    },
    ratio: 'theirs/ours',
  })
  return [
    puts,
    await compare({ name: `${SMALL_VALUES} values of 4 KiB got, one after the other`, ...get, ratio: 'theirs/ours' }),
  ]
}

/**
 * @param {Asset} asset
 * @param {import('@cistern/assets').OpenOptions} [options]
 */
async function readWhole(asset, options) {
  const reader = await asset.open('resource', options)
  try {
    const bytes = await reader.bytes()
    whole(bytes, LARGE)
    return bytes
  } finally {
    reader.close()
  }
}

/**
 * @param {number} times
 * @param {() => Promise<unknown>} step
 */
async function repeated(times, step) {
  for (let index = 0; index < times; index++) await step()
}

/**
 * @param {readonly string[]} names
 * @param {(name: string) => Promise<unknown>} step
 */
async function eachOf(names, step) {
  for (const name of names) await step(name)
}

/**
 * @param {Uint8Array | undefined} bytes
 * @param {number} size
 */
function whole(bytes, size) {
  if (bytes?.length !== size) throw new Error(`got ${bytes?.length} of ${size} bytes`)
}
