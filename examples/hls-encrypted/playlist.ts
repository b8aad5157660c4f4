// A reader for the media playlists this example plays: RFC 8216, without byte ranges, init sections and variants.

export interface SegmentKey {
  readonly uri: string
  /** 16 bytes, or undefined: then it is the segment's media sequence number (RFC 8216, section 5.2). */
  readonly iv: Uint8Array<ArrayBuffer> | undefined
}

export interface Segment {
  readonly uri: string
  readonly sequence: number
  readonly seconds: number
  readonly key: SegmentKey | undefined
}

export interface Playlist {
  readonly segments: readonly Segment[]
  /** No more segments will follow. */
  readonly ended: boolean
}

export class PlaylistError extends Error {
  override readonly name = 'PlaylistError'
}

/** Tags that change what a segment is. Ignoring one would store the wrong bytes under a right name. */
const UNSUPPORTED = new Map([
  ['#EXT-X-STREAM-INF', 'a multivariant playlist: name one of its variants instead'],
  ['#EXT-X-BYTERANGE', 'segments that are byte ranges'],
  ['#EXT-X-MAP', 'segments with an init section'],
])

/** Rejects what is not a media playlist, or says more than this reader understands, with PlaylistError naming the line. */
export function parsePlaylist(text: string): Playlist {
  const lines = text.split(/\r?\n/)
  if (lines[0]?.trim() !== '#EXTM3U') {
    throw new PlaylistError(`not a playlist: it begins with ${JSON.stringify(text.slice(0, 32))} and not with #EXTM3U`)
  }
  const segments: Segment[] = []
  let sequence = 0
  let seconds: number | undefined
  let key: SegmentKey | undefined
  let ended = false

  for (const [at, raw] of lines.entries()) {
    const line = raw.trim()
    const { tag, value } = split(line)
    const refuse = (why: string): never => {
      throw new PlaylistError(`playlist line ${at + 1}: ${why}`)
    }
    const unsupported = UNSUPPORTED.get(tag)
    if (unsupported) refuse(`not supported here: ${unsupported}`)

    if (tag === '#EXT-X-MEDIA-SEQUENCE') sequence = decimal(value) ?? refuse(`no sequence number: ${value}`)
    else if (tag === '#EXTINF') seconds = decimal(value.split(',')[0]) ?? refuse(`no duration: ${value}`)
    else if (tag === '#EXT-X-KEY') key = parseKey(value, refuse)
    else if (tag === '#EXT-X-ENDLIST') ended = true
    else if (line !== '' && !line.startsWith('#')) {
      if (seconds === undefined) return refuse('a segment without #EXTINF')
      segments.push({ uri: line, sequence: sequence + segments.length, seconds, key })
      seconds = undefined
    }
  }
  if (segments.length === 0) throw new PlaylistError('a playlist without segments')
  return { segments, ended }
}

/** The same playlist over clear segments stored beside it: no keys, and each URI as `rename` says. */
export function clearPlaylist(text: string, rename: (uri: string) => string): string {
  return text
    .split(/\r?\n/)
    .filter((line) => split(line).tag !== '#EXT-X-KEY')
    .map((line) => (line.trim() === '' || line.startsWith('#') ? line : rename(line.trim())))
    .join('\n')
}

function parseKey(value: string, refuse: (why: string) => never): SegmentKey | undefined {
  const attributes = new Map<string, string>()
  for (const [, name = '', quoted, bare] of value.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))/g)) {
    attributes.set(name, quoted ?? bare ?? '')
  }
  const method = attributes.get('METHOD')
  if (method === 'NONE') return undefined
  if (method !== 'AES-128') return refuse(`unknown encryption method ${method ?? '(none named)'}`)
  const format = attributes.get('KEYFORMAT') ?? 'identity'
  if (format !== 'identity') return refuse(`unknown key format ${format}`)
  const uri = attributes.get('URI') ?? refuse('a key without URI')
  const iv = attributes.get('IV')
  if (iv !== undefined && !/^0x[0-9a-f]{32}$/i.test(iv)) return refuse(`an IV that is not 16 bytes: ${iv}`)
  return { uri, iv: iv === undefined ? undefined : Uint8Array.from(Buffer.from(iv.slice(2), 'hex')) }
}

function split(line: string): { readonly tag: string; readonly value: string } {
  const colon = line.indexOf(':')
  if (!line.startsWith('#EXT')) return { tag: '', value: '' }
  return colon < 0
    ? { tag: line.trim(), value: '' }
    : { tag: line.slice(0, colon), value: line.slice(colon + 1).trim() }
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined
}
