// `npm run bench:report`: the README, the page and the charts say what the measurement says, and nothing else.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { tempFolder } from '../helpers/temp-folder.js'
import { type Row, row, spread, writeRun } from './runs.js'
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
  assert.match(text, /\| one resource \| by hand \| 2\.00 \(1\.80–2\.20\) \| ≥ 1\.8 \| ahead, target met \|/)
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

const untargeted = (changes: Partial<Row>) => {
  const { target: _, ...rest } = row(changes)
  return rest
}

test('what we lose is in the README, whatever its place, and what we win stands in the page', (t) => {
  const { read } = report(tempFolder(t), [
    row(),
    untargeted({ name: 'won' }),
    row({ name: 'lost', ratios: spread(1) }),
    row({ name: 'lost', ratio: 'another / ours', ratios: spread(0.5), sides: { ours: spread(2), another: spread(1) } }),
    untargeted({ name: 'slower', ratio: 'ours / by hand', ratios: spread(4) }),
  ])
  const text = read('README.md')
  assert.match(text, /^\| lost \| by hand \| 1\.00 \(.*\) \| ≥ 1\.8 \| even, \*\*target missed\*\* \|$/m)
  assert.match(text, /^\| {2}\| another \| 0\.500 \(.*\) \| ≥ 1\.8 \| behind, \*\*target missed\*\* \|$/m)
  assert.match(text, /^\| slower \| by hand \| 0\.250 \(.*\) \| {2}\| behind \|$/m, 'as fast, not as long')
  assert.doesNotMatch(text, /\| won \|/)
  assert.match(text, /Of 5 rows beside something else, we are ahead in 2, even in 1, and behind in 2\./)
  assert.match(read('docs/performance.md'), /^\| won \| by hand \/ ours \|/m)
})

test('a target for what we take is one for how fast we are, and rates are as they stand', (t) => {
  const { read } = report(tempFolder(t), [
    row({ name: 'time', ratio: 'ours / by hand', ratios: spread(0.8), target: { atMost: 1.25 } }),
    row({ name: 'rate', unit: 'a second', ratio: 'ours / by hand', ratios: spread(3), target: { atLeast: 2 } }),
  ])
  const text = read('README.md')
  assert.match(text, /^\| time \| by hand \| 1\.25 \(.*\) \| ≥ 0\.8 \| ahead, target met \|$/m)
  assert.match(text, /^\| rate \| by hand \| 3\.00 \(.*\) \| ≥ 2 \| ahead, target met \|$/m)
})

test('beside ourselves we are neither ahead nor behind, and two of one name say which is which', (t) => {
  const self = { ratio: 'ours / by hand', ratios: spread(4), bothOurs: true, target: { atMost: 1.5 } }
  const { read } = report(tempFolder(t), [
    row({ ...self, name: 'waking' }),
    row({ name: 'readers', sides: { ours: spread(1), 'by hand': spread(2) } }),
    row({
      name: 'readers',
      ratio: 'by hand / mine',
      ratios: spread(1),
      sides: { mine: spread(2), 'by hand': spread(2) },
    }),
  ])
  const text = read('README.md')
  assert.match(text, /^\| waking \| ours \/ by hand \| 4\.00 \(.*\) \| ≤ 1\.5 \| \*\*target missed\*\* \|$/m)
  for (const name of ['readers: ours', 'readers: mine']) assert.match(text, new RegExp(`^\\| ${name} \\|`, 'm'))
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
