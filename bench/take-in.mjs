// Bytes arriving in pieces, written and committed, against what one would write by hand, against cacache, and against
// nothing but the system calls.
import { rm } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'
import cacache from 'cacache'
import { arriving, piecesOf } from './harness/arriving.mjs'
import { writeAtOnce, writeAwaited } from './harness/by-hand.mjs'
import { compare, compareAll } from './harness/compare.mjs'

/** @import { Asset } from '@cistern/assets' */
/** @import { Place } from './harness/place.mjs' */
/** @import { Side } from './harness/compare.mjs' */

const KIB = 1024
const BYTES = 2 * KIB * KIB
const STREAMS = 64
/** Until the code is compiled as in a program that has been running for a while. */
const LONG_WARMUPS = 150

/** @param {Place} place */
export default async function takeIn(place) {
  const bytes = Buffer.alloc(BYTES, 'a resource of two mebibytes')
  const large = piecesOf(bytes, 64 * KIB)
  const small = piecesOf(bytes, 16 * KIB)
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  const peers = new Peers(place)
  const ours = new Ours(store)
  await ours.begin()
  try {
    return [
      ...(await compareAll({
        name: '2 MiB taken in as 64 KiB pieces and committed',
        ours: ours.side('writeFrom', large),
        others: [
          { ...peers.awaited(large), ratio: 'theirs/ours', target: { atLeast: 1.8 } },
          { ...peers.atOnce(large), ratio: 'theirs/ours', target: { atLeast: 0.8 } },
          { ...peers.cacache(large), ratio: 'theirs/ours', target: { atLeast: 5 } },
        ],
        repetitions: 61,
        warmups: LONG_WARMUPS,
      })),
      await compare({
        name: '2 MiB taken in as 64 KiB pieces, each awaited, and committed',
        ours: ours.side('awaited writeAt', large),
        theirs: peers.awaited(large),
        ratio: 'theirs/ours',
        target: { atLeast: 0.9 },
        repetitions: 61,
        warmups: LONG_WARMUPS,
      }),
      ...(await compareAll({
        name: '2 MiB taken in as 16 KiB pieces and committed',
        ours: ours.side('writeFrom', small),
        others: [
          { ...peers.awaited(small), ratio: 'theirs/ours' },
          { ...peers.atOnce(small), ratio: 'theirs/ours' },
          { ...peers.cacache(small), ratio: 'theirs/ours' },
        ],
        repetitions: 31,
        warmups: 10,
      })),
      await compare({
        name: `${STREAMS} streams of 1 MiB at once, 16 KiB pieces`,
        ours: ours.side('writeFrom', small.slice(0, 64), STREAMS),
        theirs: peers.awaited(small.slice(0, 64), STREAMS),
        ratio: 'theirs/ours',
        target: { atLeast: 1.2 },
        repetitions: 15,
        warmups: 5,
      }),
      // Long enough for a flush to run beside it: we sync what we are given, and writing by hand does not.
      await compare({
        name: '16 × 2 MiB one after the other, syncs beside them',
        ours: ours.side('writeFrom', large, 16, false),
        theirs: peers.awaited(large, 16, false),
        ratio: 'theirs/ours',
      }),
    ]
  } finally {
    await store.close()
  }
}

class Ours {
  /** @type {AssetStore} */
  #store
  /** @type {Asset} */
  #asset

  /** @param {AssetStore} store */
  constructor(store) {
    this.#store = store
    this.#asset = store.asset('asset')
  }

  /** The asset has other segments already: its folder is there, as the one is that is written to by hand. */
  async begin() {
    await this.#asset.put('init.mp4', 'init')
    await this.#store.checkpoint()
  }

  /**
   * @param {'writeFrom' | 'awaited writeAt'} how
   * @param {readonly Uint8Array[]} pieces
   * @param {number} [resources]
   * @param {boolean} [atOnce]
   * @returns {Side}
   */
  side(how, pieces, resources = 1, atOnce = true) {
    const takeOne = how === 'writeFrom' ? takeInFrom : takeInAwaited
    let turn = 0
    return {
      name: `${how} + commit`,
      // Each time under new names: what is removed is closed in its key's turn, and nobody is to wait for that.
      run: () => each(resources, atOnce, (name) => takeOne(this.#asset, `${turn}-${name}`, pieces)),
      settle: async () => {
        await each(resources, true, (name) => this.#asset.remove(`${turn}-${name}`))
        await this.#store.checkpoint()
        turn++
      },
    }
  }
}

class Peers {
  /** @type {string} */
  #folder
  /** @type {string} */
  #cache

  /** @param {Place} place */
  constructor(place) {
    this.#folder = place.folder()
    this.#cache = place.folder()
  }

  /**
   * @param {readonly Uint8Array[]} pieces
   * @param {number} [resources]
   * @param {boolean} [atOnce]
   * @returns {Side}
   */
  awaited(pieces, resources = 1, atOnce = true) {
    return {
      name: 'awaited FileHandle.write + rename',
      run: () => each(resources, atOnce, (name) => writeAwaited(`${this.#folder}/${name}`, pieces)),
      settle: () => each(resources, true, (name) => rm(`${this.#folder}/${name}`)),
    }
  }

  /**
   * @param {readonly Uint8Array[]} pieces
   * @returns {Side}
   */
  atOnce(pieces) {
    const path = `${this.#folder}/resource`
    return { name: 'writeSync + renameSync', run: () => writeAtOnce(path, pieces), settle: () => rm(path) }
  }

  /**
   * Content that is there already is not written again: the folder is emptied each time.
   * @param {readonly Uint8Array[]} pieces
   * @returns {Side}
   */
  cacache(pieces) {
    return {
      name: 'cacache.put.stream',
      run: async () => {
        const stream = cacache.put.stream(this.#cache, 'resource')
        const stored = stream.promise()
        for (const piece of pieces) stream.write(piece)
        stream.end()
        await stored
      },
      settle: () => cacache.rm.all(this.#cache),
    }
  }
}

/**
 * @param {number} resources
 * @param {boolean} atOnce
 * @param {(name: string) => Promise<unknown>} step
 */
async function each(resources, atOnce, step) {
  const names = Array.from({ length: resources }, (_, index) => `${index}.ts`)
  if (atOnce) await Promise.all(names.map(step))
  else for (const name of names) await step(name)
}

/**
 * @param {Asset} asset
 * @param {string} name
 * @param {readonly Uint8Array[]} pieces
 */
async function takeInFrom(asset, name, pieces) {
  const { writer, reader } = await asset.acquire(name)
  if (!writer) throw new Error('the resource is there already')
  await writer.writeFrom(arriving(pieces))
  await writer.commit()
  reader.close()
}

/**
 * @param {Asset} asset
 * @param {string} name
 * @param {readonly Uint8Array[]} pieces
 */
async function takeInAwaited(asset, name, pieces) {
  const { writer, reader } = await asset.acquire(name)
  if (!writer) throw new Error('the resource is there already')
  let position = 0
  for await (const piece of arriving(pieces)) {
    await writer.writeAt(position, piece)
    position += piece.length
  }
  await writer.commit()
  reader.close()
}
