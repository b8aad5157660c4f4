import { goal, shown } from './numbers.mjs'
import { element, textLines, wrapped } from './svg.mjs'

/** @import { Spread } from '../harness/compare.mjs' */
/** @import { Panel } from './chart.mjs' */
/** @import { Row } from './run.mjs' */

/** @typedef {{ name: string, spread: Spread, ours: boolean, targets: number[] }} Bar */

const LEFT = 20
const WIDTH = 720
const BAR = 10
/** Whiskers longer than this, in medians of the longest bar, are cut: one outlier must not flatten all bars. */
const LONGEST = 1.3
const CHARACTERS = 78

/**
 * Rows of one name and unit, ours beside each of the others: a bar for each side, with a mark on ours where a target is.
 * @param {readonly Row[]} rows
 * @returns {Panel}
 */
export function barPanel(rows) {
  const [first] = rows
  if (!first) throw new Error('a panel of nothing')
  const bars = barsOf(rows)
  const title = wrapped(`${first.name} (${first.unit})`, 96)
  const top = title.length * 18 + 8
  const scale = WIDTH / axisEnd(bars)
  /** @type {string[]} */
  const drawn = [textLines(title, { x: LEFT, y: 16, class: 'title', step: 18 })]
  let y = top
  for (const bar of bars) {
    const label = wrapped(bar.name, CHARACTERS)
    drawn.push(textLines(label, { x: LEFT, y: y + 12, class: bar.ours ? 'strong' : 'label' }))
    drawn.push(textLines([shown(bar.spread)], { x: LEFT + WIDTH, y: y + 12, class: 'label', 'text-anchor': 'end' }))
    y += label.length * 16 + 2
    drawn.push(drawBar(bar, y, scale))
    y += BAR + 10
  }
  const verdicts = rows.filter(({ target }) => target).flatMap((row) => wrapped(verdictOf(row), 112))
  drawn.push(textLines(verdicts, { x: LEFT, y: y + 10, class: 'note', step: 15 }))
  return { height: y + verdicts.length * 15 + 16, drawn: drawn.join('\n') }
}

/**
 * A row whose figure is no ratio of sides but ours by itself has it in `ratios`.
 * @param {readonly Row[]} rows
 * @returns {Bar[]}
 */
function barsOf(rows) {
  /** @type {Map<string, Bar>} */
  const bars = new Map()
  for (const row of rows) {
    const sides = isOfSides(row) ? row.sides : { [row.ratio]: row.ratios, ...row.sides }
    const [ours = ''] = Object.keys(sides)
    for (const [name, spread] of Object.entries(sides)) {
      if (!bars.has(name)) bars.set(name, { name, spread, ours: name === ours, targets: [] })
    }
    const target = targetOf(row, ours)
    if (target !== undefined) bars.get(ours)?.targets.push(target)
  }
  return [...bars.values()]
}

/**
 * Where the median of ours would just meet the target, on the axis of the sides: beside the other side's median, if the ratio
 * is one of two sides.
 * @param {Row} row
 * @param {string} ours
 */
function targetOf({ target, ratio, sides }, ours) {
  if (!target) return undefined
  const wanted = 'atLeast' in target ? target.atLeast : target.atMost
  if (ratio === ours) return wanted
  const over = Object.entries(sides).find(([name]) => ratio === `${ours} / ${name}`)
  if (over) return over[1].median * wanted
  const under = Object.entries(sides).find(([name]) => ratio === `${name} / ${ours}`)
  return under && under[1].median / wanted
}

/** @param {Row} row */
function isOfSides({ ratio }) {
  return ratio.includes(' / ')
}

/** @param {readonly Bar[]} bars */
function axisEnd(bars) {
  const longest = Math.max(...bars.map(({ spread }) => spread.median))
  const whiskers = Math.max(...bars.map(({ spread }) => spread.max))
  const end = Math.max(Math.min(whiskers, longest * LONGEST), ...bars.flatMap(({ targets }) => targets))
  return end > 0 ? end : 1
}

/**
 * @param {Bar} bar
 * @param {number} y
 * @param {number} scale
 */
function drawBar({ spread, ours, targets }, y, scale) {
  const middle = y + BAR / 2
  /** @param {number} value */
  const at = (value) => LEFT + Math.min(Math.max(value, 0) * scale, WIDTH)
  const isCut = spread.max * scale > WIDTH + 0.05
  const cap = isCut ? `M${LEFT + WIDTH - 4} ${middle - 4}l4 4l-4 4` : `M${at(spread.max).toFixed(1)} ${middle - 4}v8`
  return [
    element('rect', { class: 'track', x: LEFT, y, width: WIDTH, height: BAR, rx: 2 }),
    element('rect', {
      class: ours ? 'ours' : 'theirs',
      x: LEFT,
      y,
      width: at(spread.median) - LEFT,
      height: BAR,
      rx: 2,
    }),
    element('path', {
      class: 'whisker',
      d: `M${at(spread.min).toFixed(1)} ${middle - 4}v8M${at(spread.min).toFixed(1)} ${middle}H${at(spread.max).toFixed(1)}${cap}`,
    }),
    ...targets.map((target) =>
      element('path', { class: 'target', d: `M${at(target).toFixed(1)} ${y - 4}v${BAR + 8}` }),
    ),
  ].join('\n')
}

/** @param {Row} row */
function verdictOf(row) {
  return `${row.ratio}: ${shown(row.ratios)}, wanted ${goal(row)}: ${row.met ? 'met' : 'NOT MET'}`
}
