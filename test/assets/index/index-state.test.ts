import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { IndexState } from '#assets/index/index-state.js'
import { decodeRecord, encodeRecord, type IndexRecord } from '#assets/index/record.js'
import { RecordsOfALife, storedIn, told } from './records-of-a-life.js'

function lifeOf(seed: number, steps: number, paths: number): IndexRecord[][] {
  const life = new RecordsOfALife(seed, { assets: 3, paths })
  return Array.from({ length: steps }, () => life.next())
}

function applied(records: readonly IndexRecord[], times = 1): IndexState {
  const state = new IndexState()
  records.forEach((record, at) => {
    for (let i = 0; i < times; i++) state.apply(record, at + 1)
  })
  return state
}

describe('the index in memory', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const records = lifeOf(seed, 600, seed % 2 ? 10 : 250).flat()

    it(`a record applied twice changes nothing (seed ${seed})`, () => {
      assert.deepEqual(told(applied(records, 2)), told(applied(records)))
    })

    it(`records say the same after they were written and read (seed ${seed})`, () => {
      const read = records.map((record) => decodeRecord(encodeRecord(record, 's'))?.record as IndexRecord)
      assert.deepEqual(told(applied(read)), told(applied(records)))
    })

    it(`packed leaves hold what decoded ones do, in order, and are counted right (seed ${seed})`, () => {
      const state = applied(records)
      const before = told(state)
      for (const row of state.rows.values()) for (const leaf of row.leaves) leaf.shrink()
      assert.deepEqual(told(state), before)
      for (const row of state.rows.values()) state.count(row)
      assert.equal(state.totalBytes, storedIn(state))
      let resources = 0
      for (const row of state.rows.values()) resources += [...state.under(row.name, '')].length
      assert.deepEqual([state.resourceCount, state.refused], [resources, 0])
    })
  }

  it('a commit whose blocks are not on record names nothing, until the key is told of anew', () => {
    const [entry] = lifeOf(1, 600, 10)
      .flat()
      .filter((record) => record.type === 'entry' && record.committed !== undefined && record.committed.length > 0)
    assert.ok(entry?.type === 'entry')
    const state = applied([{ ...entry, active: undefined, strays: [] }])
    assert.deepEqual([state.entry(entry.asset, entry.path), state.refused], [undefined, 1])
    state.apply({ type: 'remove', asset: entry.asset, paths: [entry.path], strays: [] }, 9)
    assert.equal(state.refused, 0)
  })

  it('assets are met once each, oldest first, whatever moves or goes meanwhile', () => {
    const state = new IndexState()
    for (const name of ['a', 'b', 'c', 'd', 'e']) state.apply({ type: 'pin', asset: name, pinned: true }, 1)
    const met: string[] = []
    for (const row of state.recency) {
      met.push(row.name)
      if (row.name === 'a') state.touch(state.row('b'))
      if (row.name === 'c') state.apply({ type: 'pin', asset: 'd', pinned: false }, 2)
      state.touch(row)
    }
    assert.deepEqual(met, ['a', 'c', 'e', 'b'])
  })
})
