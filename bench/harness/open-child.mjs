// A process of its own, as a start is: `node --expose-gc open-child.mjs store ROOT` or `… unpack FILE`. Sends what it took,
// and dies without closing: what a close would write is not looked at.
import { readFileSync } from 'node:fs'
import { AssetStore } from '@cistern/assets'
import { unpack } from 'msgpackr'

/** What one start took: its time, what stays in memory, and how many resources are there. @typedef {{ ms: number, bytes: number, resources: number }} Start */

const [what, where = ''] = process.argv.slice(2)
process.send?.(what === 'store' ? await openStore(where) : unpackFile(where), () => process.exit())

/**
 * @param {string} root
 * @returns {Promise<Start>}
 */
async function openStore(root) {
  const before = memory()
  const started = performance.now()
  const store = await AssetStore.open({ root, minFreeBytes: 0 })
  const ms = performance.now() - started
  const bytes = memory() - before
  const { resources } = store.stats()
  return { ms, bytes, resources }
}

/**
 * @param {string} file
 * @returns {Start}
 */
function unpackFile(file) {
  const packed = readFileSync(file)
  const before = memory()
  const started = performance.now()
  /** @type {unknown[][]} */
  const assets = unpack(packed)
  const ms = performance.now() - started
  const bytes = memory() - before
  const resources = assets.reduce((sum, asset) => sum + /** @type {unknown[]} */ (asset[3]).length, 0)
  return { ms, bytes, resources }
}

/** `external` holds the array buffers too. */
function memory() {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
