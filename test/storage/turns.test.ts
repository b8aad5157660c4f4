// A thousand at once: what is settled, read and copied in one turn of the event loop is bounded, and nobody is forgotten.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { FileDriver, MemDriver, Resource, type WaitOptions } from '@cistern/storage'
import { Turns } from '#storage/turns.js'
import { eventLoopTurn, stateOf } from '../helpers/deferred.js'
import { TurnCounter } from '../helpers/turn-counter.js'
import { TemporaryFolder } from './places.js'

const MANY = 1_000
/** Those who were in the way in the poll phase, and those after them in the check phase of the same turn. */
const MOST_PER_TURN = 64

function rig() {
  const resource = new Resource({ generation: 'g', driver: new MemDriver() })
  return { resource, writer: resource.openWriter(), reader: resource.openReader() }
}

test('a turn gives what it has, and who asks for more goes on in the next, each behind the others', async () => {
  const turns = new Turns(3)
  const order: string[] = []
  const worker = (name: string, work: number) => ({
    resume() {
      for (; work > 0; work--) {
        if (!turns.take()) return turns.resumeLater(this)
        order.push(name)
      }
    },
  })
  worker('a', 5).resume()
  worker('b', 4).resume()
  assert.equal(order.join(''), 'aaa')
  await eventLoopTurn()
  assert.equal(order.join(''), 'aaaaab')
  await eventLoopTurn()
  assert.equal(order.join(''), 'aaaaabbbb')
  await eventLoopTurn()
  assert.ok(turns.take(3) && !turns.take(), 'all of it is there again')
})

for (const [what, end] of [
  ['bytes that they wait for', (writer) => writer.writeAt(0, new Uint8Array(10))],
  ['a length that cuts them off', (writer) => writer.declare({ length: 0 })],
  ['a writer who leaves', (writer) => writer.release()],
  ['a writer who fails', (writer) => writer.fail(new Error('no more'))],
] as const satisfies [string, (writer: ReturnType<typeof rig>['writer']) => Promise<unknown>][]) {
  test(`of a thousand who wait few are woken in one turn, by ${what}`, async () => {
    const { writer, reader } = rig()
    using counter = new TurnCounter()
    const waits = Array.from({ length: MANY }, () =>
      reader.waitRange(0, 10).then(counter.count, (error: Error) => {
        assert.match(error.message, /nobody is writing|no more/)
        counter.count()
      }),
    )
    await end(writer)
    await Promise.all(waits)
    assert.equal(counter.total, MANY)
    assert.ok(counter.most <= MOST_PER_TURN, `${counter.most} in one turn`)
  })
}

test('those who have their turn to come are woken in order, once each, whatever is written meanwhile', async () => {
  const { writer, reader } = rig()
  const woken: number[] = []
  const waits = Array.from({ length: MANY }, async (_, n) => {
    await reader.waitRange(0, 1 + n)
    woken.push(n)
  })
  for (let at = 0; at < MANY; at += 100) await writer.writeAt(at, new Uint8Array(100))
  assert.ok(woken.length < MANY, 'some have their turn to come')
  await Promise.all(waits)
  assert.deepEqual(
    woken,
    woken.map((_, n) => n),
  )
})

test('who has the turn to come can still abort, and close, at once; the others are woken', async () => {
  const { resource, writer, reader } = rig()
  const leaving = new AbortController()
  const closing = resource.openReader()
  const wait = (from = reader, options?: WaitOptions) => from.waitRange(0, 10, options)
  const ahead = Array.from({ length: MANY }, () => wait())
  const aborted = wait(reader, { signal: leaving.signal })
  const closed = wait(closing)
  const last = wait()
  await writer.writeAt(0, new Uint8Array(10))
  leaving.abort(new Error('seek'))
  closing.close()
  await assert.rejects(aborted, /seek/)
  await assert.rejects(closed, { code: 'ERR_CISTERN_READER_CLOSED' })
  assert.equal(await stateOf(last), 'pending')
  assert.equal(await last, 'ready')
  await Promise.all(ahead)
})

test('bytes that are dropped before their turn do not count as there', async () => {
  const { resource, writer, reader } = rig()
  const ahead = Array.from({ length: MANY }, () => reader.waitRange(0, 10))
  const last = reader.waitRange(5, 12)
  await writer.writeAt(0, new Uint8Array(15))
  resource.drop(11, 15)
  await Promise.all(ahead)
  assert.equal(await stateOf(last), 'pending')
  await writer.writeAt(11, new Uint8Array(4))
  assert.equal(await last, 'ready')
})

test('who has the turn to come when another generation begins waits for its bytes', async () => {
  const { resource, writer, reader } = rig()
  const next = new Resource({ generation: 'next', driver: new MemDriver() })
  const ahead = Array.from({ length: MANY }, () => reader.waitRange(0, 10))
  const last = ahead.at(-1) as Promise<unknown>
  await writer.writeAt(0, new Uint8Array(10))
  resource.supersede(next)
  assert.equal(await stateOf(last), 'pending')
  await writer.writeAt(0, new Uint8Array(10))
  await Promise.all(ahead)
})

test('when all are woken nothing is left that would keep the process', async () => {
  const { writer, reader } = rig()
  const waits = Array.from({ length: MANY }, () => reader.waitRange(0, 10))
  await writer.writeAt(0, new Uint8Array(10))
  await Promise.all(waits)
  await eventLoopTurn()
  await eventLoopTurn()
  assert.ok(!process.getActiveResourcesInfo().includes('Immediate'))
})

test('of a thousand reads of files few are with the system at a time; all are answered, and close waits for them', async (t) => {
  using folder = new TemporaryFolder()
  fs.writeFileSync(folder.file('a'), Buffer.from(Array.from({ length: 256 }, (_, n) => n)))
  const driver = FileDriver.open(folder.file('a'))
  let [inside, most] = [0, 0]
  const read = fs.read as (...parameters: unknown[]) => void
  t.mock.method(fs, 'read', (...parameters: unknown[]) => {
    const told = parameters.pop() as (...values: unknown[]) => void
    read(...parameters, (...values: unknown[]) => {
      inside--
      told(...values)
    })
    most = Math.max(most, ++inside) // not where it was refused
  })
  const reads = Array.from({ length: MANY }, async (_, n) => {
    const target = new Uint8Array(1)
    // Node refuses this position at once: that one must give its place back, too.
    if (n % 10 === 0) return assert.rejects(driver.read(-2, target))
    await driver.read(n % 256, target)
    assert.equal(target[0], n % 256)
  })
  await driver.close()
  assert.equal(inside, 0)
  await Promise.all(reads)
  assert.ok(most <= 32, `${most} at a time`)
})

test('copies from memory have their turns in order of asking', async () => {
  const driver = new MemDriver()
  await driver.write(0, [new Uint8Array(2 ** 20)])
  using counter = new TurnCounter()
  const order: number[] = []
  const reads = Array.from({ length: 100 }, async (_, n) => {
    await driver.read(0, new Uint8Array(2 ** 20))
    counter.count()
    order.push(n)
  })
  await Promise.all(reads)
  assert.deepEqual(
    order,
    order.map((_, n) => n),
  )
  assert.ok(counter.most <= 8, `${counter.most} MiB in one turn`)
})
