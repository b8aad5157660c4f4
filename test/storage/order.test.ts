// Calls of one writer take effect in the order in which they were made, however many microtasks lie between them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidRangeError, openMemResource, type ResourceReader, type ResourceWriter } from '@cistern/storage'

const bytesOf = (value: number, length = 4): Uint8Array => new Uint8Array(length).fill(value)

/** Runs `step` with a fresh resource for each number of microtasks that may lie between two calls. */
async function atEachDistance(
  step: (
    place: { readonly reader: ResourceReader; readonly writer: ResourceWriter },
    later: () => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  for (let ticks = 0; ticks < 30; ticks++) {
    const { reader, writer } = openMemResource()
    assert.ok(writer)
    await step({ reader, writer }, async () => {
      for (let tick = 0; tick < ticks; tick++) await undefined
    })
  }
}

test('a commit is of the writes made before it', () =>
  atEachDistance(async ({ reader, writer }, later) => {
    const declared = writer.declare({ validator: 'v' })
    const written = writer.writeAt(0, bytesOf(7))
    await later()
    assert.equal(await writer.commit(), 4)
    await Promise.all([declared, written])
    assert.deepEqual(await reader.bytes(), bytesOf(7))
  }))

test('the later of two writes wins', () =>
  atEachDistance(async ({ reader, writer }, later) => {
    const declared = writer.declare({ validator: 'v' })
    const first = writer.writeAt(0, bytesOf(1))
    await later()
    await Promise.all([declared, first, writer.writeAt(0, bytesOf(2))])
    assert.deepEqual(await reader.bytes({ start: 0, end: 4 }), bytesOf(2))
  }))

test('a length that is short of a write made before it is refused', () =>
  atEachDistance(async ({ reader, writer }, later) => {
    const declared = writer.declare({ validator: 'v' })
    const written = writer.writeAt(0, bytesOf(1, 100))
    await later()
    await assert.rejects(writer.declare({ length: 10 }), InvalidRangeError)
    await Promise.all([declared, written])
    assert.equal(reader.length, undefined)
  }))
