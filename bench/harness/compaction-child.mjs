// A process whose store compacts its index when it is asked to: `node compaction-child.mjs ROOT`.
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { answering } from './child.mjs'
import { assetName, pathName, RESOURCES_AN_ASSET } from './large-index.mjs'
import { shuffled } from './shuffled.mjs'

/**
 * Milliseconds: of the compaction, of a bare write, of the event loop's delay.
 * @typedef {{ ms: number, bareMs: number, checkpointMs: number, p99: number, max: number }} Compacted
 */

const [root = ''] = process.argv.slice(2)
const store = await AssetStore.open({ root, minFreeBytes: 0 })
const order = shuffled(store.stats().resources)
/** Whose metadata fills the journal: the snapshots stay as they are. */
const filler = ResourceKey.of(assetName(0), pathName(0))
const LARGEST = 60 * 1024
let next = 0

answering({ compact, close: () => store.close() })

/** @returns {Promise<Compacted>} */
async function compact() {
  for (let change = 0; change < 1000; change++) await store.setMetadata(anyKey(), { etag: `"changed ${next}"` })
  const checkpointed = performance.now()
  await store.checkpoint()
  const checkpointMs = performance.now() - checkpointed
  const due = snapshotBytes() / 4
  while (journalBytes() < due - 2 * LARGEST) await fillJournal()
  await store.setMetadata(filler, {})
  const before = statSync(covFile()).ino
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await setTimeout(50) // a monitor that is enabled in the turn of the work would miss it
  const started = performance.now()
  while (journalBytes() < due) await fillJournal()
  await store.setMetadata(filler, {})
  while (statSync(covFile()).ino === before) await setTimeout(10)
  const ms = performance.now() - started
  delay.disable()
  return { ms, bareMs: await bareWrite(), checkpointMs, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 }
}

function anyKey() {
  const resource = order[next++ % order.length] ?? 0
  return ResourceKey.of(assetName(Math.floor(resource / RESOURCES_AN_ASSET)), pathName(resource % RESOURCES_AN_ASSET))
}

function fillJournal() {
  return store.setMetadata(filler, { fill: Buffer.alloc(LARGEST) })
}

function covFile() {
  return `${root}/_index/cov.bin`
}

function snapshotBytes() {
  return ['cov', 'lru', 'pins'].reduce((sum, kind) => sum + statSync(`${root}/_index/${kind}.bin`).size, 0)
}

/** Of the one that is written: those before it are of the snapshots. */
function journalBytes() {
  const numbers = readdirSync(`${root}/_index`).map((name) => Number(/^journal-(\d+)\.log$/.exec(name)?.[1] ?? 0))
  return statSync(`${root}/_index/journal-${Math.max(...numbers)}.log`).size
}

/** The same bytes in pieces of 1 MiB, read beforehand. */
async function bareWrite() {
  const pieces = []
  for await (const piece of createReadStream(covFile(), { highWaterMark: 1024 * 1024 })) pieces.push(piece)
  const started = performance.now()
  const file = await open(`${root}/bare.bin`, 'w')
  for (const piece of pieces) await file.write(piece)
  await file.datasync()
  await file.close()
  const ms = performance.now() - started
  await unlink(`${root}/bare.bin`)
  return ms
}
