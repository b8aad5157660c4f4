// Playlists as hls-parser understands them (RFC 8216), and what this player needs of them.
import HLS from 'hls-parser'

/** As the segment's EXT-X-KEY says. */
export interface SegmentKey {
  readonly uri: string
  /** 16 bytes in hex; `undefined`: the media sequence number (RFC 8216 section 5.2). */
  readonly iv: string | undefined
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

/** `text`: without keys, since what is played is clear, and for `named` to be given the names that this server has. */
export type ReadPlaylist = { readonly fault: string } | { readonly text: string }

export const MAX_PLAYLIST_BYTES: number = 4 * 1024 * 1024
const KEY_BYTES = 16
/** Around each resource in the text; nothing else in it has one. */
const MARK = '\u0001'

// It would write to the console otherwise, and throw for what players put up with.
HLS.setOptions({ silent: true, strictMode: false })

/** What is wrong with it, or what is played instead of it. */
export function readPlaylist(bytes: Uint8Array): ReadPlaylist {
  const text = textOf(bytes)
  if (!text.startsWith('#EXTM3U')) return { fault: `not a playlist: ${beginningOf(text)}` }
  if (/^#EXT-X-DEFINE:/m.test(text)) return { fault: 'a playlist with variables: these cannot be played here' }
  try {
    const playlist = HLS.parse(text)
    if (playlist.isMasterPlaylist) {
      if (playlist.variants.length === 0) return { fault: 'a playlist without variants' }
      clearVariants(playlist)
    } else {
      if (playlist.segments.length === 0) return { fault: 'a playlist without segments' }
      if (!playlist.endlist) return { fault: 'a live playlist: only what has ended can be played here' }
      clearSegments(playlist, mapsBehindKeys(text))
    }
    return { text: HLS.stringify(playlist) }
  } catch (error) {
    return { fault: `not a playlist that can be played here: ${(error as Error).message}` }
  }
}

/** The pieces of a playlist that was read: its text, and between its pieces the resources. */
export function* piecesOf(text: string): Generator<string | Named> {
  let isNamed = false
  for (let from = 0, to = 0; to < text.length; from = to + 1) {
    const mark = text.indexOf(MARK, from)
    to = mark < 0 ? text.length : mark
    const piece = text.slice(from, to)
    yield isNamed ? (JSON.parse(piece) as Named) : piece
    isNamed = !isNamed
  }
}

function clearVariants(playlist: HLS.types.MasterPlaylist): void {
  const isFirst = firsts()
  for (const variant of playlist.variants) {
    variant.uri = marked({ uri: variant.uri, kind: 'playlist', at: 0 })
    for (const each of [...variant.audio, ...variant.video, ...variant.subtitles])
      if (each.uri !== undefined && isFirst(each)) each.uri = marked({ uri: each.uri, kind: 'playlist', at: 0 })
  }
  // Keys are fetched here, and nothing else is played that has not been renamed.
  playlist.sessionKeyList = []
  playlist.sessionDataList = playlist.sessionDataList.filter(({ uri }) => !uri)
  delete playlist.contentSteering
}

function clearSegments(playlist: HLS.types.MediaPlaylist, encryptedMaps: ReadonlySet<string>): void {
  const isFirst = firsts()
  const ways = new Map<string, string>()
  playlist.dateRanges = [] // as those of segments
  let at = 0
  let isDated = false
  for (const segment of playlist.segments) {
    const { uri, key: cipher, map, programDateTime } = segment
    const key = cipher ? decryptionOf(cipher, segment.mediaSequenceNumber) : undefined // `null` where it is clear
    if (key && segment.byterange) throw new Error('encrypted segments that are byte ranges are not supported')
    if (map && isFirst(map)) {
      // It has no sequence number that an IV could be made of (RFC 8216 section 4.3.2.5).
      map.uri = marked({ uri: map.uri, kind: 'init', at, key: encryptedMaps.has(map.uri) ? key : undefined })
    }
    // It is kept once, decrypted.
    const way = key ? `${key.iv ?? key.sequence} ${key.uri}` : ''
    if ((ways.get(uri) ?? way) !== way) throw new Error('it decrypts one segment in two ways')
    ways.set(uri, way)
    segment.uri = marked({ uri, kind: 'segment', at, key })
    delete segment.key
    delete segment.dateRange // may name a playlist of somebody else's, to be played in between
    // Between discontinuities the others follow from it; hls-parser compares each of them with all lines before it.
    if (segment.discontinuity) isDated = false
    if (!isDated && isDate(programDateTime)) isDated = true
    else delete segment.programDateTime
    at += segment.duration
  }
}

function isDate(date: Date | undefined | null): boolean {
  return date instanceof Date && !Number.isNaN(date.getTime())
}

/** Renditions and init sections are shared: each is renamed once, whatever its name looks like. */
function firsts(): (each: object) => boolean {
  const seen = new Set<object>()
  return (each) => seen.size < seen.add(each).size
}

function marked(named: Named): string {
  for (const each of [named.uri, ...(named.key ? [named.key.uri] : [])]) checkFetchable(each)
  return `${MARK}${JSON.stringify(named)}${MARK}`
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
  if (iv === undefined && !(Number.isSafeInteger(sequence) && sequence >= 0))
    throw new Error(`no IV can be made of the media sequence number ${sequence}`)
  if (iv !== undefined && iv.byteLength !== KEY_BYTES) throw new Error(`an IV has ${KEY_BYTES} bytes`)
  return { uri, iv: iv && Buffer.from(iv).toString('hex'), sequence }
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

/** A duration without the comma behind it would be given the title `undefined`. */
function textOf(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes).replaceAll(MARK, '')
  return text.replace(/^(#EXTINF:[^,\r\n]*)(?=\r?$)/gm, '$1,')
}

/** Only what is text, and longer than a key: it may be one, where somebody mixed up two URLs. */
function beginningOf(text: string): string {
  const isText = text.length > KEY_BYTES && !/[\p{Cn}\p{Co}\p{Cs}\ufffd]|(?![\r\n\t])\p{Cc}/u.test(text.slice(0, 1000))
  return isText ? `it begins with ${JSON.stringify(text.slice(0, 24))}` : 'it is no text'
}
