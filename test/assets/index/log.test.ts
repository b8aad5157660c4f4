import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { journalName, listJournals, readJournal } from '#assets/index/journal.js'
import { JournalLog, type JournalLogOptions } from '#assets/index/log.js'
import { decodeRecord, type IndexRecord } from '#assets/index/record.js'
import { deferred } from '../../helpers/deferred.js'
import { storeId, temporaryDir } from './fixtures.js'

const pin = (asset: string): IndexRecord => ({ type: 'pin', asset, pinned: true })

interface Noted {
  readonly dir: string
  readonly log: JournalLog
  readonly states: string[]
}

async function open(t: TestContext, more: Partial<JournalLogOptions> = {}): Promise<Noted> {
  const dir = await temporaryDir(t)
  const states: string[] = []
  const log = new JournalLog({
    dir,
    storeId,
    session: 'session',
    relaxed: false,
    predecessor: { number: 0, sequence: 0 },
    firstNumber: 1,
    check: () => undefined,
    riders: () => [],
    onFailure: () => states.push('failed'),
    onRestored: () => states.push('restored'),
    onAppended: () => undefined,
    ...more,
  })
  return { dir, log, states }
}

/** Sequences and assets of a journal's records, and what it goes on from. */
async function held(dir: string, number: number): Promise<{ readonly from: number; readonly pins: string[] }> {
  const { header, frames } = await readJournal(join(dir, journalName(number)), storeId)
  const pins = frames.map(({ sequence, payload }) => {
    const record = decodeRecord(payload)?.record
    return `${sequence}:${record?.type === 'pin' ? record.asset : record?.type}`
  })
  return { from: header?.predecessor?.sequence ?? -1, pins }
}

/** The next call of `name` fails with a full disk. */
function failNext(t: TestContext, name: 'write' | 'fdatasync'): void {
  const error = Object.assign(new Error('no space'), { code: 'ENOSPC' })
  t.mock.method(fs, name, (...given: unknown[]) => (given.at(-1) as (error: Error) => void)(error), { times: 1 })
}

