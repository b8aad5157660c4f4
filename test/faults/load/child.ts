// Fills 2,000 resources at once under a quota, and watches itself: `node --expose-gc child.js ROOT SEED SECONDS`
import { setTimeout as elapsed } from 'node:timers/promises'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { openFilesUnder } from '../../helpers/descriptors.js'
import { CACHED } from './bounds.js'
import { LoopWatch } from './loop-watch.js'
import { Memory } from './memory.js'
import type { LoadReport } from './report.js'
import { Sampling, slicesIn } from './slices.js'
import { Traffic } from './traffic.js'
import { Turns } from './turns.js'

const SLOTS = 200
const QUOTA = 64 * 1024 * 1024
const PIECES_PER_SECOND = 1_200
const TOO_LONG = 10 // ms
const KEPT = { asset: 'kept', bytes: 40 * 1024 * 1024 } // so that room is short soon

const [root = '', seed = '1', seconds = '15'] = process.argv.slice(2)
const violations: string[] = []
process.on('warning', (warning) => violations.push(`warning: ${warning.message}`))
process.on('unhandledRejection', (error) => violations.push(`unhandled: ${String(error)}`))
process.on('disconnect', () => process.exit(1)) // the parent is gone: nobody else would end this

const store = await AssetStore.open({ root, maxBytes: QUOTA, minFreeBytes: 0, cacheEntries: CACHED })
await store.pin(KEPT.asset)
await store.put(ResourceKey.of(KEPT.asset, 'film.mp4'), new Uint8Array(KEPT.bytes))
const most = { bytes: 0, atOnce: 0 }
for (const event of ['commit', 'evict', 'remove'] as const) store.on(event, lookAtQuota)
const turns = new Turns(PIECES_PER_SECOND)
const traffic = new Traffic(store, turns, Number(seed))
const running = traffic.run(SLOTS)
const memory = new Memory(Number(seconds) * 1_000)
const watching = setInterval(lookAround, 100)

await elapsed((Number(seconds) * 1_000) / 5) // until it has warmed up: compiled, and at its quota
const [loop, sampling] = [new LoopWatch(TOO_LONG), new Sampling()]
await sampling.start()
loop.start()
await elapsed((Number(seconds) * 1_000 * 2) / 5)
memory.collect()
await elapsed((Number(seconds) * 1_000 * 2) / 5)
loop.stop()
memory.collect()
const profile = await sampling.stop()
clearInterval(watching)
traffic.stop()
turns.close()
await running
const { evictions } = store.stats()
if (store.assetStat(KEPT.asset)?.bytes !== KEPT.bytes) violations.push('what was pinned is not there')
await store.close()
const left = openFilesUnder(root)
if (left.length > 0) violations.push(`open after close: ${left.slice(0, 5)}`)
const { readers, writers } = store.stats()
if (readers + writers > 0) violations.push(`${readers} readers and ${writers} writers after close`)

if (most.bytes > QUOTA) violations.push(`${most.bytes} bytes under a quota of ${QUOTA}`)
const p99 = loop.percentile(0.99)
const { isContended } = loop
if (!isContended && p99.own >= TOO_LONG) violations.push(`event-loop delay p99 is ${p99.own.toFixed(1)} ms`)
const slices = slicesIn(profile, loop.holds).sort((a, b) => b.ms - a.ms)
for (const { ms, what } of slices.slice(0, 5)) {
  if (!isContended && ms > TOO_LONG) violations.push(`${ms.toFixed(1)} ms at a stretch: ${what}`)
}
violations.push(...traffic.violations, ...memory.complaints())

const report: LoadReport = {
  violations,
  ...traffic.counts,
  evictions,
  most,
  p99,
  max: loop.percentile(1),
  isContended,
  holds: loop.holds.length,
  longestSlice: slices[0],
  memory: memory.told,
}
process.send?.(report)
process.disconnect()

function lookAtQuota(): void {
  most.bytes = Math.max(most.bytes, store.stats().bytes)
}

function lookAround(): void {
  lookAtQuota()
  most.atOnce = Math.max(most.atOnce, store.stats().writers)
  memory.look()
}
