// A stream of eleven hours.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Filler } from '@cistern/fill'
import { MemStore } from '@cistern/mem-store'
import { hang, openOrigin } from '../helpers/fixture-origin.js'
import { filmOrigin, playlistOf, snapshotOf, startPlayer } from './films.js'

const SEGMENTS = 10_000

/** What is tested of the player, which is built apart from the tests. */
interface Stream {
  readonly address: string
  open(path: string, signal: AbortSignal): Promise<unknown>
}

const built = (name: string) => import(new URL(`../../../examples/dist/hls-player/${name}.js`, import.meta.url).href)

test('a long playlist is read aside, in another thread, and once for all who play it', async (t) => {
  const { stream, reads } = await longStream(t)
  await playlist(stream)
  const { length } = reads // to be kept, and to be served
  assert.ok(length > 0)
  await Promise.all([playlist(stream), playlist(stream)])
  assert.equal(reads.length, length)
})

test('of dates the first one is kept: to write all of a long playlist would take seconds', async () => {
  const { readPlaylist } = await built('streams/playlist')
  const dated = Buffer.from(longPlaylist((number) => new Date(number * 4000).toISOString()))
  const read = readPlaylist(dated)
  assert.ok('text' in read)
  assert.deepEqual(read.text.match(/#EXT-X-PROGRAM-DATE-TIME:.*/g), [
    '#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z',
  ])
})

test('of a long stream the page is shown the parts around what is asked for, and how many there are besides', async (t) => {
  const origin = await filmOrigin(t)
  origin.put('/film/index.m3u8', { bytes: Buffer.from(longPlaylist()) })
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const { addresses } = await playlistOf(player)
  assert.equal(addresses.length, SEGMENTS)
  for (const [asked, label] of [
    [0, 's00000.ts'],
    [5000, 's05000.ts'],
    [SEGMENTS - 1, 's09999.ts'],
  ] as const) {
    await fetch(addresses[asked] ?? '')
    const { parts, more } = await snapshotOf(player)
    assert.ok(parts.length <= 300 && parts.some((part) => part.label === label), `${label} of ${parts.length}`)
    assert.equal(parts.length + more, SEGMENTS + 1)
  }
})

test('a second viewer does not end what is fetched ahead for the first', async (t) => {
  const origin = await filmOrigin(t)
  for (const name of ['s001.ts', 's002.ts']) origin.answer(`/film/${name}`, hang())
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const { addresses } = await playlistOf(player)
  await (await fetch(addresses[0] ?? '')).arrayBuffer()
  const ahead = await origin.asked(1, ({ path }) => path.endsWith('s002.ts'))
  await playlistOf(player)
  await delay(300) // it would be gone by then
  assert.equal(ahead.ended, 'open')
})

function longPlaylist(dateOf?: (number: number) => string): string {
  const lines = ['#EXTM3U', '#EXT-X-TARGETDURATION:4', '#EXT-X-KEY:METHOD=AES-128,URI="key.bin"']
  for (let number = 0; number < SEGMENTS; number++) {
    if (dateOf) lines.push(`#EXT-X-PROGRAM-DATE-TIME:${dateOf(number)}`)
    lines.push('#EXTINF:4.000000,', `s${String(number).padStart(5, '0')}.ts`)
  }
  return `${lines.join('\n')}\n#EXT-X-ENDLIST\n`
}

async function longStream(t: TestContext) {
  const origin = await openOrigin({ '/film/index.m3u8': { bytes: Buffer.from(longPlaylist()) } })
  const store = await MemStore.open()
  const filler = new Filler(store)
  const keys = await (await built('streams/key-ring')).KeyRing.open()
  const playlists = new (await built('streams/playlist-reader')).PlaylistReader()
  const reads: Uint8Array[] = []
  const counting = {
    read(bytes: Uint8Array): unknown {
      reads.push(bytes)
      return playlists.read(bytes)
    },
  }
  t.after(async () => {
    for (const each of [playlists, keys, filler, store, origin]) await each[Symbol.asyncDispose]()
  })
  const stream: Stream = new (await built('streams/stream')).Stream(
    { title: 'long', url: new URL(origin.url('/film/index.m3u8')) },
    { store, filler, keys, playlists: counting },
  )
  return { stream, reads }
}

async function playlist(stream: Stream): Promise<void> {
  const path = stream.address.split('/').at(-1) ?? ''
  const answer = await stream.open(path, new AbortController().signal)
  assert.ok(answer instanceof Response)
  assert.match(await answer.text(), /s09999\.ts/)
}
