import {
  type AssetStore,
  aes128Cbc,
  CisternError,
  hlsIv,
  type ProcessorChoice,
  portable,
  ResourceKey,
} from '@cistern/assets'
import { type Filler, httpSource } from '@cistern/fill'
import type { ServeAnswer } from '@cistern/http'
import { SourceError } from '@cistern/storage'
import { type Ahead, fetchAhead } from './ahead.js'
import { checked } from './checked.js'
import { baseOf, cameFrom, fetchTelling } from './final-url.js'
import type { KeyRing } from './key-ring.js'
import { Pace } from './pace.js'
import { MAX_PLAYLIST_BYTES, type Named, piecesOf, type SegmentKey } from './playlist.js'
import type { PlaylistReader } from './playlist-reader.js'
import { asSourceError } from './source-failure.js'
import { Wanted } from './wanted.js'

const PARTS_AHEAD = 2
/** The filler has the others wait: what is handed to it at a time need not be more than it lets in. */
const DOWNLOADS_AT_ONCE = 12

/** A resource of a stream: where it comes from, and as what it is kept. */
export interface Part {
  readonly kind: Named['kind']
  readonly url: URL
  readonly key: ResourceKey
  readonly processor: ProcessorChoice | undefined
  readonly wanted: Wanted
  /** Seconds from the beginning. */
  readonly at: number
  /** Which one of its media playlist's segments; `undefined` where it is none. */
  readonly place: { readonly order: Order; readonly number: number } | undefined
}

/** The segments of one media playlist. */
interface Order {
  readonly segments: Part[]
  readonly ahead: Ahead
}

/** A playlist as it is served. */
interface Served {
  /** Of what it was made of. */
  readonly generation: string
  readonly order: Order
  readonly text: Promise<string>
}

/** Where a stream comes from, and what it is called. */
export interface StreamOrigin {
  readonly title: string
  /** Of its playlist. */
  readonly url: URL
  /** Default: made of the URL. */
  readonly asset?: string | undefined
}

/** What all streams are played with. */
export interface Playing {
  readonly store: AssetStore
  readonly filler: Filler
  readonly keys: KeyRing
  readonly playlists: PlaylistReader
}

/** One VOD stream. Its playlists and segments are the resources of one asset, kept decrypted. */
export class Stream {
  readonly asset: string
  readonly title: string
  readonly url: URL
  readonly #with: Playing
  readonly #main: Part
  /** Known so far, by path in the asset: playlists name them, and nothing else is fetched. */
  readonly #parts = new Map<string, Part>()
  /** By path: what one viewer has waited for is there for all others. */
  readonly #served = new Map<string, Served>()
  #ordered: readonly Part[] | undefined
  #asked: Part | undefined
  #download: AbortController | undefined

  constructor({ title, url, asset = ResourceKey.fromUrl(url).asset }: StreamOrigin, playing: Playing) {
    this.title = title
    this.url = url
    this.#with = playing
    this.asset = asset
    this.#main = this.#know({ uri: url.href, kind: 'playlist', at: 0 }, url, undefined)
  }

  /** Of its playlist, on this server. */
  get address(): string {
    return this.#addressOf(this.#main)
  }

  /** In the order of playing. */
  get parts(): readonly Part[] {
    this.#ordered ??= inOrder(this.#parts.values())
    return this.#ordered
  }

  /** The part that somebody asked for last, to play it. */
  get asked(): Part | undefined {
    return this.#asked
  }

  get isDownloading(): boolean {
    return this.#download !== undefined
  }

