// `npm run bench:check`: what it lets through is whole and reached what it was to reach.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { tempFolder } from '../helpers/temp-folder.js'
import { type Row, row, spread, writeRun } from './runs.js'
import { script } from './scripts.js'

/** Without reasons, unless some are given. */
function check(folder: string, rows: readonly Row[], { known = [] as object[], changes = {} } = {}) {
  writeFileSync(`${folder}/known.json`, JSON.stringify(known))
  const run = writeRun(`${folder}/run.json`, rows, changes)
  return script('bench-check', run, '--partial', '--known', `${folder}/known.json`)
}

const missed = row({ ratios: spread(1.2) })

test('a whole run whose targets are met passes', (t) => {
  const { status, said } = check(tempFolder(t), [row(), row({ name: 'another' })])
  assert.equal(status, 0, said)
})

test('a number that is none fails', (t) => {
  const { status, said } = check(tempFolder(t), [row({ ratios: spread(Number.NaN) })])
  assert.equal(status, 1)
  assert.match(said, /FAULT.*one resource, ratios, median is not a finite number/)
})

test('a number that is none on one side, or in a curve, fails', (t) => {
  const growth = { of: 'assets', at: [1_000], unit: 'ms', sides: { ours: [spread(Number.POSITIVE_INFINITY)] } }
  assert.equal(check(tempFolder(t), [row({ sides: { ours: spread(Number.NaN) } })]).status, 1)
  assert.equal(check(tempFolder(t), [row({ growth })]).status, 1)
})

test('what is not JSON at all fails', (t) => {
  const file = `${tempFolder(t)}/run.json`
  writeFileSync(file, '{"results": [NaN]}')
  const { status, said } = script('bench-check', file)
  assert.equal(status, 1)
  assert.match(said, /not JSON/)
})

test('a ratio of fewer than seven repetitions fails', (t) => {
  const { status, said } = check(tempFolder(t), [row({ ratios: spread(2, 6) })])
  assert.equal(status, 1)
  assert.match(said, /6 repetitions, fewer than 7/)
})

test('a curve that has not a point for each size fails', (t) => {
  const growth = { of: 'assets', at: [1_000, 10_000], unit: 'ms', sides: { ours: [spread(1)] } }
  assert.match(check(tempFolder(t), [row({ growth })]).said, /FAULT.*not a point for each size/)
})

test('a missed target fails, and passes with a reason', (t) => {
  const folder = tempFolder(t)
  const { status, said } = check(folder, [missed])
  assert.equal(status, 1)
  assert.match(said, /target not met: take-in: one resource: by hand \/ ours: 1\.20/)
  const known = [{ workload: 'take-in', name: 'one resource', reason: 'the disk is slower than we are' }]
  const excused = check(folder, [missed], { known })
  assert.equal(excused.status, 0, excused.said)
  assert.match(excused.said, /known.*the disk is slower than we are/)
})

test('what a run says of itself does not count: the target is compared with the measurement', (t) => {
  assert.equal(check(tempFolder(t), [{ ...missed, ...{ met: true } }]).status, 1)
})

test('a reason for a result that there is not fails', (t) => {
  const known = [{ workload: 'take-in', name: 'renamed since', reason: 'slow' }]
  const { status, said } = check(tempFolder(t), [row()], { known })
  assert.equal(status, 1)
  assert.match(said, /a reason for a result that there is not.*renamed since/)
})

test('a workload that failed, or was skipped, fails', (t) => {
  for (const state of ['failed', 'skipped']) {
    const workloads = [{ name: 'serve', state, reason: 'send is missing', seconds: 1, leftOut: [] }]
    const { status, said } = check(tempFolder(t), [], { changes: { workloads } })
    assert.equal(status, 1)
    assert.match(said, new RegExp(`workload ${state}: serve: send is missing`))
  }
})

test('workloads that are not there fail, unless the run is said to be of some only', (t) => {
  const run = writeRun(`${tempFolder(t)}/run.json`, [row()])
  const { status, said } = script('bench-check', run)
  assert.equal(status, 1)
  assert.match(said, /workload missing: serve/)
  assert.doesNotMatch(said, /workload missing: take-in/)
})

test('a quick run is no measurement', (t) => {
  assert.equal(check(tempFolder(t), [row()], { changes: { quick: true } }).status, 1)
})

test('of two runs it says which targets both met', (t) => {
  const folder = tempFolder(t)
  const one = writeRun(`${folder}/one.json`, [row(), row({ name: 'by luck' })])
  const other = writeRun(`${folder}/other.json`, [row(), row({ name: 'by luck', ratios: spread(1) })])
  const { status, said } = script('bench-check', one, other, '--partial')
  assert.equal(status, 1)
  assert.match(said, /met +take-in: one resource/)
  assert.match(said, /ONCE +take-in: by luck/)
  assert.match(said, /1 targets met in both, 1 in one of them, 0 in neither/)
})
