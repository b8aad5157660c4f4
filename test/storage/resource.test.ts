import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  MemDriver,
  RangeSet,
  ReaderClosedError,
  Resource,
  ResourceAbandonedError,
  type ResourceHooks,
  StoreClosedError,
  WriterClosedError,
  wrapReader,
  wrapWriter,
} from '@cistern/storage'
import { GatedDriver } from '@cistern/storage/testing'

const some = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value)

function fresh(hooks: ResourceHooks = {}, generation = 'g'): Resource {
  return new Resource({ generation, driver: new GatedDriver(new MemDriver()), hooks })
}

/** Lets what is due run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('written is told before coverage grows, with what is new; then the writer. Who waits has the bytes by then', async () => {
  const order: unknown[] = []
  const resource: Resource = fresh({
    written: (position, parts, added) => order.push([position, parts.length, added, resource.coverage.size]),
  })
  const writer = resource.openWriter()
  using reader = resource.openReader()
  const wait = reader.waitRange(0, 10).then(() => order.push('waiter'))
  const write = writer.writeAt(0, some(10)).then(() => order.push('writer'))
  await Promise.all([wait, write])
  await writer.writeAt(5, some(10))
  assert.deepEqual(order, ['waiter', [0, 1, 10, 0], 'writer', [5, 1, 5, 10]])
})

test('beforeWrite holds a batch back; rejecting fails its writes; it is not asked again for a retry', async () => {
  const asked: number[][] = []
  let answer: () => void | Promise<void> = () => {}
  const resource = fresh({
    beforeWrite: (start, end) => {
      asked.push([start, end])
      return answer()
    },
  })
  const writer = resource.openWriter()
  let pass = () => {}
  answer = () => new Promise<void>((resolve) => (pass = resolve))
  const held = writer.writeAt(0, some(10))
  await turn()
  assert.equal(resource.coverage.size, 0)
  pass()
  await held
  const error = new Error('journal is gone')
  answer = () => Promise.reject(error)
  await assert.rejects(writer.writeAt(0, some(10)), error)
  assert.equal(resource.coverage.size, 10, 'nothing was written over them')
  answer = () => {}
  const driver = resource.driver as GatedDriver
  driver.beforeWrite = () => {
    driver.beforeWrite = undefined
    throw new Error('once')
  }
  asked.length = 0
  await wrapWriter(writer, { onWriteError: async () => 'retry' }).writeAt(20, some(10))
  assert.deepEqual(asked, [[20, 30]])
})

test('a hook that throws where it should not fails the write, not the process', async () => {
  const error = new Error('owner')
  const resource = fresh({
    written: () => {
      throw error
    },
  })
  const writer = resource.openWriter()
  await assert.rejects(writer.writeAt(0, some(1)), { cause: error })
  const failing = fresh()
  ;(failing.driver as GatedDriver).beforeWrite = () => {
    throw new Error('disk')
  }
  const second = wrapWriter(failing.openWriter(), { onWriteError: () => Promise.reject(new Error('hook')) })
  await assert.rejects(second.writeAt(0, some(1)), { code: 'ERR_CISTERN_STORAGE_IO', message: /disk/ })
})

test('a commit asks in order: un-record what is cut, truncate, committing, committed, then tells', async () => {
  const order: unknown[] = []
  const resource: Resource = fresh({
    beforeWrite: (start, end) => void order.push(['before', start, end]),
    committing: async (length) => void order.push(['committing', length, resource.status.state]),
    committed: (length) => order.push(['committed', length, resource.status.state]),
  })
  const writer = resource.openWriter()
  using reader = resource.openReader()
  void reader.waitCommit().then(() => order.push('waiter'))
  await writer.writeAt(0, some(10))
  order.length = 0
  await writer.commit(6)
  assert.deepEqual(order, [['before', 6, 10], ['committing', 6, 'active'], ['committed', 6, 'committed'], 'waiter'])
})

test('a rejecting committing hook rejects the commit; the writer goes on unless the owner failed it', async () => {
  const error = new Error('digest')
  let fail = false
  let refuse = true
  const resource: Resource = fresh({
    committing: () => {
      if (fail) resource.fail(error)
      if (refuse) throw error
    },
  })
  const writer = resource.openWriter()
  await writer.writeAt(0, some(3))
  await assert.rejects(writer.commit(), error)
  assert.equal(resource.status.state, 'active')
  fail = true
  await assert.rejects(writer.commit(), error)
  refuse = false
  assert.deepEqual(resource.status, { state: 'failed', error })
  await assert.rejects(writer.commit(), error)
  assert.equal(resource.handles, 0)
})

test('a truncation that fails rejects the commit, and the writer goes on', async () => {
  const resource = fresh()
  const writer = resource.openWriter()
  await writer.writeAt(0, some(3))
  const driver = resource.driver as GatedDriver
  const { truncate } = driver
  driver.truncate = () => Promise.reject(new Error('EIO'))
  await assert.rejects(writer.commit(), { code: 'ERR_CISTERN_STORAGE_IO' })
  driver.truncate = truncate
  assert.equal(await writer.commit(), 3)
})

test('released and failed are told after the writes, and unused after them', async () => {
  for (const how of ['release', 'fail'] as const) {
    const order: string[] = []
    const resource = fresh({
      released: async (cause) => {
        await turn()
        order.push(`released ${cause?.message}`)
      },
      failed: async (error) => {
        await turn()
        order.push(`failed ${error.message}`)
      },
      unused: () => order.push('unused'),
    })
    const writer = resource.openWriter()
    const reader = resource.openReader()
    const settled = how === 'release' ? writer.release(new Error('why')) : writer.fail(new Error('why'))
    reader.close()
    await settled
    assert.deepEqual(order, [how === 'release' ? 'released why' : 'failed why', 'unused'])
  }
})

test('discard without a next generation is not supported, and changes nothing', async () => {
  const resource = fresh()
  const writer = resource.openWriter()
  await writer.writeAt(0, some(3))
  await assert.rejects(writer.discard(), { code: 'ERR_CISTERN_NOT_SUPPORTED' })
  await assert.rejects(writer.declare({ validator: 'v' }), { code: 'ERR_CISTERN_NOT_SUPPORTED' })
  assert.equal(await writer.commit(), 3)
})

test('supersede: handles and waits go over, unused is told of the old one, and drained stays true', async () => {
  const told: string[] = []
  const next = fresh({ unused: () => told.push('next') }, 'next')
  const old = fresh({ renew: async () => next, unused: () => told.push('old') }, 'old')
  const writer = old.openWriter()
  const reader = old.openReader()
  const touched = old.openReader()
  await writer.writeAt(0, some(3))
  touched.readAtSync(0, some(1, 0))
  const { signal, abort } = withAbort()
  const wait = assert.rejects(reader.waitRange(5, 6, { signal }), { name: 'AbortError' })
  await writer.discard()
  assert.deepEqual([old.handles, old.writing, next.handles, next.writing], [0, false, 2, true])
  assert.equal(old.removed, true)
  assert.deepEqual(told, ['old'])
  abort()
  await wait
  touched.close()
  reader.close()
  await writer.release()
  assert.deepEqual(told, ['old', 'next'])
  assert.throws(() => old.supersede(old), { code: 'ERR_CISTERN_NOT_SUPPORTED' })
})

test('the owner may put the next generation in place itself', async () => {
  const next = fresh({}, 'next')
  const old: Resource = fresh({
    renew: async () => {
      old.supersede(next)
      return next
    },
  })
  const writer = old.openWriter()
  await writer.discard()
  assert.equal(writer.generation, 'next')
})

test('shut down while a discard is under way: the discard is refused', async () => {
  const resource: Resource = fresh({
    renew: async () => {
      resource.shutdown(new StoreClosedError('closed'))
      return fresh()
    },
  })
  const writer = resource.openWriter()
  await assert.rejects(writer.discard(), { code: 'ERR_CISTERN_STORE_CLOSED' })
})

test("bytes that land, or are missed, in a generation that is removed meanwhile are nobody's", async () => {
  const told: string[] = []
  const resource = fresh({ written: () => told.push('written'), lost: () => told.push('lost') })
  const writer = resource.openWriter()
  using reader = resource.openReader()
  await writer.writeAt(0, some(10))
  told.length = 0
  const driver = resource.driver as GatedDriver
  for (const failing of [false, true]) {
    let pass = () => {}
    driver.beforeWrite = async () => {
      await new Promise<void>((resolve) => (pass = resolve))
      if (failing) throw new Error('EIO')
    }
    const other = failing ? fresh() : resource
    if (failing) (other.driver as GatedDriver).beforeWrite = driver.beforeWrite
    const write = (failing ? other.openWriter() : writer).writeAt(5, some(10))
    await turn()
    other.remove()
    pass()
    await assert.rejects(write, { code: 'ERR_CISTERN_REMOVED' })
  }
  assert.deepEqual(told, [])
  assert.equal(reader.coverage.size, 10)
})

test('drop: what the owner found bad is waited for again', async () => {
  const resource = fresh()
  const writer = resource.openWriter()
  using reader = resource.openReader()
  await writer.writeAt(0, some(10))
  const wait = reader.waitRange(0, 20)
  resource.drop(4, 6)
  await writer.writeAt(10, some(10))
  let ready = false
  void wait.then(() => {
    ready = true
  })
  await turn()
  assert.equal(ready, false)
  await writer.writeAt(4, some(2))
  assert.equal(await wait, 'ready')
})

test('recovered: coverage, length and validator as they were recorded', async () => {
  const driver = new MemDriver()
  await driver.write(0, [some(10)])
  const coverage = RangeSet.fromFlat([0, 10])
  const resource = new Resource({ generation: 'g7', driver, coverage, length: 20, validator: '"a"' })
  using reader = resource.openReader()
  assert.deepEqual([reader.length, reader.generation, resource.validator], [20, 'g7', '"a"'])
  const length = resource.openReader().waitRange(15, 30, { whenAbandoned: 'wait' })
  resource.declareLength(12, '"b"')
  assert.equal(await length, 'eof')
  const writer = resource.openWriter()
  assert.equal(writer.validator, '"b"')
  await writer.writeAt(10, some(2))
  assert.equal(await writer.commit(), 12)
  assert.throws(() => resource.openWriter(), { code: 'ERR_CISTERN_WRITER_CLOSED' })
  resource.remove()
  assert.equal(reader.path, undefined)
})

test('declare refuses a validator that is no string', async () => {
  const writer = fresh().openWriter()
  await assert.rejects(writer.declare({ validator: 7 as unknown as string }), { code: 'ERR_CISTERN_INVALID_OPTION' })
})

test('a writer is refused on a removed resource, and under another writer', () => {
  const resource = fresh()
  const writer = resource.openWriter()
  assert.throws(() => resource.openWriter(), { code: 'ERR_CISTERN_WRITER_CLOSED' })
  assert.ok(writer)
  resource.remove()
  assert.throws(() => resource.openWriter(), { code: 'ERR_CISTERN_WRITER_CLOSED' })
})

test('a read cut short by a commit gives what is left, and costs no coverage', async () => {
  const lost: unknown[] = []
  const resource = fresh({ lost: (start, end) => lost.push([start, end]) })
  const writer = resource.openWriter()
  using reader = resource.openReader()
  await writer.writeAt(0, some(10))
  const passes: (() => void)[] = []
  ;(resource.driver as GatedDriver).beforeRead = () => new Promise<void>((resolve) => void passes.push(resolve))
  const across = reader.readAt(2, some(8, 0))
  const behind = reader.readAt(7, some(3, 0))
  await writer.commit(5)
  for (const pass of passes) pass()
  assert.deepEqual(await Promise.all([across, behind]), [3, 0])
  assert.deepEqual(lost, [])
})

test('a failing synchronous read is StorageIoError, a short one too', async () => {
  const resource = fresh()
  const writer = resource.openWriter()
  using reader = resource.openReader()
  await writer.writeAt(0, some(10))
  const driver = resource.driver as GatedDriver
  await driver.inner.truncate(5)
  assert.throws(() => reader.readAtSync(0, some(10)), { code: 'ERR_CISTERN_STORAGE_IO' })
  await driver.inner.close()
  assert.throws(() => reader.readAtSync(0, some(5)), { code: 'ERR_CISTERN_STORAGE_IO' })
  assert.equal(resource.coverage.size, 0)
})

function withAbort(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

test('[core 4] a reader that leaves at a discard may close another that waits; the others are still woken', async () => {
  const next = fresh({}, 'h')
  const resource = fresh({ renew: async () => next })
  const writer = resource.openWriter()
  const [untouched, other, touched] = [resource.openReader(), resource.openReader(), resource.openReader()]
  await writer.writeAt(0, some(4))
  await touched.readAt(0, new Uint8Array(4))
  wrapReader(touched, { onClose: () => untouched.close() })
  const closed = assert.rejects(untouched.waitRange(4, 8), ReaderClosedError)
  await writer.discard()
  await closed
  const committed = other.waitCommit()
  await writer.writeAt(0, some(4))
  assert.equal(await writer.commit(), 4)
  assert.equal(await Promise.race([committed, turn()]), 4)
})

test('[core 8] a read that a commit cut under is short, though that commit was refused and more was written behind', async () => {
  const refused = new Error('no')
  const resource = fresh({ committing: () => Promise.reject(refused) })
  const driver = resource.driver as GatedDriver
  const writer = resource.openWriter()
  using reader = resource.openReader()
  await writer.writeAt(0, some(120))
  let go = () => {}
  driver.beforeRead = () => new Promise((resolve) => (go = resolve))
  const target = new Uint8Array(120)
  const reading = reader.readAt(0, target)
  await assert.rejects(writer.commit(50), refused)
  await writer.writeAt(110, some(10))
  go()
  assert.equal(await reading, 50)
})

test('[core 13] a stream whose read was under way when a commit cut what it read ends with the resource', async () => {
  const resource = fresh()
  const driver = resource.driver as GatedDriver
  const writer = resource.openWriter()
  using reader = resource.openReader()
  await writer.writeAt(0, some(100))
  const chunks = reader.chunks({ chunkSize: 50 })[Symbol.asyncIterator]()
  assert.equal((await chunks.next()).value?.length, 50)
  let go = () => {}
  driver.beforeRead = () => new Promise((resolve) => (go = resolve))
  const second = chunks.next()
  const whole = reader.bytes({ start: 50, end: 100 })
  const gates = [go]
  await writer.commit(50)
  driver.beforeRead = undefined
  for (const gate of gates) gate()
  go()
  assert.equal((await second).done, true)
  assert.equal((await whole).length, 0)
})

test('[core 5] a release whose cause is null, as from plain JavaScript, tells those who wait', async () => {
  const resource = fresh()
  const writer = resource.openWriter()
  using reader = resource.openReader()
  const told = assert.rejects(reader.waitRange(0, 1), ResourceAbandonedError)
  await writer.release(null as never)
  await told
  await assert.rejects(writer.writeAt(0, some(1)), WriterClosedError)
})

test('[core 5] a failure without an error is a failure', async () => {
  const resource = fresh()
  const writer = resource.openWriter()
  using reader = resource.openReader()
  const told = assert.rejects(reader.waitRange(0, 1), WriterClosedError)
  await writer.fail(undefined as never)
  await told
  assert.equal(resource.status.state, 'failed')
})

test('what fails in memory says what, and names no file', async () => {
  const resource = fresh()
  const driver = resource.driver as GatedDriver
  driver.beforeWrite = () => Promise.reject(new Error('worn out'))
  await assert.rejects(resource.openWriter().writeAt(5, some(10)), {
    name: 'StorageIoError',
    message: 'cannot write bytes 5-15: worn out',
  })
})
