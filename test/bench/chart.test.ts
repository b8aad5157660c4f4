// The charts are XML that any reader of XML takes, and the same for the same measurement.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repository } from '../docs/markdown.js'
import { type Row, row, spread } from './runs.js'

/** Untyped here: bench/ is JavaScript outside the workspaces. */
const { chart } = await import(new URL('bench/report/chart.mjs', repository).href)
const draw = (rows: readonly Row[]): string => chart('take-in', rows)

const sizes = { of: 'assets', at: [1_000, 10_000, 100_000, 1_000_000], unit: 'ms' }
const curve = row({
  growth: {
    ...sizes,
    sides: { ours: [1, 2, 3, 4].map((ms) => spread(ms)), theirs: [1, 20, 300, 4_000].map((ms) => spread(ms)) },
  },
})

test('a chart is well-formed, with bars, curves and figures that are no ratio', () => {
  const alone = row({ name: 'by itself', ratio: 'ms, to the first byte', target: { atMost: 2 } })
  for (const rows of [[row()], [curve], [alone], [row(), curve, alone]]) assert.deepEqual(faultsOf(draw(rows)), [])
})

test('names are escaped, and what XML cannot hold is replaced', () => {
  const svg = draw([row({ name: `<b>&"' \u0000\u001b`, sides: { 'a < b & c': spread(1), ']]>': spread(2) } })])
  assert.deepEqual(faultsOf(svg), [])
  assert.ok(svg.includes('&lt;b&gt;&amp;&quot;'))
  assert.ok(svg.includes('a &lt; b &amp; c'))
  assert.ok(!svg.includes('\u0000') && !svg.includes('\u001b'))
})

test('it says in words what it shows, asks for nothing from elsewhere, and follows the colour scheme', () => {
  const svg = draw([row()])
  assert.match(svg, /<title id="title">Measured: take-in<\/title>/)
  assert.match(svg, /<desc id="desc">one resource: by hand \/ ours: 2\.00 \(1\.80–2\.20\), wanted ≥ 1\.8\.<\/desc>/)
  assert.match(svg, /prefers-color-scheme: dark/)
  assert.doesNotMatch(svg, /href|url\(|@import|<script/)
})

test('it is drawn the same each time, and has no coordinate that is none', () => {
  const rows = [
    row(),
    curve,
    row({ name: 'nothing', ratios: spread(0), sides: { ours: spread(0), 'by hand': spread(0) } }),
  ]
  assert.equal(draw(rows), draw(structuredClone(rows)))
  assert.doesNotMatch(draw(rows), /NaN|Infinity|undefined/)
})

test('the target stands where our median would just meet it', () => {
  // Theirs takes 2 ms, and is to take 1.8 times as long as ours: 1.11 ms on an axis that ends at 2.2.
  const [, x] = /class="target" d="M([\d.]+) /.exec(draw([row()])) ?? []
  assert.equal(Number(x).toFixed(0), (20 + (720 * (2 / 1.8)) / 2.2).toFixed(0))
})

const NAME = '[A-Za-z][\\w:-]*'
const TAG = new RegExp(`<(?:(/)(${NAME})|(${NAME})((?: ${NAME}="[^"<]*")*)(/)?)>`, 'y')
const TEXT = /(?:[^<&>]|&(?:amp|lt|gt|quot|#\d+);)+/y

/** Where a text is not the XML that we write: elements, attributes in double quotes, text; one root. */
function faultsOf(xml: string): string[] {
  const open: string[] = []
  let roots = 0
  for (let at = 0; at < xml.length; ) {
    TAG.lastIndex = at
    TEXT.lastIndex = at
    const tag = TAG.exec(xml)
    const found = tag ?? TEXT.exec(xml)
    if (!found) return [`neither text nor a tag: ${xml.slice(at, at + 40)}`]
    at += found[0].length
    if (!tag) {
      if (open.length === 0 && found[0].trim() !== '') return ['text outside the root']
      continue
    }
    const [, closes, closed, opened = '', attributes = '', empty] = tag
    if (closes && open.pop() !== closed) return [`closed what was not open: ${closed}`]
    if (closes) continue
    const names = [...attributes.matchAll(new RegExp(`(${NAME})=`, 'g'))].map(([, name]) => name)
    if (new Set(names).size < names.length) return [`an attribute twice: ${found[0]}`]
    if (/&(?!(?:amp|lt|gt|quot|#\d+);)/.test(attributes)) return [`an ampersand by itself: ${found[0]}`]
    if (open.length === 0) roots++
    if (!empty) open.push(opened)
  }
  return [...(open.length > 0 ? [`still open: ${open}`] : []), ...(roots === 1 ? [] : [`${roots} roots`])]
}
