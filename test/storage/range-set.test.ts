import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RangeSet } from '@cistern/storage'
import fc from '../helpers/fast-check.js'

const limit = 60
const step = fc.record({
  insert: fc.boolean(),
  start: fc.integer({ min: 0, max: limit }),
  length: fc.integer({ min: 0, max: 20 }),
})

test('[core 7] a range set says what a plain array of booleans says, after each of any steps', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const set = new RangeSet()
      const model = new Array<boolean>(limit + 40).fill(false)
      for (const { insert, start, length } of steps) {
        const end = start + length
        const changes = model.slice(start, end).some((covered) => covered !== insert)
        assert.equal(insert ? set.insert(start, end) : set.delete(start, end), changes)
        model.fill(insert, start, end)
        assertAlike(set, model)
      }
    }),
  )
})

function assertAlike(set: RangeSet, model: readonly boolean[]): void {
  const runs = runsOf(model, true)
  assert.deepEqual([...set], runs)
  assert.deepEqual(
    set.toFlat(),
    runs.flatMap(({ start, end }) => [start, end]),
  )
  assert.deepEqual([...RangeSet.fromFlat(set.toFlat())], runs)
  assert.equal(set.size, model.filter(Boolean).length)
  assert.equal(set.end, runs.at(-1)?.end ?? 0)
  assert.deepEqual([...set.gaps(0, model.length)], runsOf(model, false))
  for (let at = 0; at < model.length; at += 3) {
    const end = at + 7
    const within = model.slice(at, end)
    assert.equal(set.has(at, Math.min(end, model.length)), within.every(Boolean))
    assert.equal(set.count(at, end), within.filter(Boolean).length)
    const hole = model.indexOf(false, at)
    assert.equal(set.coveredEnd(at), hole === -1 ? model.length : hole)
    const gaps = runsOf(model.slice(0, Math.min(end, model.length)), false).filter((gap) => gap.end > at)
    const first = gaps[0] && { start: Math.max(at, gaps[0].start), end: gaps[0].end }
    assert.deepEqual(set.nextGap(at, Math.min(end, model.length)), first)
    assert.deepEqual(
      set.nextCovered(at),
      runsOf(model, true).find(({ start }) => start > at),
    )
  }
}

function runsOf(model: readonly boolean[], wanted: boolean): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = []
  for (let at = 0; at < model.length; at++) {
    if (model[at] !== wanted) continue
    const last = runs.at(-1)
    if (last?.end === at) runs[runs.length - 1] = { start: last.start, end: at + 1 }
    else runs.push({ start: at, end: at + 1 })
  }
  return runs
}

test('fromFlat refuses what toFlat cannot have given', () => {
  for (const flat of [
    [1],
    [5, 3],
    [5, 5],
    [0, 5, 3, 8],
    [-1, 2],
    [0, 0.5],
    [0, 2 ** 53],
    [4, 6, 0, 2],
    [Number.NaN, 1],
  ]) {
    assert.throws(() => RangeSet.fromFlat(flat), { code: 'ERR_CISTERN_INVALID_RANGE' }, JSON.stringify(flat))
  }
  assert.deepEqual([...RangeSet.fromFlat([0, 5, 5, 8])], [{ start: 0, end: 8 }])
  assert.deepEqual(RangeSet.fromFlat([]).toFlat(), [])
})

test('positions that are none are refused', () => {
  const set = new RangeSet()
  for (const [start, end] of [
    [-1, 2],
    [2, 1],
    [0.5, 2],
    [0, 2 ** 53],
  ] as const) {
    assert.throws(() => set.insert(start, end), { code: 'ERR_CISTERN_INVALID_RANGE' })
  }
  assert.throws(() => set.delete(-1, 2), { code: 'ERR_CISTERN_INVALID_RANGE' })
  assert.equal(set.size, 0)
})

test('the last gap may be open, and gaps look at the set as it is when asked', () => {
  const set = RangeSet.fromFlat([0, 5])
  assert.deepEqual(set.nextGap(2, Number.POSITIVE_INFINITY), { start: 5, end: Number.POSITIVE_INFINITY })
  set.insert(10, 20)
  const seen: number[] = []
  for (const gap of set.gaps(0, 40)) {
    seen.push(gap.start)
    set.insert(20, 40)
  }
  assert.deepEqual(seen, [5])
  assert.equal(set.delete(3, Number.POSITIVE_INFINITY), true)
  assert.deepEqual(set.toFlat(), [0, 3])
})
