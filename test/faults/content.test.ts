import assert from 'node:assert/strict'
import test from 'node:test'
import { complaint, contentOf, nonceOf } from './content.js'

const KEY = 'film-1/video'

test('content is the same from whatever position it is asked', () => {
  const whole = contentOf(KEY, 77, 0, 1_000)
  for (const [start, end] of [
    [0, 1],
    [3, 5],
    [7, 9],
    [8, 16],
    [13, 1_000],
    [500, 500],
  ] as const) {
    assert.deepEqual(contentOf(KEY, 77, start, end), whole.subarray(start, end))
    assert.equal(complaint(KEY, 77, start, whole.subarray(start, end)), undefined)
  }
})

test('content names what is wrong with bytes: zeros, another nonce, another key, another place, a flipped bit', () => {
  const at = 4_093
  const good = contentOf(KEY, 77, at, at + 500)
  const zeroed = good.slice().fill(0, 100, 300)
  const mixed = good.slice()
  mixed.set(contentOf(KEY, 78, at + 200, at + 300), 200)
  const flipped = good.slice()
  flipped[499] = (flipped[499] ?? 0) ^ 1

  assert.match(complaint(KEY, 77, at, zeroed) ?? '', /zeros/)
  assert.match(complaint(KEY, 77, at, mixed) ?? '', /this key, nonce 78/)
  assert.match(complaint(KEY, 77, at, contentOf('film-2/video', 77, at, at + 500)) ?? '', /another key, nonce 77/)
  assert.match(
    complaint(KEY, 77, at, contentOf(KEY, 77, at + 8, at + 508)) ?? '',
    /this key, nonce 77, position 4104 at 4096/,
  )
  assert.ok(complaint(KEY, 77, at, flipped))
})

test('content tells its nonce from any whole word', () => {
  assert.equal(nonceOf(3, contentOf(KEY, 0xabcdef, 3, 40)), 0xabcdef)
  assert.equal(nonceOf(3, contentOf(KEY, 0xabcdef, 3, 12)), undefined)
})
