import assert from 'node:assert/strict'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Journal, journalName, readJournal } from '#assets/index/journal.js'
import { encodeRecord } from '#assets/index/record.js'
import { recover } from '#assets/index/recovery.js'
import { otherStoreId, storeId, temporaryDir } from './fixtures.js'

interface Written {
  readonly number: number
  readonly session?: string
  readonly after: readonly [number: number, sequence: number]
  /** Pins of assets named by their sequence: the first is the one after `after`. */
  readonly to: number
}

async function write(dir: string, { number, session = 'one', after, to }: Written): Promise<void> {
  const predecessor = { number: after[0], sequence: after[1] }
  const header = { kind: 'journal', storeId, number, session, sequence: after[1], predecessor } as const
  const journal = await Journal.create(dir, header, { sync: false })
  for (let sequence = after[1] + 1; sequence <= to; sequence++) {
    const payload = encodeRecord({ type: 'pin', asset: `${session}-${sequence}`, pinned: true }, session)
    await journal.append([{ sequence, payload }])
  }
  await journal.close()
}

async function written(t: TestContext, ...journals: Written[]): Promise<string> {
  const dir = await temporaryDir(t)
  for (const journal of journals) await write(dir, journal)
  return dir
}

async function found(dir: string, session: string | undefined) {
  const { state, tip, dropped, suspect, nextNumber } = await recover(dir, session)
  return { pins: [...state.rows.keys()], tip, dropped, suspect, nextNumber }
}

const names = (session: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `${session}-${from + i}`)

