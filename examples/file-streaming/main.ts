// Watching a film that is still on its way: from the middle, after a cut connection, and after the origin changed it.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AssetStore, CisternError } from '@cistern/assets'
import { firstDifference } from '../hls-encrypted/generated.js'
import { type Origin, type Served, servedBytes, servedGenerated, startOrigin } from '../hls-encrypted/origin.js'
import { filmFrom } from './film.js'

const LENGTH = 8 * 1024 * 1024
const MIDDLE = LENGTH / 2
const PACE = 16 * 1024 * 1024
const FILM = 'film.mp4'

// What the origin has at the moment: each act changes it.
let present: Served = servedGenerated(LENGTH, PACE)

const root = await mkdtemp(join(tmpdir(), 'cistern-file-streaming-'))
try {
  await using origin = await startOrigin((path) => (path === FILM ? present : undefined))
  const url = new URL(FILM, origin.url)
  await seek(url)
  await cutAndResume(url, origin)
  await changed(url)
} finally {
  await rm(root, { recursive: true, force: true })
}
console.log('all as it should be')

/** A viewer who starts in the middle does not wait for the first half. */
async function seek(url: URL): Promise<void> {
  await using store = await AssetStore.open({ root })
  using reader = await store.asset('seek').openOrFill(FILM, filmFrom(url, MIDDLE))
  const piece = await reader.bytes({ start: MIDDLE, end: MIDDLE + 65_536 })
  assert.equal(firstDifference(MIDDLE, piece), undefined)
  assert.equal(reader.status.state, 'active', 'read before all of it was there')
  assert.equal(reader.coverage.has(0, 1), false, 'and before the beginning was')
  console.log(`seek: 64 KiB from the middle while ${reader.coverage.size} of ${reader.length} bytes were here`)

  // The same reader goes on over the commit, from the start this time.
  let at = 0
  for await (const chunk of reader.chunks()) {
    assert.equal(firstDifference(at, chunk), undefined)
    at += chunk.length
  }
  assert.equal(at, LENGTH)
  console.log(`seek: then all ${at} bytes, through the same reader`)
}

/** A connection that breaks costs what had not arrived; so does a restart. */
async function cutAndResume(url: URL, origin: Origin): Promise<void> {
  present = { ...servedGenerated(LENGTH, PACE), cutAfter: 3 * 1024 * 1024 }
  const kept = await brokenRun(url)
  console.log(`cut: ${kept} bytes kept`)

  present = servedGenerated(LENGTH, PACE)
  const before = origin.requests.length
  await using store = await AssetStore.open({ root })
  using reader = await store.asset('resume').openOrFill(FILM, filmFrom(url, 0))
  assert.equal(await reader.waitCommit(), LENGTH)
  assert.equal(firstDifference(0, await reader.bytes()), undefined)

  const ranges = origin.requests.slice(before).flatMap(({ range }) => range ?? [])
  assert.deepEqual(ranges, [`bytes=${kept}-${LENGTH - 1}`], 'only what was missing')
  console.log(`resumed: asked for ${ranges.join(', ')}, ${LENGTH - kept} of ${LENGTH} bytes`)
}

async function brokenRun(url: URL): Promise<number> {
  await using store = await AssetStore.open({ root })
  using reader = await store.asset('resume').openOrFill(FILM, filmFrom(url, 0))
  // The fill failed, so its bytes are kept for the next one, and whoever waits is told why.
  await assert.rejects(reader.waitCommit(), (error) => CisternError.is(error, 'ERR_CISTERN_ABANDONED'))
  const kept = store.asset('resume').stat(FILM)?.received.size ?? 0
  assert.ok(kept > 0 && kept < LENGTH)
  return kept
}

/** Half of one version and half of another is no film: bytes of an older version are dropped, not completed. */
async function changed(url: URL): Promise<void> {
  present = { ...servedGenerated(LENGTH, PACE), cutAfter: 1024 * 1024 }
  await using store = await AssetStore.open({ root })
  const asset = store.asset('changed')
  using old = await asset.openOrFill(FILM, filmFrom(url, 0))
  await assert.rejects(old.waitCommit())

  const newer = Buffer.alloc(300_000, 'a newer cut of the film ')
  present = servedBytes(newer, FILM)
  using reader = await asset.openOrFill(FILM, filmFrom(url, 0))
  assert.equal(await reader.waitCommit(), newer.length)
  assert.deepEqual(Buffer.from(await reader.bytes()), newer)
  console.log(`changed: ${newer.length} bytes of the new version, none of the old`)
}
