// Opening what is committed and closing it again: one that the store keeps open, and one that it has to open.
import { closeSync, fstatSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'
import { compareAll, spreadOf } from './harness/compare.mjs'

/** @import { Place } from './harness/place.mjs' */
/** @import { Result } from './harness/compare.mjs' */

const RESOURCES = 64
const WARM_OPENS = 20_000
const WARM_TURNS = 15
const COLD_OPENS = 512

/** @param {Place} place */
export default async function openClose(place) {
  return [await warm(place), ...(await cold(place))]
}

/**
 * @param {Place} place
 * @returns {Promise<Result>}
 */
async function warm(place) {
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  try {
    const asset = store.asset('asset')
    await asset.put('resource', 'bytes')
    await store.checkpoint()
    const each = []
    for (let turn = -3; turn < WARM_TURNS; turn++) {
      const started = performance.now()
      for (let index = 0; index < WARM_OPENS; index++) (await asset.open('resource')).close()
      if (turn >= 0) each.push(((performance.now() - started) * 1000) / WARM_OPENS)
    }
    const times = spreadOf(each)
    return {
      name: 'warm open and close',
      ratio: 'µs for each, AssetStore',
      ratios: times,
      sides: { 'open + close': times },
      unit: 'µs',
      target: { atMost: 3 },
    }
  } finally {
    await store.close()
  }
}

/**
 * @param {Place} place
 * @returns {Promise<Result[]>}
 */
async function cold(place) {
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0, cacheEntries: 0 })
  try {
    const asset = store.asset('asset')
    const names = Array.from({ length: RESOURCES }, (_, index) => `${index}.ts`)
    for (const name of names) await asset.put(name, Buffer.alloc(4096, name))
    await store.checkpoint()
    const paths = await Promise.all(
      names.map(async (name) => {
        const reader = await asset.open(name)
        const { path } = reader
        reader.close()
        if (path === undefined) throw new Error('the file has no name yet')
        return path
      }),
    )
    const times = Array.from({ length: COLD_OPENS }, (_, index) => index % RESOURCES)
    return await compareAll({
      name: `${COLD_OPENS} cold opens and closes`,
      ours: {
        name: 'open + close, cacheEntries 0',
        run: async () => {
          for (const index of times) (await asset.open(/** @type {string} */ (names[index]))).close()
        },
      },
      others: [
        {
          name: 'fs.promises.open + stat + close',
          run: async () => {
            for (const index of times) {
              const handle = await open(/** @type {string} */ (paths[index]))
              await handle.stat()
              await handle.close()
            }
          },
          ratio: 'theirs/ours',
          target: { atLeast: 12 },
        },
        {
          name: 'openSync + fstatSync + closeSync',
          run: () => {
            for (const index of times) {
              const descriptor = openSync(/** @type {string} */ (paths[index]), 'r')
              fstatSync(descriptor)
              closeSync(descriptor)
            }
          },
          ratio: 'theirs/ours',
        },
      ],
      repetitions: 25,
      warmups: 10,
    })
  } finally {
    await store.close()
  }
}