describe('recovery', () => {
  it('[core 32] follows the chain of the last owner: what the loser of a lock appended later is not there', async (t) => {
    const dir = await written(
      t,
      { number: 1, after: [0, 0], to: 6 },
      { number: 2, session: 'two', after: [1, 4], to: 7 },
      { number: 3, session: 'one', after: [1, 6], to: 9 },
    )
    const { pins, tip, suspect, nextNumber } = await found(dir, 'two')
    assert.deepEqual(pins, [...names('one', 1, 4), ...names('two', 5, 7)])
    assert.deepEqual([tip, suspect, nextNumber], [{ number: 2, sequence: 7 }, false, 4])
  })

  it('an owner who began no journal changes nothing', async (t) => {
    const dir = await written(t, { number: 1, after: [0, 0], to: 3 })
    for (const session of ['three', undefined]) assert.deepEqual((await found(dir, session)).pins, names('one', 1, 3))
  })

  it('[core 49] without an owner on record, a damaged journal in the middle does not end the chain', async (t) => {
    const dir = await written(
      t,
      { number: 1, after: [0, 0], to: 3 },
      { number: 2, after: [1, 3], to: 6 },
      { number: 3, after: [2, 6], to: 9 },
    )
    await writeFile(join(dir, journalName(2)), Buffer.alloc(9000, 7))
    for (const session of ['one', undefined]) {
      const { pins, suspect, dropped } = await found(dir, session)
      assert.deepEqual(pins, [...names('one', 1, 3), ...names('one', 7, 9)])
      assert.deepEqual([suspect, dropped], [true, 4])
    }
  })

  it('[core 49] a journal that is missing in the middle costs its own records only', async (t) => {
    const dir = await written(
      t,
      { number: 1, after: [0, 0], to: 3 },
      { number: 2, after: [1, 3], to: 6 },
      { number: 3, after: [2, 6], to: 9 },
    )
    await rm(join(dir, journalName(2)))
    const { pins, suspect, dropped } = await found(dir, 'one')
    assert.deepEqual(pins, [...names('one', 1, 3), ...names('one', 7, 9)])
    assert.deepEqual([suspect, dropped], [true, 3])
  })

  it('[core 49] with its header damaged, a journal still gives its records, and those before it', async (t) => {
    for (const broken of [1, 2]) {
      const dir = await written(t, { number: 1, after: [0, 0], to: 3 }, { number: 2, after: [1, 3], to: 6 })
      // The snapshot that tells the store's id is not there: the other journal does.
      const bytes = await readFile(join(dir, journalName(broken)))
      bytes[20] = (bytes[20] ?? 0) ^ 1
      await writeFile(join(dir, journalName(broken)), bytes)
      const { pins, suspect } = await found(dir, 'one')
      assert.deepEqual([pins, suspect], [names('one', 1, 6), true])
    }
  })

  it('[core 49] one journal of another store does not speak for all: before there are snapshots, the others do', async (t) => {
    for (const foreign of [1, 2, 3]) {
      const dir = await written(
        t,
        { number: 1, after: [0, 0], to: 3 },
        { number: 2, after: [1, 3], to: 6 },
        { number: 3, after: [2, 6], to: 9 },
      )
      const header = { kind: 'journal', storeId: otherStoreId, number: foreign, session: 'other', sequence: 0 } as const
      await rm(join(dir, journalName(foreign)))
      const journal = await Journal.create(dir, header, { sync: false })
      const payload = encodeRecord({ type: 'pin', asset: 'not-ours', pinned: true }, 'other')
      await journal.append([{ sequence: 1, payload }])
      await journal.close()
      const { pins, suspect } = await found(dir, 'one')
      const ours = [1, 2, 3].filter((number) => number !== foreign)
      assert.deepEqual(
        [pins, suspect],
        [ours.flatMap((number) => names('one', number * 3 - 2, number * 3)), foreign < 3],
      )
    }
  })

  it('[core 48] a tail cut off at the end is normal; one that a successor goes on from is damage', async (t) => {
    const dir = await written(t, { number: 1, after: [0, 0], to: 6 })
    const { bytes } = await readJournal(join(dir, journalName(1)), storeId)
    await truncate(join(dir, journalName(1)), bytes - 10)
    assert.deepEqual(await found(dir, 'one'), {
      pins: names('one', 1, 5),
      tip: { number: 1, sequence: 5 },
      dropped: 0,
      suspect: false,
      nextNumber: 2,
    })
    // It said that six records were there, though it has none of its own.
    await write(dir, { number: 2, after: [1, 6], to: 6 })
    const { pins, tip, dropped, suspect } = await found(dir, 'one')
    assert.deepEqual([pins, tip, dropped, suspect], [names('one', 1, 5), { number: 2, sequence: 6 }, 1, true])
  })

  it('a process that died before its journal had a header leaves no suspicion', async (t) => {
    const dir = await written(t, { number: 1, after: [0, 0], to: 3 })
    await writeFile(join(dir, journalName(2)), '')
    assert.equal((await found(dir, 'one')).suspect, false)
    await write(dir, { number: 3, after: [2, 3], to: 5 })
    const { pins, suspect } = await found(dir, 'one')
    assert.deepEqual([pins, suspect], [names('one', 1, 5), false])
  })

  it('[core 49] two that died before their journals had headers leave what was recorded between them', async (t) => {
    const dir = await written(
      t,
      { number: 2, session: 'two', after: [1, 0], to: 3 },
      { number: 3, session: 'three', after: [2, 3], to: 6 },
    )
    for (const unborn of [1, 4]) await writeFile(join(dir, journalName(unborn)), '')
    for (const session of ['two', 'three', 'four', undefined]) {
      const { pins, suspect } = await found(dir, session)
      const all = [...names('two', 1, 3), ...names('three', 4, 6)]
      assert.deepEqual([pins, suspect], [session === 'two' ? names('two', 1, 3) : all, false], session)
    }
  })

  it('records beyond what a successor goes on from are ignored: they were appended again', async (t) => {
    const dir = await written(t, { number: 1, after: [0, 0], to: 5 }, { number: 2, after: [1, 3], to: 6 })
    const { pins, dropped } = await found(dir, 'one')
    assert.deepEqual([pins, dropped], [names('one', 1, 6), 0])
  })
})
