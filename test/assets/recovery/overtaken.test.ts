// A commit waits for no turn: it may come while its predecessor is opened, or gets its final name.
import assert from 'node:assert/strict'
import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectStore, ResourceKey, type ResourceStat, type ResourceWriter, type VerifyFinding } from '@cistern/assets'
import { DiskBackend } from '#assets/disk/disk-backend.js'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { eventLoopTurn } from '../../helpers/deferred.js'
import { openFilesUnder, showsDescriptors } from '../../helpers/descriptors.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { filesUnder, openDisk, until } from '../disk/open-disk.js'
import { text } from '../facade/stores.js'
import { beforeReads, beforeSyncs, openOver } from './faults.js'

const key = ResourceKey.of('film', 'A.ts')
const needsDescriptors = showsDescriptors ? {} : { skip: 'open descriptors are not shown here' }

test('what is committed while its predecessor is being opened is not lost to it', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await openDisk(root)
    await store.put(key, 'version one, the longer of the two')
  }
  utimesSync(join(root, 'film/A.ts'), 1, 1) // its checksums are to decide, which takes a while
  await using store = await openDisk(root, { flushMs: 60_000 })
  await using got = await store.acquire(key, { mode: 'replace' })
  await got.writer?.writeAt(0, Buffer.from('version two'))
  let committing: Promise<unknown> | undefined
  beforeReads(t, root, async () => {
    committing ??= got.writer?.commit()
    await committing
  })
  {
    using reader = await store.open(key)
    assert.equal(text(await reader.bytes()), 'version two')
  }
  assert.equal(store.stat(key)?.generation, got.reader.generation)
  await store.checkpoint()
  assert.equal(text(await store.get(key)), 'version two')
  await store.remove(key)
  await store.checkpoint()
  assert.equal(store.stat(key), undefined)
  assert.deepEqual(filesUnder(root), [])
})

test('what is committed while its predecessor gets a final name of its own leaves no file of that behind', async (t) => {
  const root = tempFolder(t)
  const backend = new Overtaken(root)
  await using store = await openOver(root, backend, { flushMs: 60_000 })
  const other = ResourceKey.of('film', 'a.ts')
  await store.put(other, 'its name is taken')
  await using first = await store.acquire(key, { mode: 'replace' }) // to be A.ts~1
  await first.writer?.writeAt(0, Buffer.from('one'))
  await store.remove(other)
  await using second = await store.acquire(key, { mode: 'replace' }) // to be A.ts
  await second.writer?.writeAt(0, Buffer.from('two'))
  await first.writer?.commit()
  backend.published = async () => void (await second.writer?.commit())
  await store.checkpoint()
  await store.checkpoint()
  assert.equal(text(await store.get(key)), 'two')
  assert.deepEqual(filesUnder(root), ['film/A.ts'])
})

for (const how of ['damaged', 'missing'] as const) {
  test(`a repair leaves alone who is rewriting what is ${how}, and what is committed meanwhile`, async (t) => {
    const root = tempFolder(t)
    await using store = await openDisk(root, { flushMs: 60_000 })
    const keys = [key, ResourceKey.of('film', 'B.ts')] as const
    for (const each of keys) await store.put(each, new Uint8Array(300_000))
    await store.checkpoint()
    for (const { id } of keys) {
      if (how === 'missing') rmSync(join(root, id))
      else writeFileSync(join(root, id), new Uint8Array(300_000).fill(1, 0, 1000))
    }
    const writers = new Map<string, ResourceWriter>()
    for (const each of keys) {
      const { writer, reader } = await store.acquire(each, { mode: 'replace' })
      reader.close()
      if (!writer) throw new Error('no writer')
      await writer.writeAt(0, Buffer.from('version two'))
      writers.set(each.id, writer)
    }
    // One is repaired, and the other is committed about when its turn comes.
    let committing: Promise<number> | undefined
    const onFinding = ({ file }: VerifyFinding): void => {
      const other = keys.find(({ id }) => id !== file)?.id ?? ''
      committing ??= writers
        .get(other)
        ?.commit()
        .finally(() => writers.delete(other))
    }
    await store.verify({ repair: true, onFinding })
    await committing
    assert.equal(writers.size, 1)
    for (const writer of writers.values()) await writer.commit()
    for (const each of keys) assert.equal(text(await store.get(each)), 'version two')
    await store.checkpoint()
    for (const each of keys) assert.equal(text(await store.get(each)), 'version two')
    const { badBlocks, missing, orphans } = await store.verify()
    assert.deepEqual([badBlocks, missing, orphans], [0, 0, 0])
    const salvaged = how === 'damaged' ? 300_000 - BLOCK_BYTES : 0 // the good block of the first, still unfinished
    assert.equal(store.stats().bytes, 2 * 'version two'.length + salvaged)
  })
}

test('what is put while its predecessor is checked and found damaged is opened in its place', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { flushMs: 60_000 })
  await store.put(key, new Uint8Array(1000))
  await store.checkpoint()
  using before = await store.open(key)
  writeFileSync(join(root, key.id), new Uint8Array(1000).fill(1))
  let putting: Promise<unknown> | undefined
  beforeReads(t, root, async () => {
    putting ??= store.put(key, 'version two')
    await putting
  })
  {
    using reader = await store.open(key, { verify: true })
    assert.equal(text(await reader.bytes()), 'version two')
  }
  assert.ok(putting)
  assert.notEqual(store.stat(key)?.generation, before.generation)
  assert.equal(text(await store.get(key)), 'version two')
  before.close()
  await store.checkpoint()
  assert.equal(text(await store.get(key)), 'version two')
  assert.deepEqual(filesUnder(root), [key.id])
  assert.equal(store.stats().bytes, 'version two'.length)
})

