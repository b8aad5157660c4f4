import { join } from 'node:path'
import { recover } from '../../packages/assets/dist/index/recovery.js'
import { encodeMetadata } from '../../packages/assets/dist/metadata.js'
import { assetName, committedOf, openLog, pathName } from './large-index.mjs'
import { shuffled } from './shuffled.mjs'

/** @import { IndexRecord } from '../../packages/assets/dist/index/record.js' */
/** @import { IndexState } from '../../packages/assets/dist/index/index-state.js' */
/** @import { Shape } from './large-index.mjs' */

/** What a resource that is taken in has on record: its part, its blocks, its commit, its final name. */
export const RECORDS_A_RESOURCE = 4

/**
 * Appends records to a large index, and leaves them in the journal as a process that is killed does. `new`: resources of
 * assets that it did not have, one after another as they are taken in. `changed`: new metadata of resources at random,
 * all over it.
 * @param {string} root
 * @param {Shape} shape
 * @param {{ readonly of: 'new' | 'changed', readonly records: number }} journal
 */
export async function appendJournal(root, shape, { of, records }) {
  const dir = join(root, '_index')
  const { state, storeId, tip } = await recover(dir, undefined)
  const log = openLog(dir, { storeId, session: 'changes' }, tip)
  for (const record of of === 'new' ? taken(shape, records) : changed(state, shape, records)) log.push(record)
  await log.close()
}

/**
 * @param {Shape} shape
 * @param {number} records
 * @returns {Generator<IndexRecord>}
 */
function* taken({ assets, perAsset }, records) {
  for (let count = 0; count < records / RECORDS_A_RESOURCE; count++) {
    const [asset, path] = [assetName(assets + Math.floor(count / perAsset)), pathName(count % perAsset)]
    const generation = `changes-${count.toString(36)}`
    const commit = () => ({ generation, committedAt: 1_760_000_000_000 + count })
    const { checksums, ...committed } = committedOf(0, count % perAsset, { commit })
    const crc = Buffer.from(checksums).readUInt32LE()
    const key = { asset, path }
    yield { type: 'stray', stray: { ...key, name: path, generation, published: false } }
    yield { type: 'blocks', ...key, generation, part: 'source', runs: [], fragments: [0, committed.length, crc] }
    yield { type: 'entry', ...key, committed: { ...committed, fingerprint: undefined }, active: undefined }
    yield { type: 'entry', ...key, committed, active: undefined }
  }
}

/**
 * @param {IndexState} state
 * @param {Shape} shape
 * @param {number} records
 * @returns {Generator<IndexRecord>}
 */
function* changed(state, { assets, perAsset }, records) {
  for (const resource of shuffled(assets * perAsset).slice(0, records)) {
    const [asset, path] = [assetName(Math.floor(resource / perAsset)), pathName(resource % perAsset)]
    const committed = state.entry(asset, path)?.committed
    if (committed === undefined) throw new Error(`${asset}/${path} is not in the index`)
    const metadata = encodeMetadata({ contentType: 'video/mp2t', etag: `"changed ${resource}"` })
    yield { type: 'entry', asset, path, committed: { ...committed, metadata }, active: undefined }
  }
}
