import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RangeSet, type ResourceWriter } from '@cistern/storage'
import { Reservations } from '#assets/evicting/reservations.js'
import type { ContextIndex } from '#assets/types.js'

test('what is reserved is known without a look at each of the writers that are open', () => {
  const index = { assetStat: () => undefined } as unknown as ContextIndex
  const reservations = new Reservations(index)
  let looks = 0
  const open = Array.from({ length: 1_000 }, (_, n) => {
    const coverage = new RangeSet()
    const writer = {
      coverage,
      get generation() {
        looks++
        return `g${n}`
      },
    }
    return { coverage, reservation: reservations.open('film', writer as unknown as ResourceWriter) }
  })
  for (const { reservation } of open) reservation.grant(0, 10)
  assert.equal(reservations.outstanding, 10_000)
  for (const { coverage } of open) coverage.insert(0, 10)
  assert.equal(reservations.outstanding, 0, 'what was written is not reserved any more')

  open[7]?.reservation.grant(10, 14)
  looks = 0
  assert.equal(reservations.outstanding, 4)
  assert.equal(looks, 1)
  for (const { reservation } of open) reservation.end()
  assert.equal(reservations.outstanding, 0)
  assert.equal(reservations.atMost, 0)
})