test('a repair takes nothing off what is committed just when a bad block of it is found', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { flushMs: 60_000 })
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, new Uint8Array(2 * BLOCK_BYTES))
  await store.checkpoint()
  const [part = ''] = filesUnder(root)
  writeFileSync(join(root, part), new Uint8Array(2 * BLOCK_BYTES).fill(1, 0, 1000))
  let committing: Promise<unknown> | undefined
  beforeReads(t, root, async () => {
    committing ??= got.writer?.commit()
    await committing
  })
  const { findings } = await store.verify({ repair: true })
  assert.deepEqual(
    findings.map(({ kind, repair }) => [kind, repair]),
    [['damaged', 'none']],
  )
  await store.checkpoint()
  assert.equal(store.stat(key)?.state, 'committed')
  assert.equal(store.stats().bytes, 2 * BLOCK_BYTES)
  await store.remove(key)
  got.reader.close()
  await until(() => store.stats().bytes === 0)
  assert.equal(store.stats().bytes, 0)
})

test(
  'an unfinished version that is being opened when a newer one is committed does not stay open',
  needsDescriptors,
  async (t) => {
    const root = tempFolder(t)
    {
      await using store = await openDisk(root)
      await using got = await store.acquire(key)
      await got.writer?.writeAt(0, Buffer.from('half of it'))
    }
    const [part = ''] = filesUnder(root)
    writeFileSync(join(root, part), 'half of it') // its checksums are to decide, which takes a while
    await using store = await openDisk(root, { cacheEntries: 0, flushMs: 60_000 })
    const { reader, writer } = await store.acquire(key, { mode: 'replace' })
    await writer?.writeAt(0, Buffer.from('version two'))
    let committing: Promise<unknown> | undefined
    beforeReads(t, root, async () => {
      committing ??= writer?.commit()
      await committing
    })
    {
      await using got = await store.acquire(key)
      assert.ok(committing)
      assert.equal(text(await got.reader.bytes()), 'version two')
    }
    reader.close()
    await store.checkpoint()
    for (let turn = 0; turn < 100; turn++) await eventLoopTurn()
    assert.deepEqual(openFilesUnder(join(root, 'film')), [])
  },
)

test('a checkpoint makes durable what has taken the place of what it was called for', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { flushMs: 60_000 })
  const writers: ResourceWriter[] = []
  for (const version of ['two', 'three', 'four']) {
    const { reader, writer } = await store.acquire(key, { mode: 'replace' })
    reader.close()
    assert.ok(writer)
    await writer.writeAt(0, Buffer.from(version))
    writers.push(writer)
  }
  await store.put(key, 'one')
  beforeSyncs(t, root, async () => void (await writers.shift()?.commit()))
  await store.checkpoint()
  assert.deepEqual(writers, [])
  assert.equal((await onRecord(root))?.length, 'four'.length)
})

test('who commits faster than the disk syncs does not keep a checkpoint for ever', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root, { flushMs: 60_000 })
  let isOver = false
  let version = 0
  beforeSyncs(t, root, async () => {
    const seen = version
    for (let turn = 0; turn < 20_000 && version === seen; turn++) await eventLoopTurn()
  })
  const put = () => store.put(key, 'any', { metadata: { version } })
  await put()
  const putting = (async () => {
    for (; !isOver; version++) await put()
  })()
  for (let round = 0; round < 5; round++) {
    const before = version
    await store.checkpoint()
    const found = (await onRecord(root))?.metadata as { version: number } | undefined
    assert.ok(found && found.version >= before - 1, `version ${found?.version} on record, ${before} put`)
  }
  isOver = true
  await putting
})

for (const loss of ['gone', 'another'] as const) {
  test(`an extension begins with what was opened, though its file is ${loss} by then`, async (t) => {
    const root = tempFolder(t)
    await using store = await openDisk(root)
    await store.put(key, 'version one')
    await store.checkpoint()
    using reader = await store.open(key)
    rmSync(join(root, key.id))
    if (loss === 'another') writeFileSync(join(root, key.id), 'not by us..')
    await using got = await store.acquire(key, { mode: 'extend' })
    await got.writer?.writeAt(11, Buffer.from(', longer'))
    await got.writer?.commit()
    assert.equal(text(await store.get(key)), 'version one, longer')
    assert.equal(text(await reader.bytes()), 'version one')
    await store.checkpoint()
    assert.deepEqual(filesUnder(root), [key.id])
  })
}

/** As somebody sees it who knows the files only. */
async function onRecord(root: string): Promise<ResourceStat | undefined> {
  const seen = await inspectStore(root)
  const stat = seen.stat(key)
  await seen.close()
  return stat
}

class Overtaken extends DiskBackend {
  /** After a rename, and before anybody knows of it. */
  published: () => Promise<void> = async () => undefined

  override async publish(name: string, generation: string, length: number): Promise<string> {
    const fingerprint = await super.publish(name, generation, length)
    await this.published()
    return fingerprint
  }
}
