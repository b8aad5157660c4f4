import { writeFileSync } from 'node:fs'
import { pack } from 'msgpackr'
import { decodeMetadata } from '../../packages/assets/dist/metadata.js'
import { assetName, committedOf, originOf } from './large-index.mjs'
import { onceARun } from './once-a-run.mjs'

/** @import { Origin, Shape } from './large-index.mjs' */

/**
 * What a large index knows, as one msgpack file of plain arrays: the least that someone would have who keeps the same in
 * memory without an index of ours. Written once in a run.
 * @param {Shape} shape
 * @returns {Promise<string>} Where.
 */
export async function sameContent(shape) {
  const folder = await onceARun(`content ${shape.assets} ${shape.perAsset}`, async (fresh) => {
    writeFileSync(`${fresh}/packed.bin`, pack(contentOf(shape)))
  })
  return `${folder}/packed.bin`
}

/** @param {Shape} shape */
function contentOf({ assets, perAsset }) {
  const origin = originOf(perAsset)
  return Array.from({ length: assets }, (_, asset) => {
    const resources = Array.from({ length: perAsset }, (_, index) => resourceOf(asset, index, origin))
    return [assetName(asset), (asset + 1) * perAsset, false, resources]
  })
}

/**
 * @param {number} asset
 * @param {number} index
 * @param {Origin} origin
 */
function resourceOf(asset, index, origin) {
  const { name, generation, length, checksums, fingerprint, committedAt, metadata } = committedOf(asset, index, origin)
  const blocks = [Buffer.from(checksums).readUInt32LE()]
  const told = metadata && decodeMetadata(metadata)
  return [name, generation, 'committed', length, [0, length], blocks, fingerprint, committedAt, told]
}
