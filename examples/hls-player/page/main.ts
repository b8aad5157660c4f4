import type { ShownStream, Snapshot } from '../live/snapshot.js'
import { showParts } from './bars.js'
import { listenToControls, showControls } from './controls.js'
import { byId, element } from './dom.js'
import { showAssets, showCounters, showFailures } from './panels.js'
import { explain, load, playingAt, resume } from './playback.js'

const tabs = byId('streams', HTMLElement)
let shown: string | undefined
let events: EventSource | undefined
let explained: number | undefined
let wasCut = false

listenToControls(() => shown)
watch(new URLSearchParams(location.hash.slice(1)).get('stream') ?? undefined)

function watch(asset: string | undefined): void {
  events?.close()
  events = new EventSource(asset === undefined ? '/events' : `/events?stream=${encodeURIComponent(asset)}`)
  events.addEventListener('message', ({ data }) => show(JSON.parse(data as string) as Snapshot, asset))
}

function show(snapshot: Snapshot, asset: string | undefined): void {
  const stream = snapshot.streams.find((each) => each.asset === asset) ?? snapshot.streams[0]
  if (stream && stream.asset !== shown) begin(stream)
  showTabs(snapshot.streams)
  showControls(snapshot, shown)
  showCounters(snapshot)
  showAssets(snapshot)
  showFailures(snapshot)
  showParts(snapshot.parts, snapshot.more, playingAt())
  const latest = snapshot.failures.at(-1)
  if (latest && explained !== undefined && latest.number > explained && latest.asset === shown) explain(latest.message)
  explained = Math.max(explained ?? 0, latest?.number ?? 0)
  if (wasCut && snapshot.line?.isCut === false) resume()
  wasCut = snapshot.line?.isCut ?? false
}

/** `#t=15` begins there, as in any media URL (W3C Media Fragments). */
function begin({ asset, address }: ShownStream): void {
  const first = shown === undefined
  shown = asset
  const start = Number(new URLSearchParams(location.hash.slice(1)).get('t') ?? 0)
  load(address, { start: first && Number.isFinite(start) ? start : 0, isAsked: !first })
}

function showTabs(streams: readonly ShownStream[]): void {
  if (streams.length === tabs.childElementCount) {
    for (const tab of tabs.children)
      tab.setAttribute('aria-pressed', String((tab as HTMLElement).dataset.asset === shown))
    return
  }
  const buttons = streams.map(({ asset, title }) => {
    const button = element('button', {}, title)
    button.type = 'button'
    button.dataset.asset = asset
    button.setAttribute('aria-pressed', String(asset === shown))
    button.addEventListener('click', () => {
      history.replaceState(null, '', `#${new URLSearchParams({ stream: asset })}`) // a reload stays where it was
      watch(asset)
    })
    return button
  })
  tabs.replaceChildren(...buttons)
}