  /** What a request for `path` is answered with; `undefined`: no playlist named it. */
  async open(path: string, signal: AbortSignal): Promise<ServeAnswer> {
    const part = this.#parts.get(path)
    if (part === undefined) return undefined
    if (part.kind === 'playlist') {
      const headers = { 'content-type': 'application/vnd.apple.mpegurl', 'cache-control': 'no-store' }
      return new Response(await this.#playlist(part, signal), { headers })
    }
    const { key, url, processor, place, wanted } = part
    this.#asked = part
    place?.order.ahead.playing(place.number)
    return wanted.wait(signal, () => this.#with.filler.open(key, httpSource(url), { processor, signal }))
  }

  /** Fetches all that its playlists have named, while nothing else is to be done. Ends with it, or when it is stopped. */
  async download(): Promise<void> {
    if (this.#download) return
    const control = new AbortController()
    const { signal } = control
    this.#download = control
    const pace = new Pace()
    const media = this.parts.filter(({ kind }) => kind !== 'playlist').values()
    const fetchNext = async (): Promise<void> => {
      for (const part of media) {
        if (pace.isDue) await pace.rest()
        if (signal.aborted) return
        await this.#fetch(part, 'low', signal).catch(() => undefined) // whoever plays it is told
      }
    }
    await Promise.all(Array.from({ length: DOWNLOADS_AT_ONCE }, fetchNext))
    if (this.#download === control) this.#download = undefined
  }

  stopDownload(): void {
    this.#download?.abort()
    this.#download = undefined
  }

  /** Nothing is fetched any more that nobody waits for. */
  stop(): void {
    this.stopDownload()
    for (const { order } of this.#served.values()) order.ahead.stop()
  }

  async #fetch(part: Part, priority: 'medium' | 'low', signal: AbortSignal): Promise<void> {
    const { key, url, processor, wanted } = part
    if (this.#with.store.stat(key)?.state === 'committed') return
    const options = { processor, priority, signal }
    await wanted.wait(signal, () => this.#with.filler.prefetch(key, httpSource(url), options))
  }

  async #playlist(part: Part, signal: AbortSignal): Promise<string> {
    const { url, key } = part
    const { store, filler } = this.#with
    try {
      // Kept before the first byte is: where only some of it is there, it is known where from.
      const source = httpSource(url, { fetch: fetchTelling((from) => store.setMetadata(key, cameFrom(from))) })
      using reader = await filler.open(key, source, { processor: this.#playlistCheck(), signal })
      const bytes = await reader.bytes({ signal })
      return await this.#serve(key, url, reader.generation, bytes).text
    } catch (error) {
      // Forgotten while it was on its way: it is still wanted here.
      if (CisternError.is(error, 'ERR_CISTERN_REMOVED') && !signal.aborted) return this.#playlist(part, signal)
      throw asSourceError(error, url)
    }
  }

  #playlistCheck(): ProcessorChoice {
    return checked('an HLS playlist', MAX_PLAYLIST_BYTES, async (bytes) => {
      const read = await this.#with.playlists.read(bytes)
      return 'fault' in read ? read.fault : undefined
    })
  }

  #serve(key: ResourceKey, url: URL, generation: string, bytes: Uint8Array): Served {
    const { path } = key
    const before = this.#served.get(path)
    if (before?.generation === generation) return before
    before?.order.ahead.stop()
    const order = this.#newOrder()
    const base = baseOf(this.#with.store.stat(key)?.metadata, url)
    const served = { generation, order, text: this.#renamed(bytes, base, order) }
    this.#served.set(path, served)
    served.text.catch(() => {
      if (this.#served.get(path) === served) this.#served.delete(path)
    })
    return served
  }

  /** The playlist with this server's names. */
  async #renamed(bytes: Uint8Array, base: URL, order: Order): Promise<string> {
    const read = await this.#with.playlists.read(bytes)
    if ('fault' in read) throw new Error(read.fault) // it has passed before it was kept
    const pieces: string[] = []
    const pace = new Pace()
    for (const piece of piecesOf(read.text)) {
      if (pace.isDue) await pace.rest()
      pieces.push(typeof piece === 'string' ? piece : this.#addressOf(this.#know(piece, base, order)))
    }
    return pieces.join('')
  }

  #newOrder(): Order {
    const segments: Part[] = []
    const ahead = fetchAhead(PARTS_AHEAD, async (number, signal) => {
      const part = segments[number]
      if (part) await this.#fetch(part, 'medium', signal)
    })
    return { segments, ahead }
  }

  #know({ uri, kind, at, key: cipher }: Named, base: URL, order: Order | undefined): Part {
    const url = new URL(uri, base)
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw new SourceError(`${this.title}: its playlist names a ${url.protocol} URL`)
    const key = this.#keyOf(url)
    const place = kind === 'segment' && order ? { order, number: order.segments.length } : undefined
    const wanted = new Wanted()
    const processor = cipher && this.#decryption(cipher, base, wanted)
    const part: Part = { kind, url, key, at, place, processor, wanted }
    this.#parts.set(key.path, part)
    this.#ordered = undefined
    if (place) place.order.segments.push(part)
    return part
  }

  /** Below its playlist by its own name, wherever that may move to. A query may be secret: none gets into a name. */
  #keyOf(url: URL): ResourceKey {
    const folder = new URL('.', this.url).href
    return url.href.startsWith(folder) && url.search === ''
      ? ResourceKey.of(this.asset, portable(url.href.slice(folder.length)))
      : ResourceKey.fromUrl(url, { asset: this.asset })
  }

  /** A function: it is called only for what has to be fetched, so what is in the store needs no key. */
  #decryption({ uri, iv, sequence }: SegmentKey, base: URL, wanted: Wanted): ProcessorChoice {
    const url = new URL(uri, base)
    return async () =>
      aes128Cbc({
        key: await this.#with.keys.get(url, wanted.signal),
        iv: iv === undefined ? hlsIv(sequence) : Buffer.from(iv, 'hex'),
      })
  }

  #addressOf({ key }: Part): string {
    return `/media/${encodeURIComponent(key.asset)}/${encodeURIComponent(key.path)}`
  }
}

const KINDS = ['playlist', 'init', 'segment']

function inOrder(parts: Iterable<Part>): Part[] {
  return [...parts].sort((one, other) => KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind) || one.at - other.at)
}
