// `npm run bench:report`: the README, the page and the charts say what the measurement says, and nothing else.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { tempFolder } from '../helpers/temp-folder.js'
import { row, spread, writeRun } from './runs.js'
import { script } from './scripts.js'

const README = '# A\n\nbefore\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nbehind\n'
const hostile = row({ name: 'a | b <script> `c` *d* & "e"' })

function report(folder: string, rows = [row()], readme = README) {
  writeFileSync(`${folder}/README.md`, readme)
  const run = writeRun(`${folder}/run.json`, rows)
  const { status, said } = script('bench-report', run, '--into', folder)
  const read = (path: string) => readFileSync(`${folder}/${path}`, 'utf8')
  return { status, said, read }
}

test('the README keeps its markers and all that is around them', (t) => {
  const { read } = report(tempFolder(t))
  const text = read('README.md')
  assert.match(text, /^# A\n\nbefore\n<!-- bench:begin -->\n[\s\S]+\n<!-- bench:end -->\nbehind\n$/)
  assert.doesNotMatch(text, /old/)
  assert.match(text, /\| one resource \| by hand \/ ours \| 2\.00 \(1\.80–2\.20\) \| ≥ 1\.8 \| met \|/)
  assert.match(text, /1 of 1 targets are met/)
  assert.match(text, /2026-01-02.*20\.20\.2.*a processor/)
})

test('a README without markers is left alone', (t) => {
  const folder = tempFolder(t)
  const { status, said, read } = report(folder, [row()], '# A\n')
  assert.equal(status, 1)
  assert.match(said, /the README has no <!-- bench:begin -->/)
  assert.equal(read('README.md'), '# A\n')
  assert.ok(!existsSync(`${folder}/docs`))
})

test('rows that we lose are in the README, whatever their place', (t) => {
  const behind = row({
    name: 'behind',
    ratio: 'ours / by hand',
    ratios: spread(3),
    sides: { ours: spread(3), 'by hand': spread(1) },
  })
  delete behind.target
  const { read } = report(tempFolder(t), [
    row(),
    row({ name: 'won' }),
    row({ name: 'lost', ratios: spread(1) }),
    row({ name: 'lost', ratio: 'by hand / mine', ratios: spread(1), sides: { mine: spread(3), 'by hand': spread(1) } }),
    behind,
  ])
  const text = read('README.md')
  assert.match(text, /\| lost \|.*\*\*NOT MET\*\*/)
  assert.match(text, /^\| {2}\| by hand \/ ours \|/m, 'a name stands once, and says what ours is')
  assert.match(text, /\| behind \|.*\| behind \|/)
  assert.doesNotMatch(text, /\| won \|/)
  assert.match(read('docs/performance.md'), /\| won: /)
})

test('names stand in tables as they are', (t) => {
  const { read } = report(tempFolder(t), [hostile])
  for (const page of ['README.md', 'docs/performance.md'])
    assert.ok(read(page).includes('a \\| b &lt;script&gt; \\`c\\` \\*d\\* &amp; "e"'), page)
})

test('nothing is made of a run that is not whole', (t) => {
  const { status, said, read } = report(tempFolder(t), [row({ ratios: spread(Number.NaN) })])
  assert.equal(status, 1)
  assert.match(said, /not fit to be shown/)
  assert.equal(read('README.md'), README)
})

test('--check says which file is not what the measurement says, and writes none', (t) => {
  const folder = tempFolder(t)
  const { read } = report(folder)
  assert.equal(script('bench-report', '--check', '--into', folder).status, 0)
  for (const path of ['README.md', 'docs/performance.md', 'docs/images/bench/take-in.svg']) {
    const whole = read(path)
    writeFileSync(`${folder}/${path}`, whole.replace('2.00', '9.00'))
    const { status, said } = script('bench-report', '--check', '--into', folder)
    assert.equal(status, 1)
    assert.match(said, new RegExp(`: ${path}\n$`))
    writeFileSync(`${folder}/${path}`, whole)
  }
})

test('a chart of a workload that is gone is found, and removed', (t) => {
  const folder = tempFolder(t)
  report(folder)
  writeFileSync(`${folder}/docs/images/bench/gone.svg`, '<svg/>')
  assert.match(script('bench-report', '--check', '--into', folder).said, /gone\.svg/)
  assert.equal(script('bench-report', '--into', folder).status, 0)
  assert.ok(!existsSync(`${folder}/docs/images/bench/gone.svg`))
})
