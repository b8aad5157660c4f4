// What can be changed from the page.
import type { ShownLine, Snapshot } from '../live/snapshot.js'
import { byId, bytesShown } from './dom.js'

/** Bytes a second, by the slider's steps; the last is as fast as it goes. */
const RATES = [8, 16, 32, 64, 96, 192, 512, 2048].map((kib) => kib * 1024)

const line = byId('line', HTMLFormElement)
const delay = byId('delay', HTMLInputElement)
const rate = byId('rate', HTMLInputElement)
const cut = byId('cut', HTMLInputElement)
const download = byId('download', HTMLButtonElement)
const forget = byId('forget', HTMLButtonElement)

export function setPinned(asset: string, on: boolean): void {
  post('/pin', { asset, on })
}

/** `shown` gives the asset that the buttons are about. */
export function listenToControls(shown: () => string | undefined): void {
  for (const slider of [delay, rate])
    slider.addEventListener('input', () => {
      showLine({ delayMs: Number(delay.value), bytesPerSecond: RATES[Number(rate.value)] ?? null, isCut: cut.checked })
    })
  line.addEventListener('change', () => {
    const bytesPerSecond = RATES[Number(rate.value)] ?? null
    post('/line', { delayMs: Number(delay.value), bytesPerSecond, isCut: cut.checked })
  })
  download.addEventListener('click', () =>
    post('/download', { asset: shown(), on: download.getAttribute('aria-pressed') !== 'true' }),
  )
  forget.addEventListener('click', () => post('/forget', { asset: shown() }))
}

export function showControls({ line: now, streams }: Snapshot, shown: string | undefined): void {
  line.hidden = now === undefined
  if (now && !line.contains(document.activeElement)) {
    delay.value = String(now.delayMs)
    rate.value = String(now.bytesPerSecond === null ? RATES.length : stepOf(now.bytesPerSecond))
    cut.checked = now.isCut
    showLine(now)
  }
  const isOn = streams.find(({ asset }) => asset === shown)?.isDownloading ?? false
  download.setAttribute('aria-pressed', String(isOn))
}

function showLine({ delayMs, bytesPerSecond }: ShownLine): void {
  byId('delay-shown', HTMLOutputElement).value = `${delayMs} ms`
  byId('rate-shown', HTMLOutputElement).value =
    bytesPerSecond === null ? 'no limit' : `${bytesShown(bytesPerSecond)} a second`
}

function stepOf(bytesPerSecond: number): number {
  const step = RATES.findIndex((each) => each >= bytesPerSecond)
  return step < 0 ? RATES.length : step
}

function post(path: string, body: object): void {
  void fetch(path, { method: 'POST', body: JSON.stringify(body) })
}
