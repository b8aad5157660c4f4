import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import {
  AssetStore,
  aes128Cbc,
  diskAssets,
  type Entry,
  openIndex,
  openStore,
  ResourceKey,
  type VerifyFinding,
} from '@cistern/assets'
import { randomBytes } from '../../helpers/bytes.js'
import { deferred } from '../../helpers/deferred.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { openDisk } from '../disk/open-disk.js'
import { beforeReads, beforeSyncs } from './faults.js'

const BLOCK = 256 * 1024
const key = ResourceKey.of('film', 'a.ts')

/** A byte changes and the file keeps its length, as when a disk rots. */
function flip(path: string, position: number): void {
  const [byte = 0] = readFileSync(path).subarray(position)
  const file = openSync(path, 'r+')
  writeSync(file, Uint8Array.of(byte ^ 1), 0, 1, position)
  closeSync(file)
}

test('[core 50] repair keeps the good blocks of a damaged resource, and only the bad one is asked for again', async (t) => {
  const root = await tempFolder(t)
  const bytes = randomBytes(1, 4 * BLOCK + 1000)
  {
    await using store = await AssetStore.open({ root })
    await store.put(key, bytes, { metadata: { etag: 'x' } })
    await store.checkpoint()
  }
  flip(join(root, 'film/a.ts'), 2 * BLOCK + 7)
  await using store = await AssetStore.open({ root })
  const seen: number[] = []
  const found = await store.verify({ onProgress: (done, total) => seen.push(done / total) })
  assert.deepEqual([found.badBlocks, found.missing, found.orphans], [1, 0, 0])
  assert.equal(store.stat(key)?.state, 'committed', 'looking changes nothing')
  assert.ok(seen.length > 0 && seen.every((share) => share > 0 && share <= 1))

  assert.equal((await store.verify({ repair: true })).badBlocks, 1)
  assert.equal(store.stat(key)?.state, 'active')
  assert.deepEqual(store.stat(key)?.metadata, { etag: 'x' })
  await using got = await store.acquire(key)
  assert.deepEqual([...(got.writer?.coverage.gaps(0, bytes.length) ?? [])], [{ start: 2 * BLOCK, end: 3 * BLOCK }])
  await got.writer?.writeAt(2 * BLOCK, bytes.subarray(2 * BLOCK, 3 * BLOCK))
  assert.equal(await got.writer?.commit(), bytes.length)
  assert.deepEqual(Buffer.from(await got.reader.bytes()), Buffer.from(bytes))
  await store.checkpoint()
  const after = await store.verify()
  assert.deepEqual([after.badBlocks, after.missing, after.orphans], [0, 0, 0])
  assert.equal(store.stats().bytes, bytes.length)
})

test('[core 50] a damaged resource that went through a processor is dropped whole', async (t) => {
  const root = await tempFolder(t)
  const processor = aes128Cbc({ key: new Uint8Array(16), iv: new Uint8Array(16) })
  const { createCipheriv } = await import('node:crypto')
  const cipher = createCipheriv('aes-128-cbc', new Uint8Array(16), new Uint8Array(16))
  const encrypted = Buffer.concat([cipher.update(randomBytes(2, 3 * BLOCK)), cipher.final()])
  await using store = await AssetStore.open({ root })
  await store.put(key, encrypted, { processor })
  await store.checkpoint()
  flip(join(root, 'film/a.ts'), 5)
  assert.equal((await store.verify({ repair: true })).badBlocks, 1)
  assert.equal(store.stat(key), undefined)
})

test('[core 52] repair drops the record of a file that is gone, and sweeps files that no record names', async (t) => {
  const root = await tempFolder(t)
  await using store = await AssetStore.open({ root })
  await store.put(key, randomBytes(3, 1000))
  await store.put(ResourceKey.of('film', 'b.ts'), randomBytes(4, 1000))
  await store.checkpoint()
  rmSync(join(root, 'film/a.ts'))
  writeFileSync(join(root, 'film/stray.ts'), 'nobody knows')
  const looked = await store.verify()
  assert.deepEqual([looked.resources, looked.missing, looked.orphans], [2, 1, 1])
  assert.ok(existsSync(join(root, 'film/stray.ts')))
  await store.verify({ repair: true })
  assert.equal(store.stat(key), undefined)
  assert.ok(!existsSync(join(root, 'film/stray.ts')))
  assert.equal((await store.asset('film').get('b.ts'))?.length, 1000)
})

