import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ByteRange,
  ForwardingReader,
  ForwardingWriter,
  MemDriver,
  ReaderBase,
  Resource,
  type ResourceHooks,
  type ResourceReader,
  type ResourceWriter,
  type SourceDeclaration,
  setIdle,
  WriterBase,
  wrapReader,
  wrapWriter,
} from '@cistern/storage'
import { GatedDriver } from '@cistern/storage/testing'
import { deferred } from '../helpers/deferred.js'

function fresh(hooks: ResourceHooks = {}): Resource {
  return new Resource({ generation: 'g', driver: new GatedDriver(new MemDriver()), hooks })
}

const some = (length: number): Uint8Array => new Uint8Array(length).fill(1)

// Each hook must hold on a handle of ours, which takes it in place, and around one of another make.
const readers: Record<string, (reader: ResourceReader) => ResourceReader> = {
  native: (reader) => reader,
  foreign: (reader) => new ForeignReader(reader),
}
const writers: Record<string, (writer: ResourceWriter) => ResourceWriter> = {
  native: (writer) => writer,
  foreign: (writer) => new ForeignWriter(writer),
}

for (const [make, wrapped] of Object.entries(readers)) {
  test(`${make} reader: onWait for what cannot be met at once, onRead for what was read, onClose after the last clone`, async () => {
    const resource = fresh()
    const writer = resource.openWriter()
    await writer.writeAt(0, some(10))
    const told: unknown[] = []
    const original = wrapped(resource.openReader())
    const reader = wrapReader(original, {
      onWait: (range: ByteRange) => told.push(['wait', range]),
      onRead: (position, bytes) => told.push(['read', position, bytes]),
      onClose: () => told.push('close'),
    })
    assert.equal(reader === original, make === 'native')
    await reader.waitRange(0, 10)
    await reader.waitRange(5, 5)
    const wait = reader.waitRange(5, 20)
    await writer.writeAt(10, some(10))
    await wait
    await reader.readAt(2, some(4))
    reader.readAtSync(4, some(100))
    await reader.readAt(0, some(0))
    assert.deepEqual(told, [
      ['wait', { start: 5, end: 20 }],
      ['read', 2, 4],
      ['read', 4, 16],
    ])
    told.length = 0
    await writer.commit()
    await reader.waitRange(100, 200)
    for await (const _ of reader.chunks({ chunkSize: 15 }));
    assert.deepEqual(told, [
      ['read', 0, 15],
      ['read', 15, 5],
    ])
    told.length = 0
    const clone = reader.clone()
    reader.close()
    reader.close()
    assert.deepEqual(told, [])
    clone.close()
    assert.deepEqual(told, ['close'])
    assert.equal(resource.handles, 0)
  })

  test(`${make} reader: hooks of several layers; a clone made before a layer's hooks does not hold that layer`, () => {
    const resource = fresh()
    const told: string[] = []
    const inner = wrapReader(wrapped(resource.openReader()), { onClose: () => told.push('inner') })
    const clone = inner.clone()
    const outer = wrapReader(inner, { onClose: () => told.push('outer') })
    const outerClone = outer.clone()
    outer.close()
    assert.deepEqual(told, [])
    outerClone.close()
    assert.deepEqual(told, ['outer'])
    clone.close()
    assert.deepEqual(told, ['outer', 'inner'])
  })
}

