// The origin that this program brings along: three streams of twenty seconds, behind a line as slow as you like.
import { type Line, type Origin, type Served, servedFolder, startOrigin } from '../hls-encrypted/origin.js'
import type { ShownLine } from './live/snapshot.js'
import type { StreamOrigin } from './streams/stream.js'

const FIXTURE = new URL('../../hls-player/fixture/', import.meta.url)

const STREAMS = [
  { folder: 'film', title: 'Film, MPEG-TS' },
  { folder: 'fmp4', title: 'Film, fMP4' },
  { folder: 'audio', title: 'Audio only' },
]

/** A line whose delay and bandwidth can be changed, and that can be cut. */
export class AdjustableLine implements Line {
  delayMs = 120
  bytesPerSecond = 96 * 1024
  isCut = false

  /** Takes what it knows of `to`; anything else is refused by throwing. */
  adjust({
    delayMs = this.delayMs,
    bytesPerSecond = this.bytesPerSecond,
    isCut = this.isCut,
  }: Record<string, unknown>): void {
    const rate = bytesPerSecond === null ? Number.POSITIVE_INFINITY : Number(bytesPerSecond)
    const delay = Number(delayMs)
    if (!(rate >= 1024) || !(delay >= 0 && delay <= 10_000) || typeof isCut !== 'boolean')
      throw new Error('no such line')
    this.delayMs = delay
    this.bytesPerSecond = rate
    this.isCut = isCut
  }

  get shown(): ShownLine {
    const { delayMs, bytesPerSecond, isCut } = this
    return { delayMs, bytesPerSecond: Number.isFinite(bytesPerSecond) ? bytesPerSecond : null, isCut }
  }
}

export interface DemoOrigin extends Origin {
  readonly streams: readonly StreamOrigin[]
}

export async function startDemoOrigin(line: AdjustableLine): Promise<DemoOrigin> {
  const served = new Map<string, Served>()
  for (const { folder } of STREAMS) {
    const files = await servedFolder(new URL(`${folder}/`, FIXTURE))
    for (const [name, file] of files) served.set(`${folder}/${name}`, file)
  }
  const origin = await startOrigin((path) => served.get(path), line)
  // Its port is another one each time: what is in the store is found by name.
  const streams = STREAMS.map(({ folder, title }) => ({
    title,
    asset: folder,
    url: new URL(`${folder}/index.m3u8`, origin.url),
  }))
  return Object.assign(origin, { streams })
}
