import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Driver, FileDriver, MemDriver, Resource } from '@cistern/storage'
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