test('[core 50] bad blocks of an unfinished resource are asked for again', async (t) => {
  const root = await tempFolder(t)
  const bytes = randomBytes(5, 3 * BLOCK)
  await using store = await AssetStore.open({ root })
  {
    await using got = await store.acquire(key)
    await got.writer?.declare({ length: 4 * BLOCK })
    await got.writer?.writeAt(0, bytes)
    const generation = got.writer?.generation
    await store.checkpoint()
    flip(join(root, `film/a.ts.${generation}.part`), BLOCK + 1)
    assert.equal((await store.verify({ repair: true })).badBlocks, 1)
    assert.deepEqual([...(got.writer?.coverage.gaps(0, 3 * BLOCK) ?? [])], [{ start: BLOCK, end: 2 * BLOCK }])
  }
})

test('[core 50] what a repair takes off, a flush under way does not put on record again, but it does what is left', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await openDisk(root, { flushMs: 60_000 })
    const { reader, writer } = await store.acquire(key)
    await writer?.declare({ length: 2 * BLOCK })
    await writer?.writeAt(0, randomBytes(1, 1000))
    await store.checkpoint()
    const [part = ''] = readdirSync(join(root, 'film'))
    flip(join(root, 'film', part), 7)
    const syncing = deferred()
    const repaired = deferred()
    let flushing: Promise<void> | undefined
    beforeReads(t, root, async () => {
      if (flushing) return
      await writer?.writeAt(1000, randomBytes(2, BLOCK - 1000)) // makes it a whole block, to go on record as one
      await writer?.release()
      beforeSyncs(t, root, () => {
        syncing.resolve()
        return repaired.promise
      })
      flushing = store.checkpoint()
      await syncing.promise
    })
    const { badBlocks } = await store.verify({ repair: true, onFinding: () => repaired.resolve() })
    assert.equal(badBlocks, 1)
    await flushing
    await store.checkpoint()
    reader.close()
  }
  await using store = await openDisk(root)
  assert.deepEqual([...(store.stat(key)?.coverage ?? [])], [{ start: 1000, end: BLOCK }])
  assert.equal(store.stats().bytes, BLOCK - 1000)
})

test('verify stops with its signal', async (t) => {
  await using store = await AssetStore.open({ root: await tempFolder(t) })
  await store.put(key, randomBytes(6, 1000))
  const reason = new Error('enough')
  await assert.rejects(store.verify({ signal: AbortSignal.abort(reason) }), (error) => error === reason)
})

