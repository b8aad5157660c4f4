import assert from 'node:assert/strict'
import test from 'node:test'
import type { Durability } from '@cistern/assets'
import { History } from './history.js'
import type { Held } from './report.js'

const KEY = 'film/a'
const first: Held = { nonce: 1, length: 10 }
const second: Held = { nonce: 2, length: 20 }

test('strict: what was reported done is what there is, and what was under way may be', () => {
  const history = historyOf('strict')
  history.add({ is: 'begin', key: KEY, held: first })
  assert.deepEqual(history.allowed(KEY), [null, first])
  history.add({ is: 'done', key: KEY, held: first })
  assert.deepEqual(history.allowed(KEY), [first])
  history.add({ is: 'begin', key: KEY, held: null })
  assert.deepEqual(history.allowed(KEY), [first, null])
})

test('ordered: all since the last checkpoint that was reported done may be rolled back, and no more', () => {
  const history = historyOf('ordered')
  history.add({ is: 'done', key: KEY, held: first })
  history.add({ is: 'begin-checkpoint' })
  history.add({ is: 'done', key: KEY, held: second })
  assert.deepEqual(history.allowed(KEY), [null, first, second])
  history.add({ is: 'done-checkpoint' })
  assert.deepEqual(history.allowed(KEY), [first, second])
})

test('an operation that raced with the removal of its asset may have come before it', () => {
  const history = historyOf('strict')
  history.add({ is: 'begin', key: KEY, held: first })
  history.add({ is: 'begin-remove-asset', asset: 'film' })
  history.add({ is: 'done-remove-asset', asset: 'film' })
  history.add({ is: 'done', key: KEY, held: first })
  assert.ok(history.allowed(KEY).includes(null))
  history.add({ is: 'begin', key: KEY, held: second })
  history.add({ is: 'done', key: KEY, held: second })
  assert.deepEqual(history.allowed(KEY), [second])
})

test('a pin that was reported holds at once, but in relaxed mode', () => {
  const pinned = (durability: Durability): readonly boolean[] => {
    const history = historyOf(durability)
    history.add({ is: 'done-pin', asset: 'film', pinned: true })
    return history.allowedPins('film')
  }
  assert.deepEqual(pinned('ordered'), [true])
  assert.deepEqual(pinned('relaxed'), [false, true])
})

test('a verb that waits for its sync raises the floor in ordered mode, too, and not in relaxed', () => {
  const allowed = (durability: Durability): readonly Held[] => {
    const history = historyOf(durability)
    history.add({ is: 'done', key: KEY, held: first, synced: true })
    return history.allowed(KEY)
  }
  assert.deepEqual(allowed('ordered'), [first])
  assert.deepEqual(allowed('relaxed'), [null, first])
})

test('what a store fell back to is what a later checkpoint covers', () => {
  const history = historyOf('ordered')
  history.add({ is: 'done', key: KEY, held: second })
  history.add({ is: 'holds', key: KEY, held: first })
  history.add({ is: 'begin-checkpoint' })
  history.add({ is: 'done-checkpoint' })
  assert.deepEqual(history.allowed(KEY), [first])
})

test('what was seen after a restart is where the next life begins', () => {
  const history = historyOf('ordered')
  history.add({ is: 'done', key: KEY, held: first })
  history.add({ is: 'begin', key: KEY, held: second })
  history.observed(KEY, first)
  assert.deepEqual(history.allowed(KEY), [first])
})

function historyOf(durability: Durability): History {
  return new History([KEY], ['film'], durability)
}
