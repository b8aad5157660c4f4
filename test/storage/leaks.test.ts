import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MemDriver, Resource, type ResourceReader, type ResourceWriter, wrapReader } from '@cistern/storage'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Collects garbage until `done`, which a finalizer brings about some turns later. */
async function collectUntil(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !done(); turn++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('[core 16] a reader lost without close is released at garbage collection, and told', async () => {
  const told: string[] = []
  const resource = new Resource({
    generation: 'g',
    driver: new MemDriver(),
    hooks: { leaked: (what) => told.push(what), unused: () => told.push('unused') },
  })
  const lose = () => {
    wrapReader(resource.openReader(), { onClose: () => told.push('closed') })
  }
  lose()
  assert.equal(resource.handles, 1)
  await collectUntil(() => told.length > 0)
  assert.deepEqual(told, ['reader', 'closed', 'unused'])
  assert.equal(resource.handles, 0)
})

test('[core 16] a writer lost without a settlement is released, and its bytes stay', async () => {
  const told: string[] = []
  const resource = new Resource({
    generation: 'g',
    driver: new MemDriver(),
    hooks: {
      leaked: (what) => told.push(what),
      released: () => {
        told.push('released')
        throw new Error('nobody is there to hear this')
      },
      unused: () => told.push('unused'),
    },
  })
  const lose = async () => {
    await resource.openWriter().writeAt(0, new Uint8Array(10))
  }
  await lose()
  await collectUntil(() => told.includes('unused'))
  assert.deepEqual(told, ['writer', 'released', 'unused'])
  assert.equal(resource.coverage.size, 10)
  await resource.openWriter().commit()
})

test('[core 16] what is used is not lost: a pending wait, read or commit keeps its handle', async () => {
  const leaked: string[] = []
  let finish = () => {}
  const resource = new Resource({
    generation: 'g',
    driver: new MemDriver(),
    hooks: {
      leaked: (what) => leaked.push(what),
      committing: () => new Promise<void>((resolve) => (finish = resolve)),
    },
  })
  const writer = resource.openWriter()
  const wait = resource.openReader().waitRange(0, 10)
  const stream = resource.openReader().toReadable()
  await writer.writeAt(0, new Uint8Array(5))
  for (let turn = 0; turn < 5; turn++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  // The reader that the stream came from is lost indeed; the stream's own is not, nor is the one that waits.
  assert.deepEqual(leaked, ['reader'])
  await writer.writeAt(5, new Uint8Array(5))
  assert.equal(await wait, 'ready')
  const commit = writer.commit()
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  await new Promise((resolve) => setImmediate(resolve))
  finish()
  assert.equal(await commit, 10)
  let bytes = 0
  for await (const chunk of stream) bytes += (chunk as Uint8Array).length
  assert.equal(bytes, 10)
  assert.ok(!leaked.includes('writer'))
})

test('[core 16] closed and settled handles are not told, and a hook that throws does not end the process', async () => {
  const leaked: string[] = []
  const resource = new Resource({
    generation: 'g',
    driver: new MemDriver(),
    hooks: {
      leaked: (what) => {
        leaked.push(what)
        throw new Error('an owner of little care')
      },
    },
  })
  const use = async () => {
    resource.openReader().close()
    await resource.openWriter().release()
  }
  await use()
  for (let turn = 0; turn < 5; turn++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(leaked, [])
  const lose = (): [ResourceReader, ResourceWriter] => [resource.openReader(), resource.openWriter()]
  lose()
  await collectUntil(() => leaked.length === 2 && !resource.writing)
  assert.deepEqual(leaked.sort(), ['reader', 'writer'])
  assert.equal(resource.writing, false)
})

test('[core 16] whoever opens after another closed is told of when lost, however often that one is closed', async () => {
  const leaked: string[] = []
  const resource = new Resource({
    generation: 'g',
    driver: new MemDriver(),
    hooks: { leaked: (what) => leaked.push(what) },
  })
  const first = resource.openReader()
  const lose = () => {
    first.close()
    resource.openReader()
    first.close()
  }
  lose()
  assert.equal(resource.handles, 1)
  await collectUntil(() => leaked.length > 0)
  assert.deepEqual(leaked, ['reader'])
  assert.equal(resource.handles, 0)
})

test('shared chunks keep nothing for readers that closed while they stood in line', async () => {
  let isCollected = false
  // A WeakRef that is asked keeps what it refers to for that turn.
  const registry = new FinalizationRegistry(() => (isCollected = true))
  const begin = async () => {
    const driver = new MemDriver()
    registry.register(driver, undefined)
    const resource = new Resource({ generation: 'g', driver })
    const writer = resource.openWriter()
    await writer.writeAt(0, new Uint8Array(1000))
    await writer.commit()
    // More than one turn of the event loop has room for.
    const reads = Array.from({ length: 400 }, () => {
      using reader = resource.openReader()
      return reader.readShared?.(0, 1000).catch(() => undefined)
    })
    await Promise.all(reads)
  }
  await begin()
  await collectUntil(() => isCollected)
  assert.ok(isCollected)
})