describe('the log', () => {
  it('puts records of one moment into one write and one sync', async (t) => {
    const { dir, log } = await open(t)
    await log.start()
    const writes = t.mock.method(fs, 'write')
    const syncs = t.mock.method(fs, 'fdatasync')
    await Promise.all(['a', 'b', 'c'].map((asset) => log.durable(log.push(pin(asset)))))
    assert.deepEqual([writes.mock.callCount(), syncs.mock.callCount()], [1, 1])
    await log.close()
    assert.deepEqual((await held(dir, 1)).pins, ['1:a', '2:b', '3:c'])
  })

  for (const step of ['write', 'fdatasync'] as const) {
    it(`[core 48] after a failed ${step}, the next journal carries all that was not synced, and the store is restored`, async (t) => {
      const { dir, log, states } = await open(t)
      await log.durable(log.push(pin('synced')))
      await log.appended(log.push(pin('appended')))
      failNext(t, step)
      log.push(pin('queued'))
      const both = [log.appended(3), log.durable(3)].map((promise) =>
        promise.then(
          () => 'met',
          () => 'rejected',
        ),
      )
      assert.equal((await Promise.all(both))[1], 'rejected')
      assert.deepEqual(states, ['failed'])
      await log.durable(log.push(pin('later')))
      await log.close()
      assert.deepEqual(states, ['failed', 'restored'])
      assert.deepEqual(await listJournals(dir), [1, 2])
      assert.deepEqual(await held(dir, 2), { from: 1, pins: ['2:appended', '3:queued', '4:later'] })
    })
  }

  it('rejects all who wait when the root is lost, and writes nothing', async (t) => {
    let isLost = false
    const check = () => {
      if (isLost) throw new Error('lost')
    }
    const { dir, log, states } = await open(t, { check })
    await log.durable(log.push(pin('mine')))
    isLost = true
    await assert.rejects(log.durable(log.push(pin('not mine'))), /lost/)
    await log.abandon()
    assert.deepEqual([states, await listJournals(dir)], [['failed'], [1]])
    assert.deepEqual((await held(dir, 1)).pins, ['1:mine'])
  })

  it('[core 55] what it appended as the root was lost is reported to nobody', async (t) => {
    let looks = 0
    const check = () => {
      if (++looks > 2) throw new Error('lost')
    }
    const { dir, log, states } = await open(t, { check })
    await log.start()
    log.push(pin('a'))
    await log.appended(1)
    log.push(pin('b'))
    looks = 1
    await assert.rejects(log.appended(2), /lost/)
    assert.deepEqual((await held(dir, 1)).pins, ['1:a', '2:b'], 'it was under way')
    assert.deepEqual([states, log.appendedSequence], [['failed'], 0])
    await log.abandon()
  })

  it('a journal ended in the middle of a batch is synced to its last record first', async (t) => {
    const rotated = deferred<number>()
    let log: JournalLog | undefined
    const onAppended = () => {
      if (log?.pushed === 2) log.rotate().then(rotated.resolve, rotated.reject)
    }
    const opened = await open(t, { onAppended })
    log = opened.log
    await log.durable(log.push(pin('a')))
    await log.appended(log.push(pin('b')))
    assert.equal(await rotated.promise, 2)
    await log.durable(log.push(pin('c')))
    await log.close()
    assert.deepEqual(await held(opened.dir, 1), { from: 0, pins: ['1:a', '2:b'] })
    assert.deepEqual(await held(opened.dir, 2), { from: 2, pins: ['3:c'] })
  })

  it('[core 51] a journal goes on where there is no room for the next one', async (t) => {
    const { dir, log, states } = await open(t)
    await log.durable(log.push(pin('a')))
    failNext(t, 'write')
    await assert.rejects(log.rotate(), { code: 'ERR_CISTERN_NO_SPACE' })
    await log.durable(log.push(pin('b')))
    assert.equal(await log.rotate(), 2)
    await log.durable(log.push(pin('c')))
    await log.close()
    assert.deepEqual(states, [])
    assert.deepEqual((await held(dir, 1)).pins, ['1:a', '2:b'])
    assert.deepEqual((await held(dir, (await listJournals(dir)).at(-1) ?? 0)).pins, ['3:c'])
  })

  it('nobody who begins to wait as the last one is met waits for ever', async (t) => {
    const { log } = await open(t, { relaxed: true })
    for (let depth = 0; depth < 12; depth++) {
      let turn = log.appended(log.push(pin('a')))
      for (let i = 0; i < depth; i++) turn = turn.then(() => undefined)
      await turn.then(() => log.durable(log.push(pin('b'))))
    }
    await log.close()
  })

  it('refuses a record that fits no frame, and goes on', async (t) => {
    const { dir, log } = await open(t)
    const generations = Array.from({ length: 20_000 }, (_, i) => `a-generation-of-a-session-${i}`)
    assert.throws(() => log.push({ type: 'swept', generations }), RangeError)
    await log.durable(log.push(pin('a')))
    await log.close()
    assert.deepEqual((await held(dir, 1)).pins, ['1:a'])
  })

  it('carries 200,000 records at once', async (t) => {
    const { log } = await open(t, { relaxed: true })
    for (let i = 0; i < 200_000; i++) log.push({ type: 'unproven', session: 's' })
    await log.durable(log.pushed)
    await log.close()
  })

  it('steps over a journal that a former owner made without knowing that he had lost the root', async (t) => {
    const { dir, log } = await open(t)
    fs.writeFileSync(join(dir, journalName(1)), 'his')
    await log.durable(log.push(pin('mine')))
    await log.close()
    assert.deepEqual((await held(dir, 2)).pins, ['1:mine'])
  })

  it('takes recency and leases along, and once more as it closes', async (t) => {
    let asked = 0
    const riders = (): IndexRecord[] => [{ type: 'use', uses: [['a', ++asked]] }]
    const { dir, log } = await open(t, { riders })
    await log.durable(log.push(pin('a')))
    await log.close()
    assert.deepEqual((await held(dir, 1)).pins, ['1:a', '2:use', '3:use'])
  })
})
