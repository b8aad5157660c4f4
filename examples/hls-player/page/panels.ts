// Counters, assets and failures.
import type { Snapshot } from '../live/snapshot.js'
import { setPinned } from './controls.js'
import { byId, bytesShown, element } from './dom.js'

const counters = byId('counters', HTMLDListElement)
const assets = byId('assets', HTMLOListElement)
const failures = byId('failures', HTMLUListElement)

export function showCounters({ origin, answered, bytes, maxBytes, evictions }: Snapshot): void {
  counters.replaceChildren(
    counter('asked of the origin', `${origin.requests}`, bytesShown(origin.bytes)),
    counter('answered here', `${answered.requests}`, bytesShown(answered.bytes)),
    quota(bytes, maxBytes, evictions),
  )
}

export function showAssets({ assets: all }: Snapshot): void {
  const rows = all.map(({ asset, title, bytes, isPinned, leases }) => {
    const name = element('span', { className: 'title' }, title)
    if (leases > 0) name.append(element('span', { className: 'open', title: `${leases} leases` }, ' · open'))
    const pin = element('button', { title: 'What is pinned is not evicted' }, isPinned ? 'pinned' : 'pin')
    pin.type = 'button'
    pin.setAttribute('aria-pressed', String(isPinned))
    pin.addEventListener('click', () => setPinned(asset, !isPinned))
    return element('li', {}, name, element('span', { className: 'size' }, bytesShown(bytes)), pin)
  })
  assets.replaceChildren(...(rows.length > 0 ? rows : [element('li', { className: 'none' }, 'nothing yet')]))
}

export function showFailures({ failures: all }: Snapshot): void {
  failures.replaceChildren(...all.map(({ message }) => element('li', {}, message)))
}

function counter(name: string, value: string, beside: string): HTMLDivElement {
  const shown = element('dd', {}, value, ' ', element('small', {}, beside))
  return element('div', {}, element('dt', {}, name), shown)
}

function quota(bytes: number, maxBytes: number | undefined, evictions: number): HTMLDivElement {
  const limit = maxBytes === undefined ? 'without limit' : `of ${bytesShown(maxBytes)}`
  const gone = evictions === 0 ? '' : ` · ${evictions} evicted`
  const made = element('div', { className: 'wide' }, element('dt', {}, 'in the store'))
  made.append(element('dd', {}, bytesShown(bytes), ' ', element('small', {}, `${limit}${gone}`)))
  if (maxBytes !== undefined) {
    const filled = element('span', { className: 'filled' })
    filled.style.width = `${Math.min(100, (bytes / maxBytes) * 100)}%`
    made.append(element('div', { className: 'quota' }, filled))
  }
  return made
}
