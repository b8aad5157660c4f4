// Playlists as hls-parser understands them (RFC 8216), and what this player needs of them.
import HLS from 'hls-parser'

/** As the segment's EXT-X-KEY says. */
export interface SegmentKey {
  readonly uri: string
  /** 16 bytes; `undefined`: the media sequence number (RFC 8216 section 5.2). */
  readonly iv: Uint8Array | undefined
  /** Media sequence number. */
  readonly sequence: number
}

/** A resource that a playlist names. */
export interface Named {
  readonly uri: string
  readonly kind: 'playlist' | 'init' | 'segment'
  /** Seconds from the beginning; 0 where there is no such place. */
  readonly at: number
  readonly key?: SegmentKey | undefined
}

const MAX_BYTES = 4 * 1024 * 1024

// It would write to the console otherwise, and throw for what players put up with.
HLS.setOptions({ silent: true, strictMode: false })

/** What is wrong with it; `undefined`: it is a playlist that can be played. */
export function playlistFault(bytes: Uint8Array): string | undefined {
  const text = textOf(bytes)
  if (!text.startsWith('#EXTM3U')) return `not a playlist: it begins with ${JSON.stringify(text.slice(0, 24))}`
  if (/^#EXT-X-DEFINE:/m.test(text)) return 'a playlist with variables: these cannot be played here'
  try {
    const playlist = HLS.parse(text)
    if (playlist.isMasterPlaylist) {
      if (playlist.variants.length === 0) return 'a playlist without variants'
    } else {
      if (playlist.segments.length === 0) return 'a playlist without segments'
      if (!playlist.endlist) return 'a live playlist: only what has ended can be played here'
    }
    const ways = new Map<string, string>()
    rewritten(bytes, ({ uri, kind, key }) => {
      // It is kept once, decrypted.
      const way = JSON.stringify([key?.uri, key && (key.iv?.join() ?? key.sequence)])
      if (kind === 'segment' && (ways.get(uri) ?? way) !== way) throw new Error('it decrypts one segment in two ways')
      ways.set(uri, way)
      for (const each of [uri, ...(key ? [key.uri] : [])]) checkFetchable(each)
      return uri
    })
    return undefined
  } catch (error) {
    return `not a playlist that can be played here: ${(error as Error).message}`
  }
}

export { MAX_BYTES as MAX_PLAYLIST_BYTES }

/**
 * The same playlist with each URI as `rename` gives it, and without the keys: what is played is clear. Throws for what
 * cannot be decrypted here. The bytes have passed `playlistFault`.
 */
export function rewritten(bytes: Uint8Array, rename: (named: Named) => string): string {
  const text = textOf(bytes)
  const playlist = HLS.parse(text)
  // Renditions and init sections are shared: each is renamed once, whatever its name looks like.
  const renamed = new Set<object>()
  const isFirst = (each: object): boolean => renamed.size < renamed.add(each).size
  if (playlist.isMasterPlaylist) {
    for (const variant of playlist.variants) {
      variant.uri = rename({ uri: variant.uri, kind: 'playlist', at: 0 })
      for (const each of [...variant.audio, ...variant.video, ...variant.subtitles])
        if (each.uri !== undefined && isFirst(each)) each.uri = rename({ uri: each.uri, kind: 'playlist', at: 0 })
    }
    // Keys are fetched here, and nothing else is played that has not been renamed.
    playlist.sessionKeyList = []
    playlist.sessionDataList = playlist.sessionDataList.filter(({ uri }) => !uri)
    delete playlist.contentSteering
    return HLS.stringify(playlist)
  }
  playlist.dateRanges = [] // as those of segments
  const encryptedMaps = mapsBehindKeys(text)
  let at = 0
  for (const segment of playlist.segments) {
    const { key, map } = segment
    const decryption = key ? decryptionOf(key, segment.mediaSequenceNumber) : undefined // `null` where it is clear
    if (decryption && segment.byterange) throw new Error('encrypted segments that are byte ranges are not supported')
    if (map && isFirst(map)) {
      // It has no sequence number that an IV could be made of (RFC 8216 section 4.3.2.5).
      map.uri = rename({ uri: map.uri, kind: 'init', at, key: encryptedMaps.has(map.uri) ? decryption : undefined })
    }
    segment.uri = rename({ uri: segment.uri, kind: 'segment', at, key: decryption })
    delete segment.key
    delete segment.dateRange // may name a playlist of somebody else's, to be played in between
    at += segment.duration
  }
  return HLS.stringify(playlist)
}

/** Throws for what names nothing that an origin has. */
function checkFetchable(uri: string): void {
  if (!URL.canParse(uri, 'http://playlist/')) throw new Error('it names what is no URL')
  const { protocol } = new URL(uri, 'http://playlist/')
  if (protocol !== 'http:' && protocol !== 'https:') throw new Error(`it names a ${protocol} URL`)
}

function decryptionOf(
  { method, uri, iv, format = 'identity' }: { method: string; uri?: string; iv?: ArrayBuffer; format?: string },
  sequence: number,
): SegmentKey | undefined {
  if (method === 'NONE') return undefined
  if (method !== 'AES-128' || format !== 'identity' || uri === undefined)
    throw new Error(`encrypted by ${method}, ${format}: only AES-128 with the key itself is supported`)
  return { uri, iv: iv === undefined ? undefined : new Uint8Array(iv), sequence }
}

/** Init sections that a key was named before: those are encrypted too. */
function mapsBehindKeys(text: string): Set<string> {
  const maps = new Set<string>()
  let isEncrypted = false
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#EXT-X-KEY:')) isEncrypted = !line.includes('METHOD=NONE')
    const uri = /^#EXT-X-MAP:.*URI="([^"]*)"/.exec(line)?.[1]
    if (isEncrypted && uri !== undefined) maps.add(uri)
  }
  return maps
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
