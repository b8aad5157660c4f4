import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemDriver } from '@cistern/storage'
import { SpillDriver } from '#assets/base/spill-driver.js'
import { randomBytes } from '../../helpers/bytes.js'
import { deferred, eventLoopTurn } from '../../helpers/deferred.js'

const MIB = 1024 * 1024

async function contentOf(driver: SpillDriver, length: number): Promise<Buffer> {
  const bytes = new Uint8Array(length)
  assert.equal(await driver.read(0, bytes), length)
  return Buffer.from(bytes)
}

describe('the spill driver', () => {
  it('opens no storage for what arrives in order and is never synced', async () => {
    const driver = new SpillDriver(() => Promise.reject(new Error('not to be opened')))
    const bytes = randomBytes(1, 3 * MIB)
    for (let at = 0; at < bytes.length; at += 65_536) await driver.write(at, [bytes.subarray(at, at + 65_536)])
    assert.ok((await contentOf(driver, bytes.length)).equals(bytes))
    assert.equal(driver.hasSpilled, false)
    await driver.close()
  })

  it('a sync takes the bytes of a write begun before it, also while memory lets others have a turn', async () => {
    const storage = new MemDriver()
    const driver = new SpillDriver(async () => storage)
    const busy = new MemDriver()
    void busy.write(0, [new Uint8Array(5 * MIB)])
    const bytes = randomBytes(7, MIB)
    await Promise.all([driver.write(0, [bytes]), driver.sync()])
    assert.ok((await contentOf(driver, bytes.length)).equals(bytes))
    await driver.close()
  })

  for (const [why, write] of [
    ['a sync', (driver: SpillDriver) => driver.sync()],
    ['bytes out of order', (driver: SpillDriver) => driver.write(2 * MIB, [new Uint8Array(10)])],
    ['more than 4 MiB', (driver: SpillDriver) => driver.write(MIB, [new Uint8Array(3 * MIB + 1)])],
  ] as const) {
    it(`moves all to its storage at ${why}`, async () => {
      const storage = new MemDriver()
      const driver = new SpillDriver(async () => storage)
      const bytes = randomBytes(2, MIB)
      await driver.write(0, [bytes])
      await write(driver)
      const there = new Uint8Array(MIB)
      assert.equal(await storage.read(0, there), MIB)
      assert.ok(Buffer.from(there).equals(bytes))
      assert.ok((await contentOf(driver, MIB)).equals(bytes))
      await driver.close()
    })
  }

  it('answers a read that waits for its turn while all moves to its storage', async () => {
    const storage = new MemDriver()
    const written = deferred()
    const slow = Object.assign(Object.create(storage) as MemDriver, {
      read: storage.read.bind(storage),
      close: storage.close.bind(storage),
      write: async (position: number, parts: readonly Uint8Array[]) => {
        storage.writeSync(position, parts)
        await written.promise
      },
    })
    const driver = new SpillDriver(async () => slow)
    const bytes = randomBytes(8, MIB)
    await driver.write(0, [bytes])
    const spilled = driver.spill()
    await eventLoopTurn()
    void new MemDriver().write(0, [new Uint8Array(5 * MIB)]) // takes all that this turn has room for
    const content = contentOf(driver, bytes.length)
    written.resolve()
    await spilled
    assert.ok((await content).equals(bytes))
    await driver.close()
  })

  it('takes along what is being written as it begins to move', async () => {
    const storage = new MemDriver()
    let fails = true
    const failing = Object.assign(Object.create(storage) as MemDriver, {
      read: storage.read.bind(storage),
      close: storage.close.bind(storage),
      sync: storage.sync.bind(storage),
      write: (at: number, parts: readonly Uint8Array[]) =>
        fails ? Promise.reject(new Error('full')) : storage.write(at, parts),
    })
    const driver = new SpillDriver(async () => failing)
    await driver.write(0, [randomBytes(3, 1000)])
    await assert.rejects(driver.sync(), /full/)
    fails = false
    // The storage is open by now: nothing delays the move.
    await Promise.all([driver.write(1000, [randomBytes(4, 1000)]), driver.sync()])
    assert.ok((await contentOf(driver, 2000)).equals(Buffer.concat([randomBytes(3, 1000), randomBytes(4, 1000)])))
    await driver.close()
  })

  it('closes a storage that it could not move to', async () => {
    let isClosed = false
    const storage = {
      read: async () => 0,
      write: () => Promise.reject(new Error('full')),
      sync: async () => undefined,
      truncate: async () => undefined,
      close: async () => {
        isClosed = true
      },
    }
    const driver = new SpillDriver(async () => storage)
    await driver.write(0, [new Uint8Array(10)])
    await assert.rejects(driver.sync(), /full/)
    await driver.close()
    assert.equal(isClosed, true)
  })
})