for (const [make, wrapped] of Object.entries(writers)) {
  test(`${make} writer: beforeWrite is asked in the order of the calls, and holds back what is behind`, async () => {
    const resource = fresh()
    const asked: number[] = []
    let pass = () => {}
    const held = new Promise<void>((resolve) => {
      pass = resolve
    })
    const original = wrapped(resource.openWriter())
    let writer = wrapWriter(original, { beforeWrite: (position) => (position === 30 ? Promise.resolve() : undefined) })
    assert.equal(writer === original, make === 'native')
    writer = wrapWriter(writer, {
      beforeWrite: (position) => {
        asked.push(position)
        return position === 20 ? held : undefined
      },
    })
    const done: number[] = []
    const writes = [0, 20, 10, 30].map((position) => writer.writeAt(position, some(10)).then(() => done.push(position)))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(asked, [0, 20])
    assert.deepEqual(done, [0])
    pass()
    await Promise.all(writes)
    assert.deepEqual(asked, [0, 20, 10, 30])
    assert.equal(await writer.commit(), 40)
  })

  test(`${make} writer: a commit waits for what a hook holds back`, async () => {
    const resource = fresh()
    const writer = wrapWriter(wrapped(resource.openWriter()), {
      beforeWrite: () => new Promise((resolve) => setImmediate(resolve)),
    })
    const write = writer.writeAt(0, some(10))
    assert.equal(await writer.commit(), 10)
    await write
  })

  test(`${make} writer: a rejecting beforeWrite fails that write alone`, async () => {
    const resource = fresh()
    const full = new Error('quota')
    const writer = wrapWriter(wrapped(resource.openWriter()), {
      beforeWrite: async (position) => {
        if (position === 10) throw full
      },
    })
    const writes = [0, 10, 20].map((position) => writer.writeAt(position, some(10)))
    await assert.rejects(Promise.all(writes), full)
    await Promise.allSettled(writes)
    assert.deepEqual(resource.coverage.toFlat(), [0, 10, 20, 30])
    const throwing = wrapWriter(writer, {
      beforeWrite: () => {
        throw full
      },
    })
    await assert.rejects(throwing.writeAt(50, some(1)), full)
    await writer.release()
  })

  test(`${make} writer: onWriteError may have a write tried once more`, async () => {
    const resource = fresh()
    const driver = resource.driver as GatedDriver
    const error = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    let failures = 1
    driver.beforeWrite = () => {
      if (failures-- > 0) throw error
    }
    let asked = 0
    let verdict: 'retry' | 'fail' = 'retry'
    let writer = wrapWriter(wrapped(resource.openWriter()), {
      onWriteError: async (told) => {
        asked++
        assert.equal((told as { code?: string }).code, 'ERR_CISTERN_NO_SPACE')
        return verdict
      },
    })
    await writer.writeAt(0, some(10))
    assert.equal(asked, 1)
    failures = 2
    await assert.rejects(writer.writeAt(10, some(10)), { code: 'ERR_CISTERN_NO_SPACE', cause: error })
    assert.equal(asked, 2, 'once, not for the retry')
    failures = 1
    verdict = 'fail'
    writer = wrapWriter(writer, {})
    await assert.rejects(writer.writeAt(10, some(10)), { code: 'ERR_CISTERN_NO_SPACE' })
    await writer.writeAt(10, some(10))
    assert.equal(await writer.commit(), 20)
  })

  for (const how of ['commit', 'fail', 'release'] as const) {
    test(`${make} writer: onSettled tells ${how}, once`, async () => {
      const resource = fresh()
      const told: string[] = []
      const inner = wrapWriter(wrapped(resource.openWriter()), {
        onSettled: (settled) => told.push(`inner ${settled}`),
      })
      const writer = wrapWriter(inner, { onSettled: (settled) => told.push(`outer ${settled}`) })
      await writer.declare({ length: 1, validator: 'v' })
      assert.equal(writer.validator, 'v')
      if (how === 'commit') {
        await assert.rejects(writer.commit(), { code: 'ERR_CISTERN_INCOMPLETE' })
        assert.deepEqual(told, [])
        await writer.writeAt(0, some(1))
        await writer.commit()
      } else if (how === 'fail') await writer.fail(new Error('no'))
      else await writer.release()
      await writer.release()
      await writer.fail(new Error('late'))
      assert.deepEqual(told, [`inner ${how}`, `outer ${how}`])
    })
  }
}

test('onSettled also when the owner ends it: removed and shut down are a release, failed is a failure', () => {
  for (const [end, how] of [
    [(resource: Resource) => resource.remove(), 'release'],
    [(resource: Resource) => resource.shutdown(new Error('closed')), 'release'],
    [(resource: Resource) => resource.fail(new Error('bad disk')), 'fail'],
  ] as const) {
    const resource = fresh()
    const told: string[] = []
    wrapWriter(resource.openWriter(), { onSettled: (settled) => told.push(settled) })
    end(resource)
    end(resource)
    assert.deepEqual(told, [how])
    assert.equal(resource.handles, 0)
  }
})

test('a foreign writer is forwarded to in all it does', async () => {
  const metadata: object[] = []
  const next = fresh()
  const resource = fresh({ setMetadata: (given) => metadata.push(given), renew: async () => next })
  const writer = wrapWriter(new ForeignWriter(resource.openWriter()), {})
  assert.ok(writer instanceof ForwardingWriter)
  writer.setMetadata({ etag: 'x' })
  assert.deepEqual(metadata, [{ etag: 'x' }])
  await writer.writeFrom([some(5)])
  assert.equal(writer.coverage.size, 5)
  assert.equal(writer.generation, 'g')
  await writer.discard()
  assert.equal(writer.coverage.size, 0)
  await writer.release()
})

test('a foreign reader is forwarded to in all it does, and its comforts work', async () => {
  const resource = fresh()
  const writer = resource.openWriter()
  const reader = wrapReader(new ForeignReader(resource.openReader()), {})
  assert.ok(reader instanceof ForwardingReader)
  const length = reader.waitLength()
  const committed = reader.waitCommit()
  await writer.writeAt(0, some(5))
  await writer.commit()
  assert.equal(await length, 5)
  assert.equal(await committed, 5)
  assert.deepEqual(
    [reader.generation, reader.status.state, reader.length, reader.path, reader.coverage.size],
    ['g', 'committed', 5, undefined, 5],
  )
  assert.equal((await reader.bytes()).length, 5)
  setIdle(reader, true)
  assert.equal(resource.readers, 1)
  reader[Symbol.dispose]()
  assert.equal(resource.readers, 0)
})

