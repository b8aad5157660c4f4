import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Driver, FileDriver, InvalidOptionError, MemDriver, Resource } from '@cistern/storage'
import { GatedDriver } from '@cistern/storage/testing'
import { eventLoopTurn } from '../helpers/deferred.js'
import fc from '../helpers/fast-check.js'
import { TemporaryFolder } from './places.js'

const write = fc.record({
  position: fc.nat({ max: 200_000 }),
  length: fc.integer({ min: 1, max: 70_000 }),
  /** Whether the one before is awaited first. */
  awaited: fc.boolean(),
})

for (const name of ['file', 'memory'] as const) {
  test(`[core 7] ${name}: any writes, at once or one after the other, leave what a plain array would hold`, async () => {
    using folder = new TemporaryFolder()
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 20 }), async (writes) => {
        const driver: Driver = name === 'file' ? FileDriver.create(folder.file(`${run++}`)) : new MemDriver()
        const resource = new Resource({ generation: 'g', driver })
        const writer = resource.openWriter()
        using reader = resource.openReader()
        const bytes = new Uint8Array(300_000)
        const covered = new Uint8Array(300_000)
        let pending: Promise<void>[] = []
        for (const [i, { position, length, awaited }] of writes.entries()) {
          if (awaited) {
            await Promise.all(pending)
            pending = []
          }
          const value = i + 1
          pending.push(writer.writeAt(position, new Uint8Array(length).fill(value)))
          bytes.fill(value, position, position + length)
          covered.fill(1, position, position + length)
        }
        await Promise.all(pending)
        assert.equal(
          resource.coverage.size,
          covered.reduce((sum, one) => sum + one, 0),
        )
        for (const { start, end } of resource.coverage) {
          assert.ok(covered.subarray(start, end).every((one) => one === 1))
          assert.equal(Buffer.compare(await reader.bytes({ start, end }), bytes.subarray(start, end)), 0)
        }
        // Holes in the file are filled so that it can be committed: truncation must leave the rest alone.
        for (const { start, end } of [...resource.coverage.gaps(0, 150_000)]) {
          await writer.writeAt(start, new Uint8Array(end - start))
        }
        assert.equal(await writer.commit(150_000), 150_000)
        assert.equal(Buffer.compare(await reader.bytes(), bytes.subarray(0, 150_000)), 0)
        reader.close()
        await driver.close()
      }),
      { numRuns: 40 },
    )
  })
}

test('a buffer that is transferred away while it waits fails its run, and shifts nothing', async () => {
  const driver = new GatedDriver(new MemDriver())
  const resource = new Resource({ generation: 'g', driver })
  const writer = resource.openWriter()
  let go = () => {}
  driver.beforeWrite = () => {
    driver.beforeWrite = undefined
    return new Promise<void>((resolve) => (go = resolve))
  }
  const [first, second, third] = [1, 2, 3].map((value) => new Uint8Array(4).fill(value)) as [
    Uint8Array<ArrayBuffer>,
    Uint8Array,
    Uint8Array,
  ]
  const head = writer.writeAt(100, new Uint8Array(1))
  await eventLoopTurn()
  const written = Promise.allSettled([first, second, third].map((bytes, at) => writer.writeAt(at * 4, bytes)))
  structuredClone(first, { transfer: [first.buffer] })
  go()
  await head
  for (const outcome of await written) {
    assert.equal(outcome.status, 'rejected')
    assert.ok(InvalidOptionError.is(outcome.reason))
  }
  assert.deepEqual(resource.coverage.toFlat(), [100, 101])
  await writer.writeAt(0, new Uint8Array(4))
})

test('[core 14] what is no source, and a source whose step is none, are refused like any that fails', async () => {
  const writer = new Resource({ generation: 'g', driver: new MemDriver() }).openWriter()
  for (const source of [undefined, 5, {}]) await assert.rejects(writer.writeFrom(source as never), InvalidOptionError)
  for (const step of [undefined, null]) {
    const source = { [Symbol.asyncIterator]: () => ({ next: async () => step }) }
    await assert.rejects(writer.writeFrom(source as never), TypeError)
  }
})