test('verify names each finding: whose bytes, which, and what repair did about them', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  const of = (path: string): ResourceKey => ResourceKey.of('film', path)
  await store.put(of('a.ts'), randomBytes(1, 4 * BLOCK + 1000))
  await store.put(of('b.ts'), randomBytes(2, 1000))
  await using got = await store.acquire(of('c.ts'), { length: 4 * BLOCK })
  await got.writer?.writeAt(0, randomBytes(3, 2 * BLOCK))
  await store.checkpoint()
  const [a, b, c] = ['a.ts', 'b.ts', 'c.ts'].map((path) => store.stat(of(path))?.generation)
  for (const block of [0, 1, 4]) flip(join(root, 'film/a.ts'), block * BLOCK + 7)
  rmSync(join(root, 'film/b.ts'))
  flip(join(root, `film/c.ts.${c}.part`), BLOCK + 1)
  for (const stray of ['d.ts', 'd.ts.1-2.part']) writeFileSync(join(root, 'film', stray), 'nobody knows')

  const told: VerifyFinding[] = []
  const { findings, ...counts } = await store.verify({ onFinding: (finding) => told.push(finding) })
  assert.deepEqual(told, findings)
  const ranges = [
    { start: 0, end: 2 * BLOCK },
    { start: 4 * BLOCK, end: 4 * BLOCK + 1000 },
  ]
  const orphan = { kind: 'orphan', file: 'film/d.ts', bytes: 12, repair: 'none' }
  const committed = { state: 'committed', repair: 'none' }
  const expected = [
    { kind: 'damaged', key: of('a.ts'), file: 'film/a.ts', generation: a, ...committed, ranges, badBlocks: 3 },
    {
      kind: 'missing',
      key: of('b.ts'),
      file: 'film/b.ts',
      generation: b,
      ...committed,
      expected: 1000,
      found: undefined,
    },
    {
      ...{ kind: 'damaged', key: of('c.ts'), file: 'film/c.ts', generation: c, state: 'active', repair: 'none' },
      ...{ ranges: [{ start: BLOCK, end: 2 * BLOCK }], badBlocks: 1 },
    },
    { ...orphan, generation: undefined },
    { ...orphan, generation: '1-2' },
  ]
  assert.deepEqual(sorted(findings), sorted(expected as VerifyFinding[]))
  const nothingDone = { reopened: 0, dropped: 0, deleted: 0 }
  const found = { badBlocks: 4, missing: 1, orphans: 2 }
  assert.deepEqual(counts, { resources: 3, bytes: 6 * BLOCK + 1000, ...found, ...nothingDone })

  const repaired = await store.verify({ repair: true })
  const repairs = ['reopened', 'dropped', 'reopened', 'deleted', 'deleted']
  assert.deepEqual(
    sorted(repaired.findings).map(({ repair }) => repair),
    repairs,
  )
  const { badBlocks, missing, orphans, reopened, dropped, deleted } = repaired
  assert.deepEqual({ badBlocks, missing, orphans }, found)
  assert.deepEqual([reopened, dropped, deleted], [2, 1, 2])
  await store.checkpoint()
  assert.deepEqual((await store.verify()).findings, [])
})

/** Folders are listed in any order. */
const sorted = (findings: readonly VerifyFinding[]): VerifyFinding[] =>
  [...findings].sort((x, y) => (`${x.file} ${x.generation}` < `${y.file} ${y.generation}` ? -1 : 1))

test('a report lists the first 1,000 findings, its counts and onFinding are of all', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  await store.put(key, randomBytes(1, 10))
  await store.checkpoint()
  for (let n = 0; n < 1001; n++) writeFileSync(join(root, `film/stray-${n}.ts`), '')
  let told = 0
  const report = await store.verify({ onFinding: () => told++ })
  assert.deepEqual([report.orphans, told, report.findings.length], [1001, 1001, 1000])
})

test('[core 52] many orphans of one large asset are deleted without going through its names for each', async (t) => {
  const root = tempFolder(t)
  const index = await openIndex(join(root, '_index'), {})
  const entries = index.entries.bind(index)
  let looked = 0
  t.mock.method(index, 'entries', function* (asset: string, after?: string): Generator<Entry> {
    for (const entry of entries(asset, after)) {
      looked++
      yield entry
    }
  })
  await using store = await openStore(diskAssets(root), index, { minFreeBytes: 0 })
  const RESOURCES = 150
  for (let n = 0; n < RESOURCES; n++) await store.put(ResourceKey.of('film', `${n}.ts`), randomBytes(n, 10))
  await store.checkpoint()
  for (let n = 0; n < 100; n++) writeFileSync(join(root, `film/stray-${n}.ts`), 'nobody knows')
  looked = 0
  assert.equal((await store.verify({ repair: true })).deleted, 100)
  // To check them, to list by, and to sweep by; and the last of a batch is met again by the next.
  assert.ok(looked < 4 * RESOURCES, `${looked} looks`)
  assert.deepEqual((await store.verify()).findings, [])
  assert.equal(store.stats().resources, RESOURCES)
})

