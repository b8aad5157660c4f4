import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { IntegrityError, InvalidOptionError, NotFoundError, ResourceKey } from '@cistern/assets'
import { randomBytes } from '../../helpers/bytes.js'
import { deferred, eventLoopTurn } from '../../helpers/deferred.js'
import { nextEvent } from '../../helpers/events.js'
import { onBoth, onDisk, text } from './stores.js'

const key = ResourceKey.of('film', 'poster.jpg')
const other = ResourceKey.of('film', 'cover.jpg')
const sri = (bytes: Uint8Array): string => `sha256-${createHash('sha256').update(bytes).digest('base64')}`

onBoth('[core 28] put takes bytes, buffers, text and any source of bytes', async (open) => {
  await using store = await open()
  const bytes = randomBytes(28, 3_000_000)
  async function* generated(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 1_000_000)
    yield bytes.subarray(1_000_000)
  }
  const bodies = [bytes, bytes.buffer, [bytes], generated(), Readable.from([bytes]), new Blob([bytes]).stream()]
  for (const body of bodies) {
    const stat = await store.put(key, body as never)
    assert.equal(stat.length, bytes.length)
    assert.equal(stat.state, 'committed')
    assert.equal(Buffer.compare((await store.get(key)) as Uint8Array, bytes), 0)
  }
  await store.put(key, 'grüße')
  assert.equal(text(await store.get(key)), 'grüße')
  for (const body of [null, '', new Uint8Array(0)]) {
    assert.equal((await store.put(key, body)).length, 0)
    assert.equal((await store.get(key))?.length, 0)
  }
})

onBoth('[core 28] what is no body is refused before anything is begun', async (open) => {
  await using store = await open()
  for (const body of [undefined, 5, {}, true, () => {}])
    await assert.rejects(store.put(key, body as never), InvalidOptionError)
  await assert.rejects(store.put(key, [1, 2] as never), InvalidOptionError)
  assert.equal(store.stat(key), undefined)
  assert.equal(store.stats().writers, 0)
})

onBoth('[core 28] nobody sees a put before its commit', async (open) => {
  await using store = await open()
  const gate = deferred()
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('new ')
    await gate.promise
    yield Buffer.from('text')
  }
  const putting = store.put(key, slow())
  await eventLoopTurn()
  assert.equal(store.stat(key), undefined)
  await assert.rejects(store.open(key), NotFoundError)
  assert.equal(await store.get(key), undefined)
  gate.resolve()
  await putting
  assert.equal(text(await store.get(key)), 'new text')
})

onBoth('[core 28] a reader of what was there goes on with it', async (open) => {
  await using store = await open()
  await store.put(key, 'first')
  using reader = await store.open(key)
  await store.put(key, 'second')
  assert.equal(text(await reader.bytes()), 'first')
  assert.equal(text(await store.get(key)), 'second')
})

onBoth('[core 28] of two puts at once the last to commit wins, whole', async (open) => {
  await using store = await open()
  const gates = [deferred(), deferred()] as const
  async function* body(letter: string, gate: Promise<void>): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(100_000, letter)
    await gate
    yield Buffer.alloc(100_000, letter)
  }
  const one = store.put(key, body('1', gates[0].promise))
  const two = store.put(key, body('2', gates[1].promise))
  gates[1].resolve()
  await two
  assert.equal(text(await store.get(key)), '2'.repeat(200_000))
  gates[0].resolve()
  await one
  assert.equal(text(await store.get(key)), '1'.repeat(200_000))
})

onBoth('[core 28] a digest that does not match leaves nothing, and what was there', async (open) => {
  await using store = await open()
  const integrity = sri(Buffer.from('expected'))
  await assert.rejects(store.put(key, 'something else', { integrity }), IntegrityError)
  assert.equal(store.stat(key), undefined)
  await store.put(key, 'expected', { integrity })
  await assert.rejects(store.put(key, 'something else', { integrity }), IntegrityError)
  assert.equal(text(await store.get(key)), 'expected')
})

