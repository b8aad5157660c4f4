// The player without a browser: what it answers, what it refuses, how it ends.
import assert from 'node:assert/strict'
import { createDecipheriv } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { test } from 'node:test'
import { spawnChild } from '../helpers/child.js'
import { hang, hangAfter, redirectTo, shortBody, status } from '../helpers/fixture-origin.js'
import { tempFolder } from '../helpers/temp-folder.js'
import { filmOrigin, fixture, isSegment, playlistOf, snapshotOf, startPlayer } from './films.js'

const PLAYER = new URL('../../../examples/dist/hls-player/main.js', import.meta.url)

test('with nothing said it plays streams of its own, clear, and ends with 0 on SIGINT and SIGTERM', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    await using child = spawnChild(PLAYER, { args: ['--root', tempFolder(t)] })
    await child.printed(' plays ')
    const player = { address: /http:\S+/.exec(child.stdout)?.[0] ?? '', child }
    const { text, addresses } = await playlistOf(player)
    assert.doesNotMatch(text, /EXT-X-KEY/)
    assert.equal(addresses.length, 10)
    const segment = await fetch(addresses[0] ?? '')
    assert.equal(segment.headers.get('content-type'), 'video/mp2t')
    assert.deepEqual(Buffer.from(await segment.arrayBuffer()), clearSegment('s000.ts'))
    assert.match(await (await fetch(player.address)).text(), /<title>Cistern player<\/title>/)
    child.process.kill(signal)
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.stderr)
    assert.match(child.stdout, /stopped: \d+ requests to the origin\n$/)
  }
})

for (const where of ['disk', 'memory'] as const) {
  test(`a second viewer costs the origin nothing, and no key is on the disk (${where})`, async (t) => {
    const origin = await filmOrigin(t)
    const root = tempFolder(t)
    const player = await startPlayer(
      t,
      '--origin',
      origin.url('/film/index.m3u8'),
      ...(where === 'disk' ? ['--root', root] : ['--mem']),
    )
    for (const expected of ['asked for', 'there']) {
      const { addresses } = await playlistOf(player)
      for (const address of addresses) assert.equal((await fetch(address)).status, 200, `${address} is ${expected}`)
      await origin.quiet()
      assert.equal(origin.requests.filter(isSegment).length, 10)
    }
    assert.equal(origin.requests.filter(({ path }) => path.endsWith('key.bin')).length, 1)
    for (let there = 0; there < 11; ) there = (await snapshotOf(player)).parts.filter(isCommitted).length
    player.child.process.kill('SIGTERM')
    await player.child.exited // no file is renamed any more while it is looked at
    const key = fixture('film', 'key.bin')
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) assert.equal((await readFile(join(entry.parentPath, entry.name))).includes(key), false)
  })
}

test('started again over the same folder it asks the origin for nothing that is there', async (t) => {
  const origin = await filmOrigin(t)
  const args = ['--origin', origin.url('/film/index.m3u8'), '--root', tempFolder(t)]
  for (const requests of [12, 12]) {
    await using child = spawnChild(PLAYER, { args })
    await child.printed(' plays ')
    const { addresses } = await playlistOf({ address: /http:\S+/.exec(child.stdout)?.[0] ?? '', child })
    for (const address of addresses) await (await fetch(address)).arrayBuffer()
    assert.equal(origin.requests.length, requests)
    child.process.kill('SIGTERM')
    assert.equal((await child.exited).code, 0)
  }
})

test('a stream of several variants and renditions is played from wherever its playlists are', async (t) => {
  const origin = await filmOrigin(t)
  for (const name of ['index.m3u8', 'key.bin', 'a000.ts', 'a001.ts'])
    origin.put(`/other/audio/${name}`, { bytes: fixture('audio', name) })
  const main = `#EXTM3U
#EXT-X-VERSION:4
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",DEFAULT=YES,URI="/other/audio/index.m3u8?token=hush"
#EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS="avc1.64001e,mp4a.40.2",AUDIO="a"
index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS="avc1.64001e,mp4a.40.2",AUDIO="a"
index.m3u8?bitrate=high
`
  origin.put('/film/main.m3u8', { bytes: Buffer.from(main) })
  const player = await startPlayer(t, '--origin', origin.url('/film/main.m3u8'), '--mem')
  const { text, addresses } = await playlistOf(player)
  assert.doesNotMatch(text, /hush/)
  const rendition = /URI="([^"]+)"/.exec(text)?.[1] ?? ''
  const playlists = [...addresses, new URL(rendition, player.address).href]
  assert.equal(new Set(playlists).size, 3)
  for (const address of playlists) {
    const lines = (await (await fetch(address)).text()).split('\n')
    const [segment = ''] = lines.filter((line) => line.startsWith('/media/'))
    const bytes = Buffer.from(await (await fetch(new URL(segment, address))).arrayBuffer())
    assert.equal(bytes[0], 0x47, 'a packet of a clear transport stream begins so')
  }
  assert.ok(origin.requests.some(({ path }) => path === '/other/audio/index.m3u8?token=hush'))
})

