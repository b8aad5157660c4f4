import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { encodeHeader } from '#assets/index/header.js'
import { assetName, resourcePath, writeBigIndex } from '../../helpers/big-index.js'
import { randomBytes } from '../../helpers/bytes.js'
import { inTempFolder, tempFolder } from '../../helpers/temp-folder.js'

const STRACE = '/usr/bin/strace'

test(
  '[core 33] reopening 100,000 resources touches no asset file',
  existsSync(STRACE) ? {} : { skip: 'strace is not here: the system calls of opening were NOT counted' },
  async (t) => {
    const root = tempFolder(t)
    await writeBigIndex(root, { assets: 10_000, resourcesPerAsset: 10 })
    const trace = join(tempFolder(t), 'trace')
    const module = fileURLToPath(new URL('./open-child.js', import.meta.url))
    const run = spawnSync(
      STRACE,
      ['-f', '-qq', '-o', trace, '-e', 'trace=file,getdents64', '-s', '300', process.execPath, module, root],
      { encoding: 'utf8', env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
    )
    assert.equal(run.status, 0, run.stderr)
    assert.deepEqual(JSON.parse(run.stdout), { resources: 100_000, suspect: false })
    const lines = readFileSync(trace, 'utf8').split('\n')
    assert.ok(lines.some((line) => line.includes(`${root}/_index/cov.bin`)))
    const touching = lines.filter((line) => line.includes(`"${root}/`) && !line.includes(`"${root}/_index`))
    assert.deepEqual(touching, [])
  },
)

test('a big index is what it claims to be', async (t) => {
  const root = tempFolder(t)
  await writeBigIndex(root, { assets: 3, resourcesPerAsset: 150 })
  await using store = await AssetStore.open({ root })
  assert.deepEqual([store.recovery.resources, store.recovery.suspect], [450, false])
  assert.equal([...store.resources(assetName(1))].length, 150)
  // None of its files is there: what is asked for is absent, and what is not stays on record.
  await assert.rejects(store.open(ResourceKey.of(assetName(1), resourcePath(7))), { code: 'ERR_CISTERN_NOT_FOUND' })
  assert.equal(store.stats().resources, 449)
})

/** Some resources, twice compacted, so that each index file and its predecessor are there. */
async function filled(root: string): Promise<void> {
  await writeBigIndex(root, { assets: 2, resourcesPerAsset: 3 })
  for (let run = 0; run < 3; run++) {
    const store = await AssetStore.open({ root })
    for (let i = 0; i < 3; i++)
      await store.put(ResourceKey.of(`real-${run}`, `${i}.ts`), randomBytes(run * 10 + i, 70_000))
    await store.pin(`real-${run}`)
    await store.close()
  }
}

const DAMAGE: Readonly<Record<string, (path: string) => void>> = {
  missing: (path) => rmSync(path),
  empty: (path) => writeFileSync(path, ''),
  garbage: (path) => writeFileSync(path, randomBytes(99, 5000)),
  'cut in half': (path) => {
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.subarray(0, bytes.length >> 1))
  },
  'a flipped bit': (path) => {
    const bytes = readFileSync(path)
    const at = bytes.length - 30
    bytes[at] = (bytes[at] ?? 0) ^ 4
    writeFileSync(path, bytes)
  },
}

test('[core 49] each index file missing, empty, garbage, cut or flipped: opens, and names nothing that is absent', async () => {
  await inTempFolder(async (original) => {
    await filled(original)
    const names = readdirSync(join(original, '_index')).filter((name) => /\.(bin|log)$/.test(name))
    assert.ok(names.length >= 4, names.join())
    for (const name of names) {
      for (const [kind, damage] of Object.entries(DAMAGE)) {
        await inTempFolder(async (folder) => {
          const root = join(folder, 'copy')
          spawnSync('cp', ['-a', original, root])
          damage(join(root, '_index', name))
          const store = await AssetStore.open({ root })
          for (let run = 0; run < 3; run++) {
            for (let i = 0; i < 3; i++) {
              const bytes = await store.get(ResourceKey.of(`real-${run}`, `${i}.ts`))
              if (bytes) assert.ok(Buffer.from(bytes).equals(randomBytes(run * 10 + i, 70_000)), `${name} ${kind}`)
            }
          }
          // What damage took is given anew, beside what is there.
          await store.put(ResourceKey.of('real-0', '0.ts'), randomBytes(5, 1000))
          await store.close()
          await using again = await AssetStore.open({ root })
          assert.equal((await again.get(ResourceKey.of('real-0', '0.ts')))?.byteLength, 1000, `${name} ${kind}`)
        })
      }
    }
  })
})

test('[core 49] a lost snapshot costs nothing where its predecessor and the journals are there', async () => {
  const place = await compactedStore()
  for (const kind of ['cov', 'lru', 'pins']) {
    for (const damage of Object.values(DAMAGE)) {
      await inTempFolder(async (folder) => {
        const root = join(folder, 'copy')
        spawnSync('cp', ['-a', place.root, root])
        damage(join(root, '_index', `${kind}.bin`))
        await using store = await AssetStore.open({ root })
        assert.deepEqual(
          [store.recovery.suspect, store.stats().resources, store.assetStat('film')?.pinned],
          [false, place.resources, true],
        )
      })
    }
  }
  rmSync(place.root, { recursive: true })
})

