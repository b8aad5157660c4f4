// What a verification says and does beside those who go on writing, removing and closing.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AssetStore, inspectStore, ResourceKey, StoreClosedError, type VerifyReport } from '@cistern/assets'
import { DiskBackend } from '#assets/disk/disk-backend.js'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { randomBytes } from '../../helpers/bytes.js'
import { deferred, eventLoopTurn, stateOf } from '../../helpers/deferred.js'
import { openFilesUnder, showsDescriptors } from '../../helpers/descriptors.js'
import { tempFolder } from '../../helpers/temp-folder.js'
import { openDisk } from '../disk/open-disk.js'
import { beforeReads, openOver } from './faults.js'
import { assertHolds } from './stores.js'

const key = ResourceKey.of('film', 'a.ts')
const of = (path: string): ResourceKey => ResourceKey.of('film', path)
const found = ({ badBlocks, missing, orphans }: VerifyReport): number[] => [badBlocks, missing, orphans]

const put = (store: AssetStore, path: string, seed: number, length = 1000): Promise<unknown> =>
  store.put(of(path), randomBytes(seed, length))

/** Lists as a folder is read into which files come meanwhile: `meanwhile` happens behind the first file. */
class GrowingFolder extends DiskBackend {
  meanwhile: (() => Promise<void>) | undefined

  override async *list(): ReturnType<DiskBackend['list']> {
    let first: string | undefined
    for await (const file of super.list()) {
      first = idOf(file)
      yield file
      break
    }
    await this.meanwhile?.()
    for await (const file of super.list()) if (idOf(file) !== first) yield file
  }
}

const idOf = ({ name, generation }: { readonly name: string; readonly generation: string | undefined }): string =>
  `${name} ${generation}`

test('[core 29] repair beside a put and a fill that begin while files are listed deletes nothing of them', async (t) => {
  const root = tempFolder(t)
  const backend = new GrowingFolder(root)
  {
    await using store = await openOver(root, backend)
    await put(store, 'first.ts', 1)
    await using filling = await store.acquire(of('filling.ts'))
    backend.meanwhile = async () => {
      await put(store, 'put.ts', 2)
      await using begun = await store.acquire(of('begun.ts'))
      await begun.writer?.writeAt(0, randomBytes(4, 1000))
      await filling.writer?.writeAt(0, randomBytes(3, 1000))
      await store.checkpoint()
    }
    assert.deepEqual(found(await store.verify({ repair: true })), [0, 0, 0])
    await filling.writer?.commit()
  }
  await using store = await openDisk(root)
  await assertHolds(store, 'film/put.ts', 2, 1000)
  await assertHolds(store, 'film/filling.ts', 3, 1000)
  await using begun = await store.acquire(of('begun.ts'))
  assert.deepEqual(Buffer.from(await begun.reader.bytes({ end: 1000 })), Buffer.from(randomBytes(4, 1000)))
})

/** `meanwhile` happens as the first file that no record names is about to be swept. */
class SweptFolder extends DiskBackend {
  meanwhile: ((name: string) => Promise<void>) | undefined

  override async remove(name: string, generation: string, published: boolean): Promise<void> {
    const { meanwhile } = this
    this.meanwhile = undefined
    await meanwhile?.(name)
    await super.remove(name, generation, published)
  }
}

test('[core 29] repair leaves alone what came to be named between the listing and the sweep', async (t) => {
  const root = tempFolder(t)
  const backend = new SweptFolder(root)
  await using store = await openOver(root, backend)
  await put(store, 'first.ts', 1)
  await store.checkpoint()
  for (const name of ['x.ts', 'y.ts']) fs.writeFileSync(join(root, 'film', name), 'nobody knows')
  let other = ''
  backend.meanwhile = async (name) => {
    other = name === 'film/x.ts' ? 'y.ts' : 'x.ts'
    fs.rmSync(join(root, 'film', other))
    await put(store, other, 2)
    await store.checkpoint()
  }
  assert.deepEqual(found(await store.verify({ repair: true })), [0, 0, 2])
  assert.deepEqual(fs.readdirSync(join(root, 'film')).sort(), ['first.ts', other])
  await assertHolds(store, `film/${other}`, 2, 1000)
  assert.deepEqual(found(await store.verify()), [0, 0, 0])
})

for (const ending of ['is still unrecorded', 'was recorded anew'] as const) {
  test(`[core 50] a block that is overwritten while it is verified, and ${ending}, is no bad one`, async (t) => {
    const root = tempFolder(t)
    await using store = await openDisk(root, { flushMs: 60_000 })
    await using got = await store.acquire(key)
    assert.ok(got.writer)
    const { writer } = got
    const bytes = randomBytes(1, 3 * BLOCK_BYTES)
    await writer.writeAt(0, bytes)
    await store.checkpoint()
    let isOverwritten = false
    beforeReads(t, root, async (_, position) => {
      if (isOverwritten || position !== BLOCK_BYTES) return
      isOverwritten = true
      bytes.set(randomBytes(2, BLOCK_BYTES), BLOCK_BYTES)
      await writer.writeAt(BLOCK_BYTES, bytes.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES))
      if (ending === 'was recorded anew') await store.checkpoint()
    })
    assert.deepEqual(found(await store.verify({ repair: true })), [0, 0, 0])
    assert.ok(isOverwritten)
    assert.equal(await writer.commit(), bytes.length)
    assert.ok(Buffer.from(await got.reader.bytes()).equals(bytes))
  })
}