test('a playlist that is a page, a live one, or one of nothing is refused with 502, said in words, and not kept', async (t) => {
  const origin = await filmOrigin(t)
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const { streams } = await snapshotOf(player)
  const address = new URL(streams[0]?.address ?? '', player.address)
  const wrong: readonly (readonly [bytes: string, words: RegExp])[] = [
    ['<!doctype html><title>Sorry</title>', /film\/index\.m3u8: not a playlist: it begins with "<!doctype html>/],
    ['#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\ns000.ts\n', /a live playlist/],
    ['#EXTM3U\n', /a playlist without segments/],
    ['', /not a playlist/],
    [`#EXTM3U\n${'#'.repeat(5 * 1024 * 1024)}`, /over 4194304 bytes/],
  ]
  for (const [bytes, words] of wrong) {
    origin.put('/film/index.m3u8', { bytes: Buffer.from(bytes) })
    assert.equal((await fetch(address)).status, 502)
    const { failures, bytes: kept } = await snapshotOf(player)
    assert.match(failures.at(-1)?.message ?? '', words)
    assert.equal(kept, 0)
  }
  origin.put('/film/index.m3u8', { bytes: fixture('film', 'index.m3u8') })
  assert.equal((await fetch(address)).status, 200)
})

test('what is no text is not quoted: it may be a key', async (t) => {
  const origin = await filmOrigin(t)
  const player = await startPlayer(t, '--origin', origin.url('/film/key.bin'), '--mem')
  for (const key of [
    fixture('film', 'key.bin'),
    Buffer.from('0123456789abcdef'),
    Buffer.from([0x81, ...Buffer.alloc(40, 0x41)]),
  ]) {
    origin.put('/film/key.bin', { bytes: key })
    await assert.rejects(playlistOf(player), /answered with 502/)
    const { failures } = await snapshotOf(player)
    assert.match(failures.at(-1)?.message ?? '', /film\/key\.bin: not a playlist: it is no text$/)
  }
})

test('what a playlist says carelessly is put up with', async (t) => {
  const origin = await filmOrigin(t)
  const text = fixture('film', 'index.m3u8').toString()
  const careless = text.replaceAll(/(#EXTINF:[^,]*),/g, '#EXT-X-PROGRAM-DATE-TIME:yesterday\r\n$1\r')
  origin.put('/film/index.m3u8', { bytes: Buffer.from(careless) })
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const served = await playlistOf(player)
  assert.equal(served.addresses.length, 10)
  assert.doesNotMatch(served.text, /undefined|NaN|yesterday/)
})

test('a playlist that was redirected names what lies beside where it came from, after a restart too', async (t) => {
  const origin = await filmOrigin(t)
  origin.answer('/play', redirectTo('/elsewhere?token=hush'))
  origin.answer('/elsewhere', redirectTo('/film/index.m3u8?token=hush'))
  const args = ['--origin', origin.url('/play'), '--root', tempFolder(t)]
  for (const [number, name] of ['s000.ts', 's009.ts'].entries()) {
    await using child = spawnChild(PLAYER, { args })
    await child.printed(' plays ')
    const { text, addresses } = await playlistOf({ address: /http:\S+/.exec(child.stdout)?.[0] ?? '', child })
    assert.doesNotMatch(text, /hush/)
    const segment = await fetch(addresses[number * 9] ?? '')
    assert.deepEqual(Buffer.from(await segment.arrayBuffer()), clearSegment(name))
    child.process.kill('SIGTERM')
    assert.equal((await child.exited).code, 0)
  }
  assert.equal(origin.requests.filter(({ path }) => path === '/play').length, 1)
})

test('what cannot be decrypted here is refused with words', async (t) => {
  const origin = await filmOrigin(t)
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const wrong: readonly (readonly [is: string, becomes: string, words: RegExp])[] = [
    ['METHOD=AES-128', 'METHOD=SAMPLE-AES', /film\/index\.m3u8: .*SAMPLE-AES/],
    ['s000.ts', '#EXT-X-BYTERANGE:100@0\ns000.ts', /byte ranges/],
    ['s000.ts', 'data:text/plain,x', /names a data: URL/],
    ['s000.ts', 'http://[', /what is no URL/],
    ['s000.ts', '#EXT-X-DEFINE:NAME="n",VALUE="s000"\n{$n}.ts', /with variables/],
    ['s000.ts', 's001.ts\n#EXT-X-KEY:METHOD=AES-128,URI="key.bin"\n#EXTINF:2.0,\ns000.ts', /one segment in two ways/],
    ['"key.bin"', '"data:;base64,AAAA"', /names a data: URL/],
    [
      'SEQUENCE:0',
      `SEQUENCE:${2n ** 60n}\n#EXT-X-KEY:METHOD=AES-128,URI="key.bin"\n#EXTINF:2,\nfirst.ts`,
      /media sequence number/,
    ],
    ['IV=0x37', 'IV=0x', /an IV has 16 bytes/],
  ]
  for (const [is, becomes, words] of wrong) {
    const text = fixture('film', 'index.m3u8').toString().replace(is, becomes)
    assert.notEqual(text, fixture('film', 'index.m3u8').toString())
    origin.put('/film/index.m3u8', { bytes: Buffer.from(text) })
    await assert.rejects(playlistOf(player), /answered with 502/)
    const { failures, bytes } = await snapshotOf(player)
    assert.match(failures.at(-1)?.message ?? '', words)
    assert.equal(bytes, 0)
  }
  origin.put('/film/index.m3u8', { bytes: fixture('film', 'index.m3u8') })
  assert.equal((await playlistOf(player)).addresses.length, 10)
})

test('a key of another length, no key, an error page and a short segment: 502, and nothing of it is kept', async (t) => {
  const origin = await filmOrigin(t)
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const [address = ''] = (await playlistOf(player)).addresses
  const segment = async () => {
    const { failures } = await snapshotOf(player)
    const got = await fetch(address).then(
      async (response) => [response.status, await response.arrayBuffer().then(whole, () => 'cut')] as const,
      () => [0, 'cut'] as const,
    )
    const after = await snapshotOf(player)
    assert.ok((after.failures.at(-1)?.number ?? 0) > (failures.at(-1)?.number ?? 0), 'it is said')
    assert.notEqual(after.parts.find(({ label }) => label === 's000.ts')?.state, 'committed')
    return { got, message: after.failures.at(-1)?.message ?? '' }
  }

  for (const length of [15, 17]) {
    origin.put('/film/key.bin', { bytes: Buffer.alloc(length, 1) })
    const { got, message } = await segment()
    assert.equal(got[0], 502)
    assert.match(message, length === 15 ? /film\/key\.bin: 15 bytes: an AES-128 key has 16/ : /film\/key\.bin: over 16/)
  }
  origin.answer('/film/key.bin', status(403, {}, 'no'))
  assert.deepEqual(
    [(await segment()).got[0], (await segment()).message.includes('/film/key.bin: status 403')],
    [502, true],
  )
  origin.answer('/film/key.bin')
  origin.put('/film/key.bin', { bytes: fixture('film', 'key.bin') })

  origin.answer('/film/s000.ts', status(403, {}, '<html>'))
  const page = await segment()
  assert.equal(page.got[0], 502)
  assert.match(page.message, /film\/s000\.ts: status 403/)
  origin.answer('/film/s000.ts', redirectTo('http://127.0.0.1:1/elsewhere'))
  assert.equal((await segment()).got[0], 502)
  origin.answer('/film/s000.ts', shortBody(100))
  assert.deepEqual((await segment()).got.at(-1), 'cut')

  origin.answer('/film/s000.ts')
  assert.deepEqual(Buffer.from(await (await fetch(address)).arrayBuffer()), clearSegment('s000.ts'))
})

test('only what a playlist named is fetched, and only for pages of its own', async (t) => {
  const origin = await filmOrigin(t)
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const { addresses } = await playlistOf(player)
  const asked = origin.requests.length
  for (const path of [
    '/media/x/y',
    '/media/',
    '/media/%2e%2e/x',
    '/nothing',
    `${new URL(addresses[0] ?? '').pathname}x`,
  ])
    assert.equal((await fetch(new URL(path, player.address))).status, 404, path)
  assert.equal(origin.requests.length, asked)

  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(new URL(path, player.address), { method: 'POST', body, headers })
  const { streams } = await snapshotOf(player)
  const asset = streams[0]?.asset
  assert.equal((await post('/pin', JSON.stringify({ asset, on: true }), { origin: 'http://evil.example' })).status, 403)
  assert.equal((await snapshotOf(player)).assets[0]?.isPinned, false)
  assert.equal((await post('/pin', JSON.stringify({ asset, on: true }))).status, 204)
  assert.equal((await snapshotOf(player)).assets[0]?.isPinned, true)
  for (const body of ['', '{', 'null', '{"asset":"nope"}']) assert.equal((await post('/pin', body)).status, 400, body)
  assert.equal((await post('/nope', '{}')).status, 404)
  assert.equal((await post('/line', '{}')).status, 404, 'this origin is not its own')
})

test('all is fetched while nobody watches, or forgotten, when the page says so', async (t) => {
  const origin = await filmOrigin(t)
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  await playlistOf(player)
  const { streams } = await snapshotOf(player)
  const post = (path: string, body: object) =>
    fetch(new URL(path, player.address), {
      method: 'POST',
      body: JSON.stringify({ asset: streams[0]?.asset, ...body }),
    })
  assert.equal((await post('/download', { on: true })).status, 204)
  for (let there = 0; there < 11; ) {
    const { parts } = await snapshotOf(player)
    there = parts.filter(isCommitted).length
  }
  assert.equal(origin.requests.filter(isSegment).length, 10)
  assert.equal((await post('/forget', {})).status, 204)
  assert.equal((await snapshotOf(player)).bytes, 0)
})

test('what is forgotten while it is sent is cut, and is no failure', async (t) => {
  const origin = await filmOrigin(t)
  origin.answer('/film/s009.ts', hangAfter(8192))
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const { addresses } = await playlistOf(player)
  const { streams } = await snapshotOf(player)
  const { status: code, body } = await fetch(addresses.at(-1) ?? '')
  const reader = body?.getReader()
  assert.ok(code === 200 && reader && !(await reader.read()).done)
  const cut = assert.rejects(async () => {
    while (!(await reader.read()).done);
  })
  const forget = { method: 'POST', body: JSON.stringify({ asset: streams[0]?.asset }) }
  assert.equal((await fetch(new URL('/forget', player.address), forget)).status, 204)
  await cut
  assert.deepEqual((await snapshotOf(player)).failures, [])
})

test('clear segments are played, before and between encrypted ones', async (t) => {
  const origin = await filmOrigin(t)
  const names = ['s000.ts', 's001.ts', 's002.ts']
  const [plain = '', key = ''] = [
    clearSegment('s000.ts'),
    /#EXT-X-KEY.*/.exec(fixture('film', 'index.m3u8').toString())?.[0],
  ]
  origin.put('/film/s000.ts', { bytes: Buffer.from(plain) })
  origin.put('/film/s002.ts', { bytes: clearSegment('s002.ts') })
  const text = `#EXTM3U
#EXT-X-TARGETDURATION:2
#EXTINF:2,
s000.ts
${key}
#EXTINF:2,
s001.ts
#EXT-X-KEY:METHOD=NONE
#EXTINF:2,
s002.ts
#EXT-X-ENDLIST
`
  origin.put('/film/index.m3u8', { bytes: Buffer.from(text) })
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const { addresses } = await playlistOf(player)
  for (const [number, name] of names.entries()) {
    const bytes = Buffer.from(await (await fetch(addresses[number] ?? '')).arrayBuffer())
    assert.ok(bytes.equals(clearSegment(name)), name)
  }
})

test('whatever a playlist names is named anew, or left out', async (t) => {
  const origin = await filmOrigin(t)
  for (const name of ['index.m3u8', 'key.bin', 'a000.ts'])
    origin.put(`/media/audio/${name}`, { bytes: fixture('audio', name) })
  const main = `#EXTM3U
#EXT-X-SESSION-KEY:METHOD=AES-128,URI="key.bin?token=hush"
#EXT-X-SESSION-DATA:DATA-ID="x",URI="data.json?token=hush"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",DEFAULT=YES,URI="/media/audio/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=200000,AUDIO="a"
index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=300000,AUDIO="a"
index.m3u8
`
  origin.put('/film/main.m3u8', { bytes: Buffer.from(main) })
  const player = await startPlayer(t, '--origin', origin.url('/film/main.m3u8'), '--mem')
  const { text } = await playlistOf(player)
  assert.doesNotMatch(text, /hush/)
  const rendition = new URL(/URI="([^"]+)"/.exec(text)?.[1] ?? '', player.address)
  assert.equal((await fetch(rendition)).status, 200, rendition.pathname)
})

test('a target that is no path is refused, and ends nothing', async (t) => {
  const player = await startPlayer(t, '--mem')
  const { port } = new URL(player.address)
  for (const target of ['//', '//[', 'http://[/', '*']) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.end(`GET ${target} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n\r\n`)
    assert.match(await textOf(socket), /^HTTP\/1\.1 40[04] /, target)
  }
  assert.equal((await fetch(player.address)).status, 200)
  assert.equal((await fetch(`${player.address}events`, { method: 'HEAD' })).status, 404, 'there is no end of them')
})

test('it ends at once, though an origin does not answer for a key', async (t) => {
  const origin = await filmOrigin(t)
  origin.answer('/film/key.bin', hang())
  await using child = spawnChild(PLAYER, { args: ['--origin', origin.url('/film/index.m3u8'), '--mem'] })
  await child.printed(' plays ')
  const { addresses } = await playlistOf({ address: /http:\S+/.exec(child.stdout)?.[0] ?? '', child })
  const asked = fetch(addresses[0] ?? '').catch(() => undefined)
  await origin.asked(1, ({ path }) => path === '/film/key.bin')
  child.process.kill('SIGTERM')
  assert.equal((await child.exited).code, 0)
  await asked
  assert.equal(origin.requests.filter(({ path }) => path === '/film/key.bin').length, 1, 'no time-out was waited for')
})

test('a key that does not come is 504 after two attempts, and is no longer asked for once nobody waits', async (t) => {
  const origin = await filmOrigin(t)
  origin.answer('/film/key.bin', hang())
  const player = await startPlayer(t, '--origin', origin.url('/film/index.m3u8'), '--mem')
  const { addresses } = await playlistOf(player)
  const isKey = ({ path }: { readonly path: string }): boolean => path === '/film/key.bin'
  // The last one: nothing is fetched ahead behind it.
  const last = addresses.at(-1) ?? ''
  const leaving = new AbortController()
  const left = fetch(last, { signal: leaving.signal }).catch(() => undefined)
  const { done } = await origin.asked(1, isKey)
  const began = performance.now()
  leaving.abort()
  await left
  await done
  assert.ok(performance.now() - began < 3_500, 'it ended before its time-out of four seconds')
  assert.equal((await fetch(last)).status, 504)
  assert.equal(origin.requests.filter(isKey).length, 1 + 2, 'two attempts of four seconds each')
  const { failures } = await snapshotOf(player)
  assert.deepEqual([failures.length, failures[0]?.message.includes('/film/key.bin: ')], [1, true])
  origin.answer('/film/key.bin')
  assert.equal((await fetch(last)).status, 200)
})

test('a port or a store that another process has is said in a sentence', async (t) => {
  const root = tempFolder(t)
  const player = await startPlayer(t, '--root', root)
  const { port } = new URL(player.address)
  const wrong: readonly (readonly [
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    code: number,
    words: RegExp,
  ])[] = [
    [['--root', root], {}, 1, /^hls-player: .*the store is owned by process \d+.*\n$/],
    [['--mem'], { PORT: port }, 1, /^hls-player: .*EADDRINUSE.*\n$/],
    [['--mem'], { PORT: '99999' }, 2, /^PORT takes/],
    [['--mem'], { PORT: 'abc' }, 2, /^PORT takes/],
  ]
  for (const [args, env, code, words] of wrong) {
    await using child = spawnChild(PLAYER, { args, env })
    assert.deepEqual(await child.exited, { code, signal: null }, child.stdout)
    assert.match(child.stderr, words)
  }
})

test('wrong usage says how it is meant and exits 2; --help is a success', async () => {
  const wrong = [
    ['--nope'],
    ['--origin', 'nowhere'],
    ['--origin', 'ftp://x/y'],
    ['--max-bytes', '0'],
    ['--mem', '--root', 'x'],
  ]
  for (const args of wrong) {
    await using child = spawnChild(PLAYER, { args })
    assert.deepEqual(await child.exited, { code: 2, signal: null })
    assert.match(child.stderr, /usage: hls-player/)
  }
  await using child = spawnChild(PLAYER, { args: ['--help'] })
  assert.equal((await child.exited).code, 0)
  assert.match(child.stdout, /^usage: hls-player/)
})

const isCommitted = ({ state }: { readonly state: string }): boolean => state === 'committed'
const whole = (bytes: ArrayBuffer): number => bytes.byteLength

function clearSegment(name: string): Buffer {
  const iv = /IV=0x([0-9a-f]{32})/.exec(fixture('film', 'index.m3u8').toString())?.[1] ?? ''
  const decipher = createDecipheriv('aes-128-cbc', fixture('film', 'key.bin'), Buffer.from(iv, 'hex'))
  return Buffer.concat([decipher.update(fixture('film', name)), decipher.final()])
}