/** A store whose journals have gone into snapshots more than once. */
async function compactedStore(): Promise<{ readonly root: string; readonly resources: number }> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'cistern-test-')))
  const store = await AssetStore.open({ root, flushMs: 1 })
  await store.pin('film')
  const key = ResourceKey.of('film', 'a.ts')
  await store.put(key, new Uint8Array(100))
  const filler = { text: 'x'.repeat(60_000) }
  for (let i = 0; i < 60 || !existsSync(join(root, '_index', 'cov.prev.bin')); i++) {
    await store.setMetadata(key, { ...filler, i })
    if (i % 8 === 0) await store.checkpoint()
    assert.ok(i < 2000)
  }
  await store.close()
  return { root, resources: 1 }
}

test('[core 49] an index that was emptied under its assets is suspect: nothing is named, and nothing is swept', async (t) => {
  for (const kept of [['owner'], []]) {
    const root = tempFolder(t)
    await filled(root)
    const files = namesUnder(root)
    for (const name of readdirSync(join(root, '_index')))
      if (!kept.includes(name)) rmSync(join(root, '_index', name), { recursive: true })
    for (let opened = 1; opened <= 2; opened++) {
      await using store = await AssetStore.open({ root })
      assert.deepEqual([store.recovery.suspect, store.recovery.resources], [true, 0], `opened ${opened} times`)
    }
    assert.deepEqual(namesUnder(root), files)
  }
})

test('[core 49] a pipe in the place of an index file is damage: neither does opening wait for its other end, nor fail', async () => {
  await inTempFolder(async (original) => {
    await filled(original)
    for (const name of readdirSync(join(original, '_index')).filter((one) => /\.(bin|log)$|^owner$/.test(one))) {
      await inTempFolder(async (folder) => {
        const root = join(folder, 'copy')
        spawnSync('cp', ['-a', original, root])
        rmSync(join(root, '_index', name))
        spawnSync('mkfifo', [join(root, '_index', name)])
        await using store = await AssetStore.open({ root })
        await store.put(ResourceKey.of('real-0', 'new.ts'), randomBytes(5, 1000))
        await store.checkpoint()
        assert.equal(store.stats().state, 'ok', name)
      })
    }
  })
})

test('[core 54] a link in the place of the folder in which owners contend is refused, and not followed', async (t) => {
  const [root, outside] = [tempFolder(t), tempFolder(t)]
  await filled(root)
  writeFileSync(join(outside, 'letter.txt'), 'dear reader')
  rmSync(join(root, '_index', 'claim'), { recursive: true, force: true })
  symlinkSync(outside, join(root, '_index', 'claim'))
  await assert.rejects(AssetStore.open({ root }), { code: 'ERR_CISTERN_STORAGE_IO', message: /claim is not a folder/ })
  assert.deepEqual(readdirSync(outside), ['letter.txt'])
})

test('[core 49] an index that is lost takes no generation back: what the lost life left lies there, and nothing is mixed with it', async (t) => {
  const root = tempFolder(t)
  const key = ResourceKey.of('film', 'a.ts')
  const generations = new Set<string>()
  for (let life = 1; life <= 3; life++) {
    const store = await AssetStore.open({ root })
    {
      await using got = await store.acquire(key)
      assert.ok(got.writer, `life ${life}`)
      assert.deepEqual([...got.writer.coverage], [], 'a file alone proves nothing')
      generations.add(got.writer.generation)
      await got.writer.writeAt(0, randomBytes(life, 100_000))
    }
    await store.close()
    for (const name of readdirSync(join(root, '_index'))) rmSync(join(root, '_index', name), { recursive: true })
  }
  assert.equal(generations.size, 3)
  assert.equal(readdirSync(join(root, 'film')).length, 3)
  await using store = await AssetStore.open({ root })
  assert.equal((await store.verify()).orphans, 3)
})

test('[core 54] an index of a newer version is refused, and left as it is', async (t) => {
  const root = tempFolder(t)
  await filled(root)
  const dir = join(root, '_index')
  const header = { kind: 'journal', storeId: new Uint8Array(16), number: 99, session: 's', sequence: 9 } as const
  writeFileSync(join(dir, 'journal-99.log'), encodeHeader(header, { version: 2 }))
  const before = contentOf(dir)
  await assert.rejects(AssetStore.open({ root }), { code: 'ERR_CISTERN_INDEX_VERSION' })
  assert.deepEqual(contentOf(dir), before)
})

test('[core 54] a folder that is not a store is refused, and left as it is', async (t) => {
  const root = tempFolder(t)
  writeFileSync(join(root, 'letter.txt'), 'dear reader')
  await assert.rejects(AssetStore.open({ root }), /letter|not a store/)
  assert.deepEqual(readdirSync(root), ['letter.txt'])
  await assert.rejects(AssetStore.open({ root: join(root, 'letter.txt') }), { code: 'ERR_CISTERN_STORAGE_IO' })
  assert.equal(readFileSync(join(root, 'letter.txt'), 'utf8'), 'dear reader')
})

const isRoot = process.getuid?.() === 0

test(
  '[core 54] a root without permission is refused by name',
  isRoot ? { skip: 'root may do anything: permissions were NOT tested' } : {},
  async (t) => {
    const root = join(tempFolder(t), 'store')
    mkdirSync(root)
    chmodSync(root, 0o500)
    await assert.rejects(AssetStore.open({ root }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_CISTERN_STORAGE_IO')
      return error.message.includes(root)
    })
    chmodSync(root, 0o700)
    assert.deepEqual(readdirSync(root), [])
  },
)

function namesUnder(root: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => !name.startsWith('_index')).sort()
}

function contentOf(dir: string): [name: string, bytes: string][] {
  return readdirSync(dir)
    .sort()
    .filter((name) => name.includes('.'))
    .map((name) => [name, readFileSync(join(dir, name), 'hex')])
}
