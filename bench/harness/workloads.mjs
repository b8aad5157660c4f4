import { fork } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** @import { Result } from './compare.mjs' */
/** @import { Failure, Told } from './workload-child.mjs' */

/**
 * How a workload ended. `loop` and `peakMiB` are of its process, all sides together: for orientation.
 * @typedef {object} Workload
 * @property {string} name
 * @property {'measured' | 'failed' | 'skipped'} state
 * @property {string} [reason] Why it failed or was skipped.
 * @property {number} seconds
 * @property {string[]} leftOut What of it could not be measured, and why.
 * @property {Told['loop']} [loop]
 * @property {number} [peakMiB]
 */

const child = fileURLToPath(new URL('./workload-child.mjs', import.meta.url))

/** All there are: the files of bench/. */
export function workloadNames() {
  return readdirSync(new URL('..', import.meta.url))
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => file.slice(0, -'.mjs'.length))
    .sort()
}

/**
 * Never rejects: a workload that fails, or whose process dies, is told as failed.
 * @param {string} name
 * @param {{ quick: boolean }} how
 * @returns {Promise<{ workload: Workload, results: Result[] }>}
 */
export async function runWorkload(name, { quick }) {
  const started = performance.now()
  const answer = await answerOf(name, quick)
  const seconds = Math.round((performance.now() - started) / 100) / 10
  if ('skipped' in answer)
    return { workload: { name, state: 'skipped', reason: answer.skipped, seconds, leftOut: [] }, results: [] }
  if ('failed' in answer)
    return { workload: { name, state: 'failed', reason: answer.failed, seconds, leftOut: [] }, results: [] }
  const { results, ...rest } = answer
  return { workload: { name, state: 'measured', seconds, ...rest }, results }
}

/**
 * @param {string} name
 * @param {boolean} quick
 * @returns {Promise<Told | Failure>}
 */
function answerOf(name, quick) {
  return new Promise((resolve) => {
    const env = { ...process.env, CISTERN_BENCH_QUICK: quick ? '1' : '' }
    const running = fork(child, [name], { env, execArgv: ['--expose-gc'], serialization: 'advanced' })
    running.on('message', (answer) => resolve(/** @type {Told | Failure} */ (answer)))
    running.on('error', (error) => resolve({ failed: String(error) }))
    // A message comes before the end of the channel it came through, whatever became of the process.
    running.on('close', (code, signal) => resolve({ failed: `its process ended with ${signal ?? code}` }))
  })
}
