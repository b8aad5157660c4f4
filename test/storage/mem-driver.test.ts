import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemDriver } from '@cistern/storage'
import fc from '../helpers/fast-check.js'
import { TurnCounter } from '../helpers/turn-counter.js'

const CHUNK = 64 * 1024

const step = fc.record({
  position: fc.nat({ max: 300_000 }),
  length: fc.integer({ min: 0, max: 140_000 }),
  cut: fc.boolean(),
})

test('memory holds what a plain array would, after writes and cuts in any order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const driver = new MemDriver()
      let model = new Uint8Array(0)
      for (const [i, { position, length, cut }] of steps.entries()) {
        const size = cut ? position : length === 0 ? model.length : Math.max(model.length, position + length)
        const next = new Uint8Array(size)
        next.set(model.subarray(0, size))
        model = next
        if (cut) await driver.truncate(position)
        else if (length > 0) {
          model.fill(i + 1, position, position + length)
          const bytes = new Uint8Array(length).fill(i + 1)
          await driver.write(position, [bytes.subarray(0, length >> 1), bytes.subarray(length >> 1)])
        }
        const target = new Uint8Array(size + 10).fill(0xee)
        assert.equal(await driver.read(0, target), size)
        assert.equal(Buffer.compare(target.subarray(0, size), model), 0)
      }
      await driver.close() // its memory is the next one's
    }),
    { numRuns: 30 },
  )
})

test('large copies let others have a turn', async () => {
  const driver = new MemDriver()
  const bytes = new Uint8Array(1024 * 1024)
  {
    using counter = new TurnCounter()
    for (let i = 0; i < 16; i++) await driver.write(i * bytes.length, [bytes])
    assert.ok(counter.turns >= 2, `${counter.turns} turns while 16 MiB were written`)
  }
  using counter = new TurnCounter()
  assert.equal(await driver.read(0, new Uint8Array(16 * 1024 * 1024)), 16 * 1024 * 1024)
  assert.ok(counter.turns >= 2, `${counter.turns} turns while 16 MiB were read`)
})

test('memory that one has let go of holds the bytes of the next, and of nothing else', async () => {
  const first = new MemDriver()
  await first.write(0, [new Uint8Array(CHUNK * 3).fill(1)])
  await first.close()
  const [second, third] = [new MemDriver(), new MemDriver()]
  await second.write(0, [new Uint8Array(CHUNK).fill(2)])
  await third.write(0, [new Uint8Array(CHUNK).fill(3)])
  await third.write(CHUNK + 5, [new Uint8Array(5).fill(3)])
  const target = new Uint8Array(2 * CHUNK)
  assert.equal(await third.read(0, target), CHUNK + 10)
  assert.deepEqual(target.subarray(CHUNK, CHUNK + 10), Uint8Array.from([0, 0, 0, 0, 0, 3, 3, 3, 3, 3]))
  assert.ok(target.subarray(0, CHUNK).every((byte) => byte === 3))
  assert.equal(await second.read(0, target), CHUNK)
  assert.ok(target.subarray(0, CHUNK).every((byte) => byte === 2))
})

test('nothing can be asked of it once closed', async () => {
  const driver = new MemDriver({ maxBytes: 10 })
  await driver.write(0, [new Uint8Array(10)])
  await assert.rejects(driver.write(1, [new Uint8Array(5), new Uint8Array(5)]), { code: 'ERR_CISTERN_NO_SPACE' })
  await driver.sync()
  await driver.close()
  await driver.close()
  const closed = { code: 'ERR_CISTERN_STORAGE_IO' }
  await assert.rejects(driver.read(0, new Uint8Array(1)), closed)
  await assert.rejects(driver.write(0, [new Uint8Array(1)]), closed)
  await assert.rejects(driver.truncate(0), closed)
  await assert.rejects(driver.sync(), closed)
})

test('many resources together let others have a turn, in reading as in writing', async () => {
  const drivers = Array.from({ length: 32 }, () => new MemDriver())
  const block = new Uint8Array(2 ** 20)
  {
    using counter = new TurnCounter()
    for (const driver of drivers) await driver.write(0, [block])
    assert.ok(counter.turns >= 6, `${counter.turns} turns while 32 MiB were written`)
  }
  using counter = new TurnCounter()
  for (const driver of drivers) await driver.read(0, block)
  assert.ok(counter.turns >= 6, `${counter.turns} turns while 32 MiB were read`)
})
