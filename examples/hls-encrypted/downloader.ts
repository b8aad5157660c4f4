// Playlist, key and segments, through the store: what is there is not asked for again.
import { type Asset, aes128Cbc, type Fill, hlsIv, type ProcessorChoice, portable } from '@cistern/assets'
import { type Ask, fillGaps } from './ask.js'
import { inParallel } from './parallel.js'
import { clearPlaylist, type Playlist, parsePlaylist, type Segment } from './playlist.js'
import { Progress } from './progress.js'
import type { Count, Report } from './report.js'

const AT_ONCE = 3
const KEY_BYTES = 16
/** What came from the origin, and what plays from the disk. */
const SOURCE = 'source.m3u8'
export const PLAYABLE = 'index.m3u8'

/** Where a segment is in its asset. Any URI fits into one file name, and back. */
export const segmentPath = (segment: Pick<Segment, 'uri'>): string => portable(segment.uri)

export interface Download {
  readonly asset: Asset
  readonly ask: Ask
  readonly report: Report
  readonly signal: AbortSignal
}

/** Fetches what is missing of `uri` and all it names. Resolves once all of it is committed. */
export async function download(uri: string, to: Download): Promise<Playlist> {
  const text = await to.report.timed('playlist', (count) => fetchPlaylist(uri, to, count))
  const playlist = parsePlaylist(text)
  const keys = new KeyRing(to)
  await to.report.timed('segments', async (count) => {
    using progress = new Progress('segments', playlist.segments.length)
    await inParallel(AT_ONCE, playlist.segments, to.signal, async (segment, signal) => {
      await fetchSegment(segment, { ...to, signal }, keys, count)
      progress.advance(1)
    })
  })
  await storePlayable(to.asset, text)
  return playlist
}

async function fetchPlaylist(uri: string, to: Download, count: Count): Promise<string> {
  await fetchOnce(SOURCE, uri, to, count)
  const text = Buffer.from((await to.asset.get(SOURCE)) ?? []).toString('utf8')
  if (text.startsWith('#EXTM3U')) return text
  // Some origin's error page, sent with status 200. Kept, it would be found in the store by every run to come.
  await to.asset.remove(SOURCE)
  return text
}

async function fetchSegment(segment: Segment, to: Download, keys: KeyRing, count: Count): Promise<void> {
  const { uri, key, sequence } = segment
  // A function: it is called only if the segment has to be written, so a run that finds all in the store fetches no key.
  const decrypt = key && (async () => aes128Cbc({ key: await keys.get(key.uri), iv: key.iv ?? hlsIv(sequence) }))
  await fetchOnce(segmentPath(segment), uri, to, count, decrypt)
}

/** Sees to it that `path` is committed, from `uri` as far as it is not there, and counts what that took. */
async function fetchOnce(
  path: string,
  uri: string,
  to: Download,
  count: Count,
  processor?: ProcessorChoice,
): Promise<void> {
  const { asset, ask, signal } = to
  let filled = false
  const fill: Fill = (writer, fillSignal) => {
    filled = true
    return fillGaps(uri, { ask, count })(writer, fillSignal)
  }
  using reader = await asset.openOrFill(path, fill, { processor, signal })
  // Plain bytes can be read before: this waits for the verdict, padding included.
  const length = await reader.waitCommit({ signal })
  count.stored += asset.stat(path)?.storedBytes ?? 0
  if (!filled) count.cached += length
  else if (processor) count.decrypted += length
}

/** Keys in memory, one request each, and only when someone asks. They are never stored and never printed. */
class KeyRing {
  readonly #from: Download
  readonly #keys = new Map<string, Promise<Uint8Array>>()

  constructor(from: Download) {
    this.#from = from
  }

  get(uri: string): Promise<Uint8Array> {
    const known = this.#keys.get(uri)
    if (known) return known
    const key = this.#fetch(uri)
    this.#keys.set(uri, key)
    return key
  }

  #fetch(uri: string): Promise<Uint8Array> {
    const { ask, report, signal } = this.#from
    return report.timed('key', async (count) => {
      count.requests += 1
      const response = await ask(uri, {}, signal)
      const key = new Uint8Array(await response.arrayBuffer())
      count.bytesIn += key.length
      if (!response.ok) throw new Error(`origin: ${response.status} for the key ${uri}`)
      if (key.length !== KEY_BYTES) throw new Error(`the key ${uri} has ${key.length} bytes, not ${KEY_BYTES}`)
      return key
    })
  }
}

/** The playlist a player opens from the disk: clear segments under their local names. */
async function storePlayable(asset: Asset, source: string): Promise<void> {
  const playable = clearPlaylist(source, (uri) => encodeURIComponent(segmentPath({ uri })))
  const stored = await asset.get(PLAYABLE)
  if (stored === undefined || Buffer.from(stored).toString('utf8') !== playable) await asset.put(PLAYABLE, playable)
}
