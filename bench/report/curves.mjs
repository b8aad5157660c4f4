import { number } from './numbers.mjs'
import { element, escaped, textLines, wrapped } from './svg.mjs'

/** @import { Growth } from '../harness/compare.mjs' */
/** @import { Panel } from './chart.mjs' */
/** @typedef {{ y: (value: number) => number, marks: number[] }} Axis */

const LEFT = 80
const RIGHT = 730
const HEIGHT = 180
/** From here on the lowest and the highest are too far from each other for one linear axis. */
const WIDE = 20

/**
 * A line for each side over the sizes, which are spaced by their logarithms. What does not grow is flat.
 * @param {string} name
 * @param {Growth} growth
 * @returns {Panel}
 */
export function curvePanel(name, { of, at, sides, unit }) {
  const title = wrapped(`${name} (${unit}) by ${of}`, 96)
  const top = title.length * 18 + 16
  const spreads = Object.values(sides).flat()
  const axis = axisOf(Math.min(...spreads.map(({ min }) => min)), Math.max(...spreads.map(({ max }) => max)), top)
  const x = across(at)
  const legend = top + HEIGHT + 44
  const lines = Object.entries(sides).map(([side, points], index) => {
    const of = points.map((spread, place) => ({ x: x(at[place] ?? 1), spread }))
    const kind = index === 0 ? 'ours' : `theirs-${((index - 1) % 3) + 1}`
    return [
      element('polyline', {
        class: `curve ${kind}-line`,
        points: of.map(({ x, spread }) => `${x.toFixed(1)},${axis.y(spread.median).toFixed(1)}`).join(' '),
      }),
      ...of.map(({ x, spread }) =>
        element('path', {
          class: 'whisker',
          d: `M${x.toFixed(1)} ${axis.y(spread.min).toFixed(1)}V${axis.y(spread.max).toFixed(1)}`,
        }),
      ),
      ...of.map(({ x, spread }) =>
        element('circle', { class: `${kind}-point`, cx: x, cy: axis.y(spread.median), r: 3.5 }),
      ),
      element('circle', { class: `${kind}-point`, cx: LEFT + 4, cy: legend + index * 16 - 4, r: 4 }),
      element(
        'text',
        { class: index === 0 ? 'strong' : 'label', x: LEFT + 14, y: legend + index * 16 },
        escaped(`${side}: ${points.map(({ median }) => number(median)).join(', ')}`),
      ),
    ].join('\n')
  })
  const drawn = [
    textLines(title, { x: 20, y: 16, class: 'title', step: 18 }),
    ...axis.marks.map((mark) =>
      [
        element('path', { class: 'grid', d: `M${LEFT} ${axis.y(mark).toFixed(1)}H${RIGHT}` }),
        element('text', { class: 'note', x: LEFT - 8, y: axis.y(mark) + 4, 'text-anchor': 'end' }, number(mark)),
      ].join('\n'),
    ),
    ...at.map((size) =>
      element('text', { class: 'note', x: x(size), y: top + HEIGHT + 18, 'text-anchor': 'middle' }, number(size)),
    ),
    ...lines,
  ]
  return { height: legend + lines.length * 16 + 8, drawn: drawn.join('\n') }
}

/** @param {readonly number[]} at */
function across(at) {
  const [low, high] = [Math.log10(Math.min(...at)), Math.log10(Math.max(...at))]
  const width = RIGHT - LEFT - 40
  return (/** @type {number} */ size) =>
    LEFT + 20 + (high === low ? width / 2 : (width * (Math.log10(size) - low)) / (high - low))
}

/**
 * Linear from zero, so that flat looks flat; by powers of ten where the values are far apart.
 * @param {number} min
 * @param {number} max
 * @param {number} top
 * @returns {Axis}
 */
function axisOf(min, max, top) {
  if (min > 0 && max / min > WIDE) {
    const [low, high] = [Math.floor(Math.log10(min)), Math.ceil(Math.log10(max))]
    return {
      y: (value) => top + HEIGHT * (1 - (Math.log10(value) - low) / (high - low)),
      marks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
    }
  }
  const step = roundStep(max / 4)
  const end = step * Math.ceil(max / step)
  return {
    y: (value) => top + HEIGHT * (1 - value / end),
    marks: Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step),
  }
}

/** The next of 1, 2, 5, 10, 20 and so on. @param {number} least */
function roundStep(least) {
  if (!(least > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(least))
  return power * ([1, 2, 5].find((each) => each * power >= least) ?? 10)
}
