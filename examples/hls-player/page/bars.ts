// One bar for each resource: what is there, and what is on its way.
import type { ShownPart } from '../live/snapshot.js'
import { byId, bytesShown, element } from './dom.js'

const list = byId('parts', HTMLOListElement)

/** `playing`: seconds from the beginning, where the viewer is. */
export function showParts(parts: readonly ShownPart[], more: number, playing: number): void {
  const current = parts.findLast(({ kind, at }) => kind === 'segment' && at <= playing)
  const rows = parts.map((part) => row(part, part === current))
  if (more > 0) rows.push(element('li', { className: 'none' }, `and ${more} more`))
  list.replaceChildren(...rows)
}

function row(part: ShownPart, isPlaying: boolean): HTMLLIElement {
  const label = element('span', { className: 'label', title: part.label }, part.label)
  const made = element('li', {}, label, bar(part), element('span', { className: 'state' }, stateOf(part)))
  if (isPlaying) made.className = 'playing'
  made.dataset.path = part.path
  made.dataset.state = part.state
  return made
}

function bar({ received, total, state, fetches }: ShownPart): HTMLDivElement {
  const made = element('div', { className: 'bar' })
  const end = Math.max(1, total ?? 0, received.at(-1) ?? 0, ...fetches.map(({ position }) => position))
  const ranges = state === 'committed' ? [0, end] : received
  for (let at = 0; at + 1 < ranges.length; at += 2) {
    const [from = 0, to = 0] = [ranges[at], ranges[at + 1]]
    const range = element('span', { className: 'range' })
    range.style.left = `${(from / end) * 100}%`
    range.style.width = `${((to - from) / end) * 100}%`
    made.append(range)
  }
  for (const { position, priority } of fetches) {
    const head = element('b', { className: `head ${priority}`, title: `${priority}, from byte ${position}` })
    head.style.left = `${Math.min(98, (position / end) * 100)}%`
    made.append(head)
  }
  return made
}

function stateOf({ state, fetches, received, total }: ShownPart): string {
  const [first] = fetches
  if (first) return first.priority
  if (state === 'committed') return total === undefined ? 'there' : bytesShown(total)
  if (received.length === 0) return '–'
  const there = received.reduce((sum, edge, index) => sum + (index % 2 === 0 ? -edge : edge), 0)
  return total === undefined ? bytesShown(there) : `${Math.floor((there / total) * 100)} %`
}
