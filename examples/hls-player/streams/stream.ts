import { type AssetStore, aes128Cbc, hlsIv, type ProcessorChoice, portable, ResourceKey } from '@cistern/assets'
import { type Filler, httpSource } from '@cistern/fill'
import type { ServeAnswer } from '@cistern/http'
import { SourceError } from '@cistern/storage'
import { type Ahead, fetchAhead } from './ahead.js'
import { checked } from './checked.js'
import type { KeyRing } from './key-ring.js'
import { MAX_PLAYLIST_BYTES, type Named, playlistFault, rewritten, type SegmentKey } from './playlist.js'
import { asSourceError } from './source-failure.js'

const PARTS_AHEAD = 2
const A_PLAYLIST = checked('an HLS playlist', MAX_PLAYLIST_BYTES, playlistFault)

/** A resource of a stream: where it comes from, and as what it is kept. */
export interface Part {
  readonly kind: Named['kind']
  readonly url: URL
  readonly key: ResourceKey
  readonly processor: ProcessorChoice | undefined
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
  readonly #orders = new Map<string, Order>()
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

  get parts(): Iterable<Part> {
    return this.#parts.values()
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
    const { key, url, processor, place } = part
    place?.order.ahead.playing(place.number)
    return this.#with.filler.open(key, httpSource(url), { processor, signal })
  }

  /** Fetches all that its playlists have named, while nothing else is to be done. Ends with it, or when it is stopped. */
  async download(): Promise<void> {
    if (this.#download) return
    const control = new AbortController()
    this.#download = control
    const media = [...this.#parts.values()].filter(({ kind }) => kind !== 'playlist')
    await Promise.allSettled(media.map((part) => this.#fetch(part, 'low', control.signal)))
    if (this.#download === control) this.#download = undefined
  }

  stopDownload(): void {
    this.#download?.abort()
    this.#download = undefined
  }

  /** Nothing is fetched any more that nobody waits for. */
  stop(): void {
    this.stopDownload()
    for (const { ahead } of this.#orders.values()) ahead.stop()
  }

  #fetch({ key, url, processor }: Part, priority: 'medium' | 'low', signal: AbortSignal): Promise<void> {
    return this.#with.filler.prefetch(key, httpSource(url), { processor, priority, signal })
  }

  async #playlist({ url, key }: Part, signal: AbortSignal): Promise<string> {
    try {
      using reader = await this.#with.filler.open(key, httpSource(url), { processor: A_PLAYLIST, signal })
      const bytes = await reader.bytes({ signal })
      const order = this.#newOrder(key.path)
      return rewritten(bytes, (named) => this.#addressOf(this.#know(named, url, order)))
    } catch (error) {
      throw asSourceError(error, url)
    }
  }

  #newOrder(playlist: string): Order {
    this.#orders.get(playlist)?.ahead.stop()
    const segments: Part[] = []
    const ahead = fetchAhead(PARTS_AHEAD, async (number, signal) => {
      const part = segments[number]
      if (part) await this.#fetch(part, 'medium', signal)
    })
    const order = { segments, ahead }
    this.#orders.set(playlist, order)
    return order
  }

  #know({ uri, kind, at, key: cipher }: Named, base: URL, order: Order | undefined): Part {
    const url = new URL(uri, base)
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw new SourceError(`${this.title}: its playlist names a ${url.protocol} URL`)
    const key = this.#keyOf(url)
    const place = kind === 'segment' && order ? { order, number: order.segments.length } : undefined
    const part: Part = { kind, url, key, at, place, processor: cipher && this.#decryption(cipher, base) }
    this.#parts.set(key.path, part)
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
  #decryption({ uri, iv, sequence }: SegmentKey, base: URL): ProcessorChoice {
    const url = new URL(uri, base)
    return async () => aes128Cbc({ key: await this.#with.keys.get(url), iv: iv ?? hlsIv(sequence) })
  }

  #addressOf({ key }: Part): string {
    return `/media/${encodeURIComponent(key.asset)}/${encodeURIComponent(key.path)}`
  }
}
