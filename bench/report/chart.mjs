import { barPanel } from './bars.mjs'
import { curvePanel } from './curves.mjs'
import { goal, shown } from './numbers.mjs'
import { element, escaped } from './svg.mjs'

/** @import { Row } from './run.mjs' */

/** A part of a chart, drawn from its own upper edge on. @typedef {{ height: number, drawn: string }} Panel */

const WIDTH = 760
/** Of its own, in both colour schemes: the page may have another scheme than the system that `prefers-color-scheme` asks. */
const STYLE = `
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #424a53 }
.title { font-size: 14px; font-weight: 600; fill: #1f2328 } .strong { font-weight: 600; fill: #0969da } .note { font-size: 11px; fill: #59636e }
.paper { fill: #ffffff } .track { fill: #eff2f5 } .ours { fill: #0969da } .theirs { fill: #a8b1bb }
.whisker { stroke: #1f2328; fill: none } .target { stroke: #bc4c00; stroke-width: 2.5 } .grid { stroke: #d8dee4 }
.curve { fill: none; stroke-width: 2 } .ours-line { stroke: #0969da } .ours-point { fill: #0969da }
.theirs-1-line { stroke: #8c959f } .theirs-1-point { fill: #8c959f } .theirs-2-line { stroke: #bf8700 } .theirs-2-point { fill: #bf8700 } .theirs-3-line { stroke: #8250df } .theirs-3-point { fill: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #c3c9d0 } .title { fill: #f0f6fc } .strong { fill: #58a6ff } .note { fill: #9198a1 }
.paper { fill: #0d1117 } .track { fill: #1c2129 } .ours { fill: #388bfd } .theirs { fill: #656c76 }
.whisker { stroke: #f0f6fc } .target { stroke: #f0883e } .grid { stroke: #2d333b } .ours-line { stroke: #388bfd } .ours-point { fill: #388bfd }
}
`

/**
 * A workload's results as an SVG of its own.
 * @param {string} workload
 * @param {readonly Row[]} rows
 */
export function chart(workload, rows) {
  const panels = [
    ...grouped(rows).map(barPanel),
    ...rows.flatMap(({ name, growth }) => (growth ? [curvePanel(name, growth)] : [])),
  ]
  let height = 14
  const drawn = panels.map((panel) => {
    const group = element('g', { transform: `translate(0 ${height})` }, '\n', panel.drawn, '\n')
    height += panel.height
    return group
  })
  const legend = rows.some(({ target }) => target)
    ? 'bars: medians, with lines from least to most; orange: where the median of ours would just meet its target'
    : 'bars: medians, with lines from least to most'
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${height + 24}`,
      width: WIDTH,
      height: height + 24,
      role: 'img',
      'aria-labelledby': 'title desc',
    },
    '\n',
    [
      element('title', { id: 'title' }, escaped(`Measured: ${workload}`)),
      element('desc', { id: 'desc' }, escaped(descriptionOf(rows))),
      element('style', {}, STYLE),
      element('rect', { class: 'paper', width: WIDTH, height: height + 24, rx: 6 }),
      ...drawn,
      element('text', { class: 'note', x: 20, y: height + 8 }, escaped(legend)),
    ].join('\n'),
    '\n',
  )}\n`
}

/**
 * What the chart shows, for those who do not see it.
 * @param {readonly Row[]} rows
 */
function descriptionOf(rows) {
  return rows
    .map((row) => {
      const wanted = goal(row)
      return `${row.name}: ${row.ratio}: ${shown(row.ratios)}${wanted && `, wanted ${wanted}`}.`
    })
    .join(' ')
}

/**
 * Those of one name and unit are beside each other: ours against several.
 * @param {readonly Row[]} rows
 */
function grouped(rows) {
  /** @type {Map<string, Row[]>} */
  const groups = new Map()
  for (const row of rows) {
    const key = `${row.name}\n${row.unit}`
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return [...groups.values()]
}
