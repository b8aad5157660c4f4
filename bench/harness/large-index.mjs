import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { compact } from '../../packages/assets/dist/index/compaction.js'
import { IndexState } from '../../packages/assets/dist/index/index-state.js'
import { LEAF_MAX, Leaf } from '../../packages/assets/dist/index/leaf.js'
import { JournalLog } from '../../packages/assets/dist/index/log.js'
import { encodeMetadata } from '../../packages/assets/dist/metadata.js'
import { fingerprintLike } from './memory-backend.mjs'
import { onceARun } from './once-a-run.mjs'

/** @import { CommittedSlot } from '../../packages/assets/dist/index/entry.js' */
/** @import { PackedLeaf } from '../../packages/assets/dist/index/record.js' */

/** Where nothing else is said. */
export const RESOURCES_AN_ASSET = 10

/** @typedef {{ readonly assets: number, readonly perAsset: number }} Shape */

/**
 * Who wrote it, and when: what two indexes of one shape differ in.
 * @typedef {object} Origin
 * @property {Uint8Array} storeId
 * @property {string} session
 * @property {(asset: number, index: number) => { readonly generation: string, readonly committedAt: number }} commit
 */

/**
 * What the resources with one number have in common in all assets.
 * @type {Omit<CommittedSlot, 'generation' | 'committedAt'>[]}
 */
const sameForAll = []
/**
 * Puts the index of a store of many small resources below `root`; their files were never there. Whoever opens it with
 * `AssetStore.open` and touches a file of an asset finds none.
 * @param {string} root
 * @param {Shape} shape
 */
export async function buildLargeIndex(root, shape) {
  cpSync(await largeIndex(shape), root, { recursive: true })
}

/**
 * A root with that index, to be copied and not opened: each shape is written once in a run.
 * @param {Shape} shape
 */
export function largeIndex(shape) {
  return onceARun(`index ${shape.assets} ${shape.perAsset}`, (folder) => writeLargeIndex(folder, shape))
}

/**
 * Takes the way of a compaction and not that of a million `put`s: they leave the same snapshots, see large-index-check.mjs.
 * @param {string} root
 * @param {Shape} shape
 * @param {Origin} [origin]
 */
export async function writeLargeIndex(root, { assets, perAsset }, origin = originOf(perAsset)) {
  const dir = join(root, '_index')
  const { storeId, session } = origin
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const state = new IndexState()
  for (let asset = 0; asset < assets; asset++) {
    state.apply({ type: 'leaves', leaves: leavesOf(asset, perAsset, origin) }, 0)
    state.row(assetName(asset)).use = (asset + 1) * perAsset
  }
  const log = openLog(dir, origin, { number: 0, sequence: 0 })
  await compact({ dir, storeId, session, relaxed: true, state, log, counted: new Map(), check: () => undefined })
  await log.close()
}

/** @param {number} asset */
export function assetName(asset) {
  return `asset-${String(asset).padStart(6, '0')}`
}

/** @param {number} index */
export function pathName(index) {
  return `segment-${String(index).padStart(5, '0')}.ts`
}

/** @param {number} index */
export function metadataOf(index) {
  return { contentType: 'video/mp2t', etag: `"${index}"` }
}

/** @param {number} index */
export function bodyOf(index) {
  return Buffer.alloc(100, index)
}

/**
 * @param {string} dir
 * @param {{ readonly storeId: Uint8Array, readonly session: string }} origin
 * @param {{ readonly number: number, readonly sequence: number }} predecessor
 */
export function openLog(dir, { storeId, session }, predecessor) {
  return new JournalLog({
    dir,
    storeId,
    session,
    relaxed: true,
    predecessor,
    firstNumber: predecessor.number + 1,
    check: () => undefined,
    riders: () => [],
    onFailure: (error) => {
      throw error
    },
    onRestored: () => undefined,
    onAppended: () => undefined,
  })
}

/**
 * What `put`s in order leave, a leaf that has grown too large split in two.
 * @param {number} asset
 * @param {number} perAsset
 * @param {Origin} origin
 * @returns {PackedLeaf[]}
 */
function leavesOf(asset, perAsset, origin) {
  const leaves = [new Leaf('')]
  for (let index = 0; index < perAsset; index++) {
    const leaf = /** @type {Leaf} */ (leaves.at(-1))
    const committed = committedOf(asset, index, origin)
    leaf.set({ path: committed.name, committed, active: undefined })
    leaf.touch(0)
    if (++leaf.count > LEAF_MAX) leaves.push(leaf.split())
  }
  return leaves.map((leaf) => {
    const packed = leaf.packed()
    const { first, count, stored } = leaf
    return { asset: assetName(asset), first, count, stored, asOf: 0, names: [], packed }
  })
}

/**
 * @param {number} asset
 * @param {number} index
 * @param {Pick<Origin, 'commit'>} origin
 * @returns {CommittedSlot} What a `put` records in the end.
 */
export function committedOf(asset, index, { commit }) {
  let alike = sameForAll[index]
  if (alike === undefined) {
    const body = bodyOf(index)
    const checksums = new Uint8Array(4)
    new DataView(checksums.buffer).setUint32(0, crc32(body), true)
    alike = {
      name: pathName(index),
      length: body.length,
      checksums,
      fingerprint: fingerprintLike(body.length),
      processor: undefined,
      validator: undefined,
      metadata: encodeMetadata(metadataOf(index)),
      unsynced: false,
    }
    sameForAll[index] = alike
  }
  const { generation, committedAt } = commit(asset, index)
  return { ...alike, generation, committedAt }
}

/**
 * @param {number} perAsset
 * @returns {Origin}
 */
export function originOf(perAsset) {
  const session = randomBytes(8).toString('hex')
  const now = Date.now()
  return {
    storeId: new Uint8Array(randomBytes(16)),
    session,
    commit: (asset, index) => {
      const count = asset * perAsset + index
      return { generation: `${session}-${(count + 1).toString(36)}`, committedAt: now + Math.floor(count / 20) }
    },
  }
}
