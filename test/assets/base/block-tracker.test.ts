import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { MemDriver, RangeSet } from '@cistern/storage'
import { BlockTracker } from '#assets/base/block-tracker.js'
import { BLOCK_BYTES } from '#assets/index/blocks.js'
import { randomBytes, randomInteger, randomNumbers } from '../../helpers/bytes.js'
import { eventLoopTurn, stateOf } from '../../helpers/deferred.js'

const LENGTH = 3 * BLOCK_BYTES + 5000

/** A tracker over memory, written to as a resource would. */
class Rig {
  readonly tracker = new BlockTracker()
  readonly driver = new MemDriver()
  readonly coverage = new RangeSet()
  readonly bytes = new Uint8Array(LENGTH)
  readonly recorded = new RangeSet()

  async write(position: number, bytes: Uint8Array, how: 'writing' | 'passing' = 'writing'): Promise<void> {
    const end = position + bytes.length
    await this.tracker.guard(position, end, async (from, to) => void this.recorded.delete(from, to))
    await this.driver.write(position, [bytes])
    this.bytes.set(bytes, position)
    this.tracker[how](position, [bytes])
    this.tracker.written(position, [bytes])
    this.coverage.insert(position, end)
  }

  /** Records what can be; each piece has the checksum of what was written. */
  async flush(thorough: boolean, length?: number): Promise<void> {
    const { blocks, finish } = await this.tracker.seal(
      this.tracker.take(this.coverage, length, thorough),
      this.driver,
      true,
    )
    for (const { start, end, crc } of blocks.pieces()) {
      assert.ok(this.coverage.has(start, end))
      assert.equal(crc, crc32(this.bytes.subarray(start, end)), `${start}-${end}`)
      this.recorded.insert(start, end)
    }
    finish(true)
  }
}

describe('the block tracker', () => {
  for (let seed = 1; seed <= 10; seed++) {
    it(`records what was written, with its checksums, whatever the order (seed ${seed})`, async () => {
      const rig = new Rig()
      const random = randomNumbers(seed)
      for (let i = 0; i < 60; i++) {
        const start = random() < 0.5 ? rig.coverage.coveredEnd(0) : randomInteger(random, 0, LENGTH - 1)
        const end = Math.min(LENGTH, start + randomInteger(random, 1, 150_000))
        const how = random() < 0.3 ? 'passing' : 'writing'
        if (end > start) await rig.write(start, randomBytes(seed * 1000 + i, end - start), how)
        if (random() < 0.2) await rig.flush(random() < 0.5)
      }
      await rig.flush(true, LENGTH)
      assert.deepEqual(rig.recorded.toFlat(), rig.coverage.toFlat())
    })
  }

  it('a write over what is being flushed waits, and un-records it first', async () => {
    const rig = new Rig()
    await rig.write(0, randomBytes(1, BLOCK_BYTES))
    const { finish } = await rig.tracker.seal(rig.tracker.take(rig.coverage, undefined, false), rig.driver, true)
    const unrecorded: number[] = []
    const held = rig.tracker.guard(10, 20, async (from, to) => void unrecorded.push(from, to))
    assert.ok(held)
    assert.deepEqual([await stateOf(held), unrecorded], ['pending', []])
    finish(true)
    await held
    assert.deepEqual(unrecorded, [0, BLOCK_BYTES])
  })

  it('what is lost while it is flushed is not recorded', async () => {
    const rig = new Rig()
    await rig.write(0, randomBytes(1, 2 * BLOCK_BYTES))
    let sync = (): void => undefined
    rig.driver.sync = () =>
      new Promise((resolve) => {
        sync = resolve
      })
    const sealing = rig.tracker.seal(rig.tracker.take(rig.coverage, undefined, false), rig.driver, true)
    await eventLoopTurn()
    rig.tracker.lost(100, 200)
    rig.coverage.delete(100, 200)
    sync()
    const { blocks, finish } = await sealing
    assert.deepEqual(
      [...blocks.pieces()].map(({ start }) => start),
      [BLOCK_BYTES],
    )
    finish(true)
    rig.driver.sync = async () => undefined
    rig.recorded.insert(BLOCK_BYTES, 2 * BLOCK_BYTES)
    await rig.flush(true)
    assert.deepEqual(rig.recorded.toFlat(), rig.coverage.toFlat())
  })

  it('a large piece that goes in steps is not recorded before its last', async () => {
    const rig = new Rig()
    await rig.write(0, randomBytes(1, 3 * BLOCK_BYTES))
    const again = randomBytes(2, 3 * BLOCK_BYTES)
    assert.equal(
      rig.tracker.guard(0, again.length, async () => undefined),
      undefined,
    )
    rig.tracker.writing(0, [again.subarray(0, BLOCK_BYTES)])
    rig.tracker.written(0, [again.subarray(0, BLOCK_BYTES)])
    assert.deepEqual(rig.tracker.take(rig.coverage, undefined, false).pieces, [{ start: 0, end: BLOCK_BYTES }])
  })
})
