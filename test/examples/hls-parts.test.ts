// Parts of the hls-encrypted example that its fixture does not reach: keys without IV, bad keys, what is no playlist.
import assert from 'node:assert/strict'
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { Asset } from '@cistern/assets'
import { MemStore } from '@cistern/mem-store'

// Compiled apart from the tests, so their shapes are said here.
interface Served {
  readonly length: number
}
interface Playlist {
  readonly segments: readonly { readonly sequence: number; readonly key: unknown }[]
}
interface Parts {
  parsePlaylist(text: string): Playlist
  checkSegments(
    asset: Asset,
    playlist: Playlist,
    digests: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<number>
  servedBytes(bytes: Uint8Array, name: string): Served
  startOrigin(find: (path: string) => Served | undefined): Promise<AsyncDisposable & { readonly url: URL }>
  askOrigin(base: URL | undefined): unknown
  download(uri: string, to: { asset: Asset; ask: unknown; report: unknown; signal: AbortSignal }): Promise<unknown>
  Report: new () => unknown
}

const built = (name: string) => new URL(`../../../examples/dist/hls-encrypted/${name}.js`, import.meta.url).href
const names = ['playlist', 'origin', 'ask', 'downloader', 'report', 'check']
const modules = await Promise.all(names.map((name) => import(built(name)) as Promise<Partial<Parts>>))
const parts = Object.assign({}, ...modules) as Parts

test('without IV a segment is decrypted by its media sequence number; METHOD=NONE ends encryption', async () => {
  const key = randomBytes(16)
  const clear = [randomBytes(70_000), randomBytes(1), randomBytes(16)]
  const playlist = [
    ...['#EXTM3U', '#EXT-X-MEDIA-SEQUENCE:300', '#EXT-X-KEY:METHOD=AES-128,URI="key.bin"'],
    ...[
      '#EXTINF:2,',
      'a.ts',
      '#EXTINF:2,',
      'b.ts',
      '#EXT-X-KEY:METHOD=NONE',
      '#EXTINF:2,',
      'c.ts',
      '#EXT-X-ENDLIST',
      '',
    ],
  ].join('\r\n')
  const [a, b, c] = clear
  assert.ok(a && b && c)
  await using store = await MemStore.open()
  await downloadFrom(store.asset('film'), {
    ...{ 'index.m3u8': Buffer.from(playlist), 'key.bin': key },
    ...{ 'a.ts': encrypted(a, key, 300), 'b.ts': encrypted(b, key, 301), 'c.ts': c },
  })
  for (const [at, name] of ['a.ts', 'b.ts', 'c.ts'].entries()) {
    assert.deepEqual(Buffer.from((await store.asset('film').get(name)) ?? []), clear[at], name)
  }
})

test('a key that is not 16 bytes is refused, and nothing is stored under it', async () => {
  const playlist = '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="key.bin"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n'
  await using store = await MemStore.open()
  const served = { 'index.m3u8': Buffer.from(playlist), 'key.bin': randomBytes(17), 'a.ts': randomBytes(32) }
  await assert.rejects(downloadFrom(store.asset('film'), served), /the key key\.bin has 17 bytes, not 16/)
  assert.equal(store.asset('film').stat('a.ts')?.storedBytes ?? 0, 0)
  assert.equal(await store.asset('film').get('a.ts'), undefined)
})

test('what is not a media playlist is refused by name', () => {
  const refused: readonly (readonly [text: string, why: RegExp])[] = [
    ['<html>', /not a playlist: it begins with "<html>"/],
    ['#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8', /line 2: not supported here: a multivariant playlist/],
    ['#EXTM3U\na.ts', /line 2: a segment without #EXTINF/],
    ['#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"', /line 2: unknown encryption method SAMPLE-AES/],
    ['#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1', /line 2: an IV that is not 16 bytes/],
    ['#EXTM3U\n#EXT-X-KEY:METHOD=AES-128', /line 2: a key without URI/],
    ['#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:10\na.ts', /line 3: not supported here: segments that are byte ranges/],
    ['#EXTM3U\n#EXT-X-ENDLIST', /a playlist without segments/],
  ]
  for (const [text, why] of refused) assert.throws(() => parts.parsePlaylist(text), why)
})

test('a check finds segments that the playlist lost, and bytes that are not as their digest says', async () => {
  const [bytes, { signal }] = [randomBytes(1000), new AbortController()]
  const digest = createHash('sha256').update(bytes).digest('hex')
  await using store = await MemStore.open()
  const film = store.asset('film')
  await film.put('a.ts', bytes)
  const playlist = parts.parsePlaylist('#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n')

  assert.equal(await parts.checkSegments(film, playlist, { 'a.ts': digest }, signal), bytes.length)
  const more = { 'a.ts': digest, 'b.ts': digest, 'c.ts': digest }
  await assert.rejects(parts.checkSegments(film, playlist, more, signal), /the playlist does not name b\.ts, c\.ts$/)
  const none = parts.checkSegments(film, { segments: [] }, { 'a.ts': digest }, signal)
  await assert.rejects(none, /the playlist does not name a\.ts$/)
  const wrong = parts.checkSegments(film, playlist, { 'a.ts': digest.replace(/^./, 'x') }, signal)
  await assert.rejects(wrong, /a\.ts: not the bytes that its digest names/)
})

async function downloadFrom(asset: Asset, served: Readonly<Record<string, Uint8Array>>): Promise<void> {
  await using origin = await parts.startOrigin((path) => {
    const bytes = served[path]
    return bytes && parts.servedBytes(bytes, path)
  })
  const { signal } = new AbortController()
  await parts.download('index.m3u8', { asset, ask: parts.askOrigin(origin.url), report: new parts.Report(), signal })
}

/** RFC 8216, section 5.2: the sequence number as a big-endian 128-bit integer. */
function encrypted(clear: Uint8Array, key: Uint8Array, sequence: number): Buffer {
  const iv = Buffer.alloc(16)
  iv.writeUInt32BE(sequence, 12)
  const cipher = createCipheriv('aes-128-cbc', key, iv)
  return Buffer.concat([cipher.update(clear), cipher.final()])
}
