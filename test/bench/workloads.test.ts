// A workload runs in a process of its own, and whatever becomes of that, the runner goes on and says so.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { repository } from '../docs/markdown.js'
import { tempFolder } from '../helpers/temp-folder.js'

const bench = new URL('bench/', repository)
const place = new URL('harness/place.mjs', bench)
const quick = new URL('harness/quick.mjs', bench)
/** Untyped here: bench/ is JavaScript outside the workspaces. */
const { runWorkload } = await import(new URL('harness/workloads.mjs', bench).href)

/** A workload with this code. */
function run(t: TestContext, code: string, isQuick = false) {
  const folder = tempFolder(t)
  writeFileSync(`${folder}/workload.mjs`, code)
  return runWorkload(relative(fileURLToPath(bench), `${folder}/workload`), { quick: isQuick })
}

test('what it measured is told, with how its process fared', async (t) => {
  const block = 'const until = performance.now() + 80; while (performance.now() < until);'
  const { workload, results } = await run(
    t,
    `export default async (place) => { ${block} place.leftOut.push('nginx'); await null; return [{ name: 'one' }] }`,
  )
  assert.deepEqual(results, [{ name: 'one' }])
  assert.equal(workload.state, 'measured')
  assert.deepEqual(workload.leftOut, ['nginx'])
  assert.ok(workload.peakMiB > 10, `${workload.peakMiB} MiB`)
})

test('one that throws, cannot be loaded or loses its process is told as failed', async (t) => {
  const reasons = {
    'export default async () => { throw new Error("no room") }': /no room/,
    'import "a-peer-that-is-not-installed"': /a-peer-that-is-not-installed/,
    'export default () => { process.kill(process.pid, "SIGKILL"); return new Promise(() => {}) }': /ended with SIGKILL/,
    'export default () => process.exit(3)': /ended with 3/,
  }
  for (const [code, reason] of Object.entries(reasons)) {
    const { workload, results } = await run(t, code)
    assert.equal(workload.state, 'failed')
    assert.match(workload.reason, reason)
    assert.deepEqual(results, [])
  }
})

test('one that cannot run here is skipped, with its reason', async (t) => {
  const code = `import { Skipped } from '${place}'; export default () => { throw new Skipped('nginx is missing') }`
  const { workload } = await run(t, code)
  assert.deepEqual([workload.state, workload.reason], ['skipped', 'nginx is missing'])
})

test('it knows when it only has to run', async (t) => {
  const code = `import { isQuick, times } from '${quick}'; export default async () => [{ isQuick, times: times(9) }]`
  assert.deepEqual((await run(t, code)).results, [{ isQuick: false, times: 9 }])
  assert.deepEqual((await run(t, code, true)).results, [{ isQuick: true, times: 1 }])
})
