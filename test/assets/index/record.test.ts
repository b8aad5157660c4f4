import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeRecord, encodeRecord, type IndexRecord, pack } from '#assets/index/record.js'
import fc from '../../helpers/fast-check.js'

const stray = { asset: 'a', path: 'b', name: 'b~1', generation: 's-1', published: true }
const RECORDS: readonly IndexRecord[] = [
  { type: 'uncover', asset: 'a', path: 'b', generation: 's-1', start: 0, end: 2 ** 45 },
  { type: 'remove', asset: 'a', paths: ['b', 'c'], strays: [stray, { ...stray, name: 'b', published: false }] },
  { type: 'stray', stray },
  { type: 'swept', generations: ['s-1', 's-1.raw'] },
  {
    type: 'use',
    uses: [
      ['a', 1],
      ['b', 2 ** 40],
    ],
  },
  { type: 'pin', asset: 'a', pinned: true },
  { type: 'pin', asset: 'a', pinned: false },
  { type: 'leases', counts: [['a', 3]] },
  { type: 'unproven', session: 'before' },
  { type: 'suspect', suspect: true },
]

describe('a record', () => {
  for (const record of RECORDS) {
    it(`${record.type} is read as it was written, with its session`, () => {
      assert.deepEqual(decodeRecord(encodeRecord(record, 'mine')), { record, session: 'mine' })
    })
  }

  it('bytes that are none are skipped, never thrown about', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeRecord(bytes)))
    fc.assert(
      fc.property(fc.nat(20), fc.array(fc.anything({ maxDepth: 2 }), { maxLength: 6 }), (code, fields) => {
        const safe = JSON.parse(JSON.stringify(fields)) as unknown[]
        decodeRecord(pack([code, 's', ...safe]))
      }),
    )
  })

  it('one of a type that is not known, or of another shape, is none', () => {
    assert.equal(decodeRecord(pack([99, 's'])), undefined)
    assert.equal(decodeRecord(pack([8, 's', 5, true])), undefined)
    assert.equal(decodeRecord(pack('text')), undefined)
  })
})
