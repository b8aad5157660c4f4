// Reads of a committed resource that the page cache holds, against the same reads of the same file without a store.
import { closeSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { AssetStore } from '@cistern/assets'
import FsChunkStore from 'fs-chunk-store'
import RandomAccessFile from 'random-access-file'
import { compareAll } from './harness/compare.mjs'

/** @import { FileHandle } from 'node:fs/promises' */
/** @import { ResourceReader } from '@cistern/assets' */
/** @import { Place } from './harness/place.mjs' */
/** @import { Side, Target } from './harness/compare.mjs' */

const KIB = 1024
const MIB = KIB * KIB
const FILE_BYTES = 64 * MIB
/** As many bytes in each repetition, whatever the size of a read, but not more reads than that. */
const TURN_BYTES = 64 * MIB
const MOST_READS = 2_000
const MOST_IN_FLIGHT = 8

/** @param {Place} place */
export default async function read(place) {
  const store = await AssetStore.open({ root: place.folder(), minFreeBytes: 0 })
  const asset = store.asset('asset')
  await asset.put('file.mp4', Buffer.alloc(FILE_BYTES, 'what is read'))
  await store.checkpoint() // the finished file has its name now
  const reader = await asset.open('file.mp4', { committed: true })
  const path = reader.path
  if (path === undefined) throw new Error('the file has no name yet')
  const sides = await Sides.open(reader, path)
  try {
    const results = []
    for (const size of [4 * KIB, 64 * KIB]) results.push(...(await readingSync(sides, size)))
    results.push(...(await reading(sides, 64 * KIB, 1, 'random', { atLeast: 1.15 })))
    results.push(...(await reading(sides, 64 * KIB, MOST_IN_FLIGHT, 'random', { atLeast: 1.5 })))
    for (const size of [4 * KIB, MIB]) results.push(...(await reading(sides, size, 1, 'random')))
    for (const size of [4 * KIB, 64 * KIB, MIB]) results.push(...(await reading(sides, size, 1, 'sequential')))
    return results
  } finally {
    await sides.close()
    reader.close()
    await store.close()
  }
}

/**
 * @param {Sides} sides
 * @param {number} size
 */
function readingSync(sides, size) {
  const positions = positionsOf(size, 'random')
  return compareAll({
    name: `readAtSync of ${size / KIB} KiB`,
    ours: sides.oursSync(size, positions),
    others: [{ ...sides.fsSync(size, positions), ratio: 'ours/theirs', target: { atMost: 1.1 } }],
    repetitions: 25,
    warmups: 5,
  })
}

/**
 * @param {Sides} sides
 * @param {number} size
 * @param {number} inFlight
 * @param {'random' | 'sequential'} order
 * @param {Target} [target]
 */
function reading(sides, size, inFlight, order, target) {
  const positions = positionsOf(size, order)
  return compareAll({
    name: `readAt of ${size / KIB} KiB, ${order}, ${inFlight} in flight`,
    ours: sides.ours(size, inFlight, positions),
    others: [
      { ...sides.randomAccessFile(size, inFlight, positions), ratio: 'theirs/ours', target },
      { ...sides.fileHandle(size, inFlight, positions), ratio: 'theirs/ours' },
      { ...sides.chunkStore(size, inFlight, positions), ratio: 'theirs/ours' },
    ],
    repetitions: 11,
  })
}

/** The ways to read that are measured. */
class Sides {
  /** @type {ResourceReader} */
  #reader
  /** @type {string} */
  #path
  /** @type {FileHandle} */
  #handle
  /** @type {number} */
  #descriptor
  /** @type {RandomAccessFile} */
  #file
  /** One for each read in flight. */
  #targets = Array.from({ length: MOST_IN_FLIGHT }, () => Buffer.alloc(MIB))

  /**
   * @param {ResourceReader} reader
   * @param {string} path
   * @param {FileHandle} handle
   */
  constructor(reader, path, handle) {
    this.#reader = reader
    this.#path = path
    this.#handle = handle
    this.#descriptor = openSync(path, 'r')
    this.#file = new RandomAccessFile(path, { writable: false })
  }

  /**
   * @param {ResourceReader} reader
   * @param {string} path
   */
  static async open(reader, path) {
    const sides = new Sides(reader, path, await open(path, 'r'))
    await settled((/** @type {Done<void>} */ done) => sides.#file.open((error) => done(error)))
    return sides
  }

  async close() {
    closeSync(this.#descriptor)
    await this.#handle.close()
    await settled((/** @type {Done<void>} */ done) => this.#file.close((error) => done(error)))
  }

  /**
   * @param {number} size
   * @param {readonly number[]} positions
   * @returns {Side}
   */
  oursSync(size, positions) {
    const target = this.#target(0, size)
    return {
      name: 'readAtSync',
      run: () => {
        for (const position of positions) whole(this.#reader.readAtSync(position, target), size)
      },
    }
  }

  /**
   * @param {number} size
   * @param {readonly number[]} positions
   * @returns {Side}
   */
  fsSync(size, positions) {
    const target = this.#target(0, size)
    return {
      name: 'fs.readSync',
      run: () => {
        for (const position of positions) whole(readSync(this.#descriptor, target, 0, size, position), size)
      },
    }
  }

  /**
   * @param {number} size
   * @param {number} inFlight
   * @param {readonly number[]} positions
   * @returns {Side}
   */
  ours(size, inFlight, positions) {
    const targets = this.#targets.map((_, lane) => this.#target(lane, size))
    return {
      name: 'readAt',
      run: () =>
        inLanes(inFlight, positions, async (position, lane) => {
          whole(await this.#reader.readAt(position, /** @type {Buffer} */ (targets[lane])), size)
        }),
    }
  }

  /**
   * @param {number} size
   * @param {number} inFlight
   * @param {readonly number[]} positions
   * @returns {Side}
   */
  fileHandle(size, inFlight, positions) {
    return {
      name: 'FileHandle.read',
      run: () =>
        inLanes(inFlight, positions, async (position, lane) => {
          const { bytesRead } = await this.#handle.read(/** @type {Buffer} */ (this.#targets[lane]), 0, size, position)
          whole(bytesRead, size)
        }),
    }
  }

  /**
   * It allocates a buffer for each read.
   * @param {number} size
   * @param {number} inFlight
   * @param {readonly number[]} positions
   * @returns {Side}
   */
  randomAccessFile(size, inFlight, positions) {
    return {
      name: 'random-access-file read',
      run: () =>
        inLanes(inFlight, positions, async (position) => {
          const buffer = await settled((/** @type {Done<Buffer>} */ done) => this.#file.read(position, size, done))
          whole(buffer.length, size)
        }),
    }
  }

  /**
   * Its chunks are of one size: a store for each.
   * @param {number} size
   * @param {number} inFlight
   * @param {readonly number[]} positions
   * @returns {Side}
   */
  chunkStore(size, inFlight, positions) {
    const store = new FsChunkStore(size, { path: this.#path, length: FILE_BYTES })
    return {
      name: 'fs-chunk-store get',
      run: () =>
        inLanes(inFlight, positions, async (position) => {
          const chunk = await settled((/** @type {Done<Uint8Array>} */ done) => store.get(position / size, done))
          whole(chunk.length, size)
        }),
    }
  }

  /**
   * @param {number} lane
   * @param {number} size
   */
  #target(lane, size) {
    return /** @type {Buffer} */ (this.#targets[lane]).subarray(0, size)
  }
}

/**
 * @template T
 * @typedef {(error: Error | null, result?: T) => void} Done
 */

/**
 * What a function with a callback comes to.
 * @template T
 * @param {(done: Done<T>) => void} call
 * @returns {Promise<T>}
 */
function settled(call) {
  return new Promise((resolve, reject) =>
    call((error, result) => (error ? reject(error) : resolve(/** @type {T} */ (result)))),
  )
}

/**
 * @param {number} inFlight
 * @param {readonly number[]} positions
 * @param {(position: number, lane: number) => Promise<void>} readOne
 */
async function inLanes(inFlight, positions, readOne) {
  let next = 0
  const lanes = Array.from({ length: inFlight }, async (_, lane) => {
    while (next < positions.length) await readOne(/** @type {number} */ (positions[next++]), lane)
  })
  await Promise.all(lanes)
}

/**
 * Aligned to their size: fs-chunk-store knows no others.
 * @param {number} size
 * @param {'random' | 'sequential'} order
 */
function positionsOf(size, order) {
  const chunks = FILE_BYTES / size
  const reads = Math.min(TURN_BYTES / size, MOST_READS)
  // A stride that has no divisor in common with a power of two visits all of them, each time in the same order.
  const stride = order === 'sequential' ? 1 : 7919
  return Array.from({ length: reads }, (_, index) => ((index * stride) % chunks) * size)
}

/**
 * @param {number} bytes
 * @param {number} size
 */
function whole(bytes, size) {
  if (bytes !== size) throw new Error(`read ${bytes} of ${size} bytes`)
}