/** An owner who puts one resource and removes another, before each read of whoever looks on. */
function keepBusy(store: AssetStore): () => Promise<void> {
  let n = 0
  return async () => {
    await put(store, `new/${n}.ts`, n)
    await store.remove(of(`old/${n}.ts`))
    await put(store, `again/${n % 4}.ts`, n, 2000)
    await store.checkpoint()
    n++
  }
}

async function filled(store: AssetStore): Promise<void> {
  for (let n = 0; n < 12; n++) await put(store, `old/${n}.ts`, n)
  for (let n = 0; n < 4; n++) await put(store, `again/${n}.ts`, n)
  for (let n = 0; n < 4; n++) await put(store, `stays/${n}.ts`, n)
  await store.checkpoint()
}

test('[core 31] looked at from outside, a healthy store with a busy owner has nothing wrong', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  await filled(store)
  const inspection = await inspectStore(root)
  const work = keepBusy(store)
  await work()
  beforeReads(t, root, work)
  const report = await inspection.verify()
  assert.deepEqual(found(report), [0, 0, 0])
  assert.ok(report.resources >= 20, `${report.resources} resources`)
  await inspection.close()
})

test('[core 31] what is wrong beside a busy owner is told still, looked at from outside', async (t) => {
  const root = tempFolder(t)
  await using store = await openDisk(root)
  await filled(store)
  fs.writeFileSync(join(root, 'film/stays/0.ts'), randomBytes(99, 1000))
  fs.rmSync(join(root, 'film/stays/1.ts'))
  fs.writeFileSync(join(root, 'film/stays/stray.ts'), 'nobody knows')
  const inspection = await inspectStore(root)
  const work = keepBusy(store)
  await work()
  beforeReads(t, root, work)
  assert.deepEqual(found(await inspection.verify()), [1, 1, 1])
  await inspection.close()
})

test('[core 31] a verification from outside opens nothing for writing, unfinished resources included', async (t) => {
  const root = tempFolder(t)
  {
    await using store = await openDisk(root)
    await put(store, 'whole.ts', 1, 300_000)
    await using got = await store.acquire(of('half.ts'))
    await got.writer?.writeAt(0, randomBytes(2, 300_000))
  }
  const opened: [path: string, flags: unknown][] = []
  for (const name of ['open', 'openSync'] as const) {
    const original = fs[name] as (...given: unknown[]) => unknown
    t.mock.method(fs, name, (...given: unknown[]) => {
      opened.push([String(given[0]), given[1]])
      return original(...given)
    })
  }
  const inspection = await inspectStore(root)
  const report = await inspection.verify()
  await inspection.close()
  assert.deepEqual([report.resources, report.bytes, ...found(report)], [2, 600_000, 0, 0, 0])
  assert.ok(opened.filter(([path]) => path.startsWith(join(root, 'film'))).length >= 2)
  const { O_WRONLY, O_RDWR, O_CREAT } = fs.constants
  for (const [path, flags] of opened) assert.equal(Number(flags) & (O_WRONLY | O_RDWR | O_CREAT), 0, path)
})

const reason = new Error('enough')

/** Turns of the event loop until it is settled, if ever: what waits for nothing is settled long before. */
async function stateSoon(promise: Promise<unknown>): Promise<string> {
  for (let turn = 0; turn < 1000 && (await stateOf(promise)) === 'pending'; turn++) await eventLoopTurn()
  return stateOf(promise)
}

const needsDescriptors = showsDescriptors ? {} : { skip: 'open descriptors are not shown here' }

for (const [who, isExpected] of [
  ['nobody', (error: unknown) => StoreClosedError.is(error)],
  ['its caller', (error: unknown) => error === reason],
] as const) {
  test(
    `a store that closes during a verification that ${who} stopped waits for its end`,
    needsDescriptors,
    async (t) => {
      const root = tempFolder(t)
      const store = await openDisk(root)
      await put(store, 'a.ts', 1, 2 * BLOCK_BYTES)
      await store.checkpoint()
      const [reading, gate] = [deferred(), deferred()]
      beforeReads(t, root, () => {
        reading.resolve()
        return gate.promise
      })
      const stop = new AbortController()
      const verifying = store.verify({ repair: true, signal: stop.signal })
      const ended = assert.rejects(verifying, isExpected)
      await reading.promise
      if (who === 'its caller') stop.abort(reason)
      const closing = store.close()
      assert.equal(await stateSoon(closing), 'pending')
      gate.resolve()
      await closing
      assert.notEqual(await stateOf(verifying), 'pending')
      assert.deepEqual(openFilesUnder(root), [])
      await ended
    },
  )
}
