// Full stores, damaged blocks, more than fits into memory.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AssetStore, ResourceKey } from '@cistern/assets'
import { Filler, type Source } from '@cistern/fill'
import { MemStore } from '@cistern/mem-store'
import { randomBytes } from '../helpers/bytes.js'
import { tempFolder } from '../helpers/temp-folder.js'
import { ScriptedSource } from './scripted-source.js'

const MIB = 1024 * 1024
const BLOCK = 256 * 1024
const key = ResourceKey.of('film', 'video.mp4')

test('[fill 10] one block that is damaged on disk is fetched again, and nothing else', async (t) => {
  const root = tempFolder(t)
  const source = new ScriptedSource({ bytes: randomBytes(1, 5 * BLOCK + 10), validator: 'v1' })
  {
    await using store = await AssetStore.open({ root, minFreeBytes: 0 })
    await using filler = new Filler(store)
    await filler.complete(key, source)
    await store.checkpoint()
  }
  const path = join(root, key.id)
  const damaged = readFileSync(path)
  damaged.fill(0, 2 * BLOCK + 5, 2 * BLOCK + 9)
  writeFileSync(path, damaged)
  await using store = await AssetStore.open({ root, minFreeBytes: 0 })
  await store.verify({ repair: true })
  source.asked.length = 0
  await using filler = new Filler(store)
  using reader = await filler.open(key, source)
  assert.deepEqual(Buffer.compare(await reader.bytes(), source.script.bytes), 0)
  await reader.waitCommit()
  assert.deepEqual(
    source.asked.map(({ start, end, given }) => [start, end, given]),
    [[2 * BLOCK, 3 * BLOCK, BLOCK]],
  )
})

test('[fill 17] while the disk is full, readers still get what they read, byte for byte', async () => {
  let isFull = false
  await using store = await MemStore.open({
    fault: ({ op }) => {
      if (isFull && op === 'write') throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    },
  })
  await store.put(ResourceKey.of('kept', 'a'), 'pinned')
  await store.pin('kept')
  await using filler = new Filler(store, { chunkSize: BLOCK, windowBytes: 2 * BLOCK })
  const source = new ScriptedSource({ bytes: randomBytes(2, 20 * BLOCK + 3), validator: 'v1' })
  using reader = await filler.open(key, source)
  using other = await filler.open(key, source)
  const read = async (each: typeof reader, from: number): Promise<void> => {
    let position = from
    for await (const chunk of each.chunks({ start: from })) {
      if (position > 3 * BLOCK) isFull = true
      if (position > 12 * BLOCK) isFull = false
      assert.ok(Buffer.from(source.script.bytes.subarray(position, position + chunk.length)).equals(chunk))
      position += chunk.length
    }
    assert.equal(position, source.script.bytes.length)
  }
  await Promise.all([read(reader, 0), read(other, 5 * BLOCK)])
  assert.equal(Buffer.from((await store.get(ResourceKey.of('kept', 'a'))) ?? '').toString(), 'pinned')
  // There is room again: what passed through memory is fetched once more, for good.
  await filler.complete(key, source)
  assert.equal(store.stat(key)?.state, 'committed')
})

test('[fill 21] a gigabyte through a reader that is slower than its source takes a bounded piece of memory', async (t) => {
  const total = 1024 * MIB
  const piece = randomBytes(3, 64 * 1024)
  const source: Source = {
    open: async ({ start, end = total, signal }) => ({
      start,
      end: Math.min(end, total),
      total,
      validator: 'v1',
      acceptsRanges: true,
      contentType: undefined,
      body: (async function* () {
        for (let at = start; at < Math.min(end, total); at += piece.length) {
          signal.throwIfAborted()
          yield piece.slice(0, Math.min(piece.length, Math.min(end, total) - at))
        }
      })(),
    }),
  }
  await using store = await AssetStore.open({ root: tempFolder(t), minFreeBytes: 0, durability: 'relaxed' })
  await using filler = new Filler(store)
  using reader = await filler.open(key, source)
  const used = (): number => process.memoryUsage().arrayBuffers
  const before = used()
  let [position, most] = [0, 0]
  const target = new Uint8Array(MIB)
  while (position < total) {
    await reader.waitRange(position, position + 1)
    const got = await reader.readAt(position, target)
    for (let at = 0; at < got; at += 64 * 1024) assert.equal(target[at], piece[(position + at) % piece.length])
    position += got
    most = Math.max(most, used() - before)
  }
  assert.equal(position, total)
  assert.ok(most < 64 * MIB, `${Math.round(most / MIB)} MiB`)
})