test('a repair that is stopped ends between two findings, and the next one goes on', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  await store.put(key, randomBytes(1, 10))
  await store.checkpoint()
  for (let n = 0; n < 10; n++) writeFileSync(join(root, `film/stray-${n}.ts`), 'nobody knows')
  const stop = new AbortController()
  let told = 0
  const onFinding = (): void => {
    if (++told === 3) stop.abort()
  }
  await assert.rejects(store.verify({ repair: true, signal: stop.signal, onFinding }), { name: 'AbortError' })
  assert.equal((await store.verify()).orphans, 7)
  assert.equal((await store.verify({ repair: true })).deleted, 7)
})
const SOMETHING_ELSE: Readonly<Record<string, (path: string) => void>> = {
  'a folder': (path) => mkdirSync(path),
  'a pipe': (path) => void spawnSync('mkfifo', [path]),
  'a symlink to nothing': (path) => symlinkSync(`${path}-not-there`, path),
}

for (const [what, put] of Object.entries(SOMETHING_ELSE)) {
  test(`[core 52] ${what} in the place of a file is an absent file: found by verify, fetched again by who asks`, async (t) => {
    const root = await tempFolder(t)
    const bytes = randomBytes(7, BLOCK + 1000)
    const unfinished = ResourceKey.of('film', 'b.ts')
    {
      await using store = await AssetStore.open({ root })
      await store.put(key, bytes)
      await using got = await store.acquire(unfinished)
      await got.writer?.writeAt(0, bytes)
    }
    const part = readdirSync(join(root, 'film')).find((name) => name.endsWith('.part')) ?? ''
    for (const name of ['a.ts', part]) {
      rmSync(join(root, 'film', name))
      put(join(root, 'film', name))
    }
    await using store = await AssetStore.open({ root })
    assert.equal((await store.verify()).missing, 2)
    for (const one of [key, unfinished]) {
      await using got = await store.acquire(one)
      assert.deepEqual([...(got.writer?.coverage ?? [])], [])
      await got.writer?.writeAt(0, bytes)
      await got.writer?.commit()
      assert.deepEqual(Buffer.from(await got.reader.bytes()), Buffer.from(bytes))
    }
  })
}

test('[core 52] an unfinished part of which no block holds is forgotten, and its file stays for whoever wants to look at it', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await AssetStore.open({ root })
    await using got = await store.acquire(key)
    await got.writer?.writeAt(0, randomBytes(1, 1000))
  }
  const [part = ''] = readdirSync(join(root, 'film'))
  flip(join(root, 'film', part), 7)
  await using store = await AssetStore.open({ root })
  await using got = await store.acquire(key)
  assert.deepEqual([...(got.writer?.coverage ?? [])], [])
  await got.writer?.writeAt(0, randomBytes(2, 1000))
  await got.writer?.commit()
  await store.checkpoint()
  assert.deepEqual(readdirSync(join(root, 'film')).sort(), ['a.ts', part])
  assert.equal(store.stats().bytes, 1000)
  const { orphans, deleted } = await store.verify({ repair: true })
  assert.deepEqual([orphans, deleted], [1, 1])
})

for (const ending of ['let go of', 'open when the store closes'] as const) {
  test(`[core 49] on the word of a suspect index no part is deleted, nothing of which is on record: ${ending}`, async (t) => {
    const root = tempFolder(t)
    let recorded = 0
    {
      await using store = await AssetStore.open({ root })
      await using got = await store.acquire(key)
      await store.checkpoint() // its name is on record, and nothing of its bytes
      recorded = statSync(journalOf(root)).size
      await got.writer?.writeAt(0, randomBytes(1, 1000))
      await got.writer?.release()
      await store.checkpoint()
      await store.pin('film')
    }
    flip(journalOf(root), recorded + 30)
    const parts = readdirSync(join(root, 'film'))
    await using store = await AssetStore.open({ root })
    assert.equal(store.recovery.suspect, true)
    const got = await store.acquire(key)
    assert.deepEqual([...(got.writer?.coverage ?? [])], [])
    if (ending === 'let go of') {
      await got[Symbol.asyncDispose]()
      await store.checkpoint()
    } else await store.close()
    assert.deepEqual(readdirSync(join(root, 'film')), parts)
  })
}

function journalOf(root: string): string {
  const index = join(root, '_index')
  const [journal = '', ...others] = readdirSync(index).filter((name) => name.startsWith('journal-'))
  assert.deepEqual(others, [])
  return join(index, journal)
}
