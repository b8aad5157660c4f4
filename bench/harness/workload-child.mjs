// One workload in a process of its own: what another one left in memory or compiled has no part in it, and its peak memory is
// its own. `node workload-child.mjs NAME`; sends a Told, or a Failure.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as elapsed } from 'node:timers/promises'
import { Place, Skipped } from './place.mjs'

/** @import { Result } from './compare.mjs' */

/**
 * What was measured, and how the process fared meanwhile, all sides together.
 * @typedef {object} Told
 * @property {Result[]} results
 * @property {string[]} leftOut
 * @property {{ p99Ms: number, maxMs: number }} loop
 * @property {number} peakMiB
 */

/** @typedef {{ readonly skipped: string } | { readonly failed: string }} Failure */

const RESOLUTION_MS = 1
/** A histogram that is enabled in the turn in which the work begins misses the first block. */
const AHEAD_MS = 50

const [name = ''] = process.argv.slice(2)
const place = new Place()
process.on('exit', () => place[Symbol.dispose]())
process.on('disconnect', () => process.exit(1)) // who asked is gone
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

const answer = await measured().catch(failure)
process.send?.(answer, () => process.exit())

/** @returns {Promise<Told>} */
async function measured() {
  const workload = await import(new URL(`../${name}.mjs`, import.meta.url).href)
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  await elapsed(AHEAD_MS)
  const results = await workload.default(place)
  delay.disable()
  return {
    results,
    leftOut: place.leftOut,
    loop: { p99Ms: beyondTimer(delay.percentile(99)), maxMs: beyondTimer(delay.max) },
    peakMiB: process.resourceUsage().maxRSS / 1024,
  }
}

/**
 * @param {unknown} error
 * @returns {Failure}
 */
function failure(error) {
  if (error instanceof Skipped) return { skipped: error.message }
  return { failed: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

/**
 * The histogram holds the time from one firing of its timer to the next.
 * @param {number} ns
 */
function beyondTimer(ns) {
  return Math.max(0, ns / 1e6 - RESOLUTION_MS)
}