test('shared chunks of a foreign reader are told of, and shared where it shares', async () => {
  const resource = fresh()
  const writer = resource.openWriter()
  await writer.writeAt(0, some(5))
  await writer.commit()
  for (const isSharing of [false, true]) {
    const read: number[][] = []
    const foreign = new ForeignReader(resource.openReader())
    const native = resource.openReader()
    if (isSharing) Object.assign(foreign, { readShared: native.readShared?.bind(native) })
    using reader = wrapReader(foreign, { onRead: (position, bytes) => read.push([position, bytes]) })
    const all = await native.readShared?.(0, 5)
    const chunk = await reader.readShared?.(1, 3)
    assert.deepEqual([chunk, read], [some(5).subarray(1, 4), [[1, 3]]])
    assert.equal(chunk?.buffer === all?.buffer, isSharing)
    native.close()
  }
})

test('an idle reader is held, but not counted; its clones are', () => {
  const told: string[] = []
  const resource = fresh({ unused: () => told.push('unused') })
  const reader = resource.openReader()
  setIdle(reader, true)
  assert.deepEqual([resource.readers, resource.handles], [0, 1])
  const clone = reader.clone()
  assert.deepEqual([resource.readers, resource.handles], [1, 2])
  clone.close()
  setIdle(reader, false)
  assert.equal(resource.readers, 1)
  reader.close()
  assert.deepEqual(told, ['unused'])
})

test('a wait ended by its own onWait hook does not wait', async () => {
  const resource = fresh()
  await using writer = resource.openWriter()
  assert.ok(writer)
  using reader = resource.openReader()
  const controller = new AbortController()
  wrapReader(reader, { onWait: () => controller.abort(new Error('enough')) })
  await assert.rejects(reader.waitRange(0, 1, { signal: controller.signal }), /enough/)
})

test('a reader closed by its own onWait hook does not wait', async () => {
  const resource = fresh()
  await using writer = resource.openWriter()
  assert.ok(writer)
  const reader = resource.openReader()
  wrapReader(reader, { onWait: () => reader.close() })
  await assert.rejects(reader.waitRange(0, 1), { code: 'ERR_CISTERN_READER_CLOSED' })
})

/** Handles that know nothing of hooks, as a layer of someone else's would have. */
class ForeignReader extends ReaderBase {
  readonly #inner: ResourceReader

  constructor(inner: ResourceReader) {
    super()
    this.#inner = inner
  }

  get generation() {
    return this.#inner.generation
  }
  get status() {
    return this.#inner.status
  }
  get length() {
    return this.#inner.length
  }
  get coverage() {
    return this.#inner.coverage
  }
  get path() {
    return this.#inner.path
  }
  waitRange(start: number, end: number, options = {}) {
    return this.#inner.waitRange(start, end, options)
  }
  waitCommit(options = {}) {
    return this.#inner.waitCommit(options)
  }
  readAt(position: number, target: Uint8Array) {
    return this.#inner.readAt(position, target)
  }
  readAtSync(position: number, target: Uint8Array) {
    return this.#inner.readAtSync(position, target)
  }
  clone() {
    return new ForeignReader(this.#inner.clone())
  }
  close() {
    this.#inner.close()
  }
}

class ForeignWriter extends WriterBase {
  readonly #inner: ResourceWriter

  constructor(inner: ResourceWriter) {
    super()
    this.#inner = inner
  }

  get generation() {
    return this.#inner.generation
  }
  get coverage() {
    return this.#inner.coverage
  }
  get length() {
    return this.#inner.length
  }
  get validator() {
    return this.#inner.validator
  }
  declare(source: SourceDeclaration) {
    return this.#inner.declare(source)
  }
  setMetadata(metadata: object) {
    this.#inner.setMetadata(metadata)
  }
  writeAt(position: number, bytes: Uint8Array) {
    return this.#inner.writeAt(position, bytes)
  }
  commit(length?: number) {
    return this.#inner.commit(length)
  }
  discard() {
    return this.#inner.discard()
  }
  fail(error: Error) {
    return this.#inner.fail(error)
  }
  release(cause?: Error) {
    return this.#inner.release(cause)
  }
}

test('a commit finds the bytes that were lost while it waited for its hook, and leaves the writer as it was', async () => {
  const driver = new GatedDriver(new MemDriver())
  const asked = deferred()
  const ready = deferred()
  const committing = (): Promise<void> => {
    asked.resolve()
    return ready.promise
  }
  const resource = new Resource({ generation: 'g', driver, hooks: { committing } })
  const writer = resource.openWriter()
  const reader = resource.openReader()
  await writer.writeAt(0, some(10))
  const commit = writer.commit()
  await asked.promise
  driver.beforeRead = () => {
    throw new Error('on purpose')
  }
  await assert.rejects(reader.readAt(0, some(4)), { code: 'ERR_CISTERN_STORAGE_IO' })
  ready.resolve()
  await assert.rejects(commit, { code: 'ERR_CISTERN_INCOMPLETE' })
  await writer.writeAt(0, some(4))
  assert.equal(await writer.commit(), 10)
})
