// Opening a store of 100,000 resources, each time in a new process, against a bare msgpackr unpack of the same content.
// The resources' files do not exist: an open that touched one would find them gone.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { compare, spreadOf } from './harness/compare.mjs'
import { buildLargeIndex } from './harness/large-index.mjs'
import { packSameContent } from './harness/same-content.mjs'

/** @import { Place } from './harness/place.mjs' */
/** @import { Start } from './harness/open-child.mjs' */

const RESOURCES = 100_000
const child = fileURLToPath(new URL('./harness/open-child.mjs', import.meta.url))

/** @param {Place} place */
export default async function openLarge(place) {
  return [...(await openShape(place, 10)), ...(await openShape(place, 100))]
}

/**
 * @param {Place} place
 * @param {number} perAsset
 */
async function openShape(place, perAsset) {
  const root = place.folder({ inMemory: true })
  const packed = `${place.folder({ inMemory: true })}/packed.bin`
  await buildLargeIndex(root, { assets: RESOURCES / perAsset, perAsset })
  await packSameContent(root, packed)
  /** @type {number[]} */
  const ourBytes = []
  /** @type {number[]} */
  const theirBytes = []
  const shape = `${RESOURCES} resources, ${perAsset} an asset`
  const time = await compare({
    name: `open, ${shape}`,
    ratio: 'ours/theirs',
    target: { atMost: 0.7 },
    ours: { name: 'AssetStore.open', run: () => start('store', root, ourBytes) },
    theirs: { name: 'msgpackr unpack', run: () => start('unpack', packed, theirBytes) },
  })
  const memory = {
    name: `memory after open, ${shape}`,
    ratio: 'bytes a resource, AssetStore',
    ratios: spreadOf(ourBytes),
    sides: { 'bytes a resource, msgpackr unpack': spreadOf(theirBytes) },
    unit: 'bytes',
    target: { atMost: 150 },
  }
  return [time, memory]
}

/**
 * @param {'store' | 'unpack'} what
 * @param {string} where
 * @param {number[]} bytesEach
 */
async function start(what, where, bytesEach) {
  const process = fork(child, [what, where], { execArgv: ['--expose-gc'] })
  const ended = once(process, 'exit')
  const [told] = await Promise.race([once(process, 'message'), ended.then(() => [undefined])])
  await ended
  const { ms, bytes, resources } = /** @type {Partial<Start>} */ (told ?? {})
  if (ms === undefined || bytes === undefined || resources !== RESOURCES)
    throw new Error(`${what} found ${resources} resources`)
  bytesEach.push(bytes / RESOURCES)
  return ms
}