onBoth('[core 28] a source that fails, or is aborted, is ended, and leaves what was there', async (open) => {
  await using store = await open()
  await store.put(key, 'before')
  const cause = new Error('cut off')
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half')
    throw cause
  }
  const abandoned = nextEvent(store, 'abandon')
  await assert.rejects(store.put(key, failing()), (error) => error === cause)
  assert.equal((await abandoned)[0].error, cause)
  const stopping = new AbortController()
  const begun = deferred()
  const ended = deferred()
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        begun.resolve()
        yield Buffer.from('more')
        await eventLoopTurn()
      }
    } finally {
      ended.resolve()
    }
  }
  const aborted = store.put(key, endless(), { signal: stopping.signal })
  await begun.promise
  stopping.abort(cause)
  await assert.rejects(aborted, (error) => error === cause)
  await ended.promise
  assert.equal(text(await store.get(key)), 'before')
  assert.equal(store.stats().writers, 0)
  assert.equal(store.stats().readers, 0)
})

onBoth('[core 28] a stream that is refused before it is read is let go of', async (open) => {
  await using store = await open()
  let reason: unknown
  const stream = new ReadableStream<Uint8Array>({
    cancel: (why) => {
      reason = why
    },
  })
  const cause = new Error('too late')
  await assert.rejects(store.put(key, stream, { signal: AbortSignal.abort(cause) }), (error) => error === cause)
  assert.equal(reason, cause)
})

onBoth('[core 28] a length that is not that of the body is refused', async (open) => {
  await using store = await open()
  await assert.rejects(store.put(key, 'four', { length: 5 }), { code: 'ERR_CISTERN_INCOMPLETE' })
  await assert.rejects(store.put(key, 'four', { length: 3 }), { code: 'ERR_CISTERN_INVALID_RANGE' })
  assert.equal(store.stat(key), undefined)
})

onBoth('[core 28] move takes bytes and metadata along, and replaces what was there', async (open) => {
  await using store = await open()
  await store.put(key, 'moved', { metadata: { etag: '"1"' } })
  await store.put(other, 'replaced')
  await store.move(key, other)
  assert.equal(await store.get(key), undefined)
  assert.equal(text(await store.get(other)), 'moved')
  assert.deepEqual(store.stat(other)?.metadata, { etag: '"1"' })
  await assert.rejects(store.move(key, other), NotFoundError)
})

onDisk(
  '[core 28] metadata is set by put, by the writer and by setMetadata, and kept across a restart',
  async (open) => {
    {
      await using store = await open()
      await store.put(key, 'one', { metadata: { by: 'put' } })
      await store.put(other, 'two', { metadata: { by: 'put' } })
      await store.setMetadata(other, { by: 'setMetadata' })
      using reader = await store.openOrFill(ResourceKey.of('film', 'a.ts'), async (writer) => {
        writer.setMetadata({ by: 'writer' })
        await writer.writeAt(0, Buffer.from('three'))
      })
      await reader.waitCommit()
      await assert.rejects(store.setMetadata(ResourceKey.of('film', 'none'), {}), NotFoundError)
      await assert.rejects(store.setMetadata(key, 'text' as never), InvalidOptionError)
    }
    await using store = await open()
    assert.deepEqual(store.stat(key)?.metadata, { by: 'put' })
    assert.deepEqual(store.stat(other)?.metadata, { by: 'setMetadata' })
    assert.deepEqual(store.stat(ResourceKey.of('film', 'a.ts'))?.metadata, { by: 'writer' })
  },
)

onBoth('get gives nothing of what is not committed', async (open) => {
  await using store = await open()
  await using got = await store.acquire(key)
  await got.writer?.writeAt(0, Buffer.from('half'))
  assert.equal(await store.get(key), undefined)
  await got.writer?.commit()
  assert.equal(text(await store.get(key)), 'half')
})

onBoth('[core 28] moving what is not there is refused, to its own key as well', async (open) => {
  await using store = await open()
  const nothing = ResourceKey.of('film', 'nothing.ts')
  await assert.rejects(store.move(nothing, nothing), { code: 'ERR_CISTERN_NOT_FOUND' })
  await store.put(nothing, 'now it is')
  await store.move(nothing, nothing)
  assert.equal((await store.get(nothing))?.length, 9)
})
