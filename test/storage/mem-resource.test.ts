import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemResource, type ResourceWriter } from '@cistern/storage'

test('a fresh one is written, committed and read', async () => {
  await using memory = openMemResource()
  const writer = memory.writer as ResourceWriter
  await writer.writeFrom([Buffer.from('hello')])
  assert.equal(await writer.commit(), 5)
  assert.equal(Buffer.from(await memory.reader.bytes()).toString(), 'hello')
  assert.equal(memory.reader.path, undefined)
})

test('initial bytes are copied, finished, and have no writer; empty ones begin a fresh one', async () => {
  const initial = Buffer.from('abc')
  await using memory = openMemResource({ initial })
  initial.fill(0)
  assert.equal(memory.writer, undefined)
  assert.deepEqual(memory.reader.status, { state: 'committed', length: 3 })
  assert.equal(Buffer.from(await memory.reader.bytes()).toString(), 'abc')
  await using empty = openMemResource({ initial: new Uint8Array(0) })
  assert.deepEqual(empty.reader.status, { state: 'active', writing: true })
})

test('it takes 256 MiB by default, or maxBytes', async () => {
  await using memory = openMemResource()
  const writer = memory.writer as ResourceWriter
  const end = 256 * 1024 * 1024
  await writer.writeAt(end - 1, new Uint8Array(1))
  await assert.rejects(writer.writeAt(end, new Uint8Array(1)), { code: 'ERR_CISTERN_NO_SPACE' })
  await using small = openMemResource({ maxBytes: 4 })
  await assert.rejects((small.writer as ResourceWriter).writeAt(0, new Uint8Array(5)), { code: 'ERR_CISTERN_NO_SPACE' })
  assert.throws(() => openMemResource({ maxBytes: 2, initial: Buffer.from('abc') }), { code: 'ERR_CISTERN_NO_SPACE' })
})

test('unknown options are named, odd values refused', () => {
  assert.throws(() => openMemResource({ max: 1 } as object), { code: 'ERR_CISTERN_INVALID_OPTION', message: /'max'/ })
  assert.throws(() => openMemResource({ maxBytes: -1 }), { code: 'ERR_CISTERN_INVALID_OPTION' })
})

test('discard begins anew, and a clone goes on after the resource was disposed', async () => {
  const memory = openMemResource()
  const writer = memory.writer as ResourceWriter
  await writer.writeAt(0, Buffer.from('old'))
  await writer.discard()
  await writer.writeAt(0, Buffer.from('new!'))
  await writer.commit()
  using clone = memory.reader.clone()
  await memory.close()
  assert.equal(Buffer.from(await clone.bytes()).toString(), 'new!')
})

test('there is nowhere to keep metadata', async () => {
  await using memory = openMemResource()
  assert.throws(() => memory.writer?.setMetadata({}), { code: 'ERR_CISTERN_NOT_SUPPORTED' })
})
