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

  it('[core 49] one that leads out of the store, or counts in no whole numbers, is none although its checksum held', () => {
    const slot = ['s-1', 'b', 5, 1]
    for (const fields of [
      [1, 's', '..', 'b', slot],
      [1, 's', '_index', 'b', slot],
      [1, 's', 'a', 'b/../../c', slot],
      [1, 's', 'a', 'b', ['s-1', '../_index/cov.bin', 5, 1]],
      [1, 's', 'a', 'b', ['s-1', '/etc/passwd', 5, 1]],
      [1, 's', 'a', 'b', ['../s-1', 'b', 5, 1]],
      [1, 's', 'a', 'b', ['s-1', 'b', 5.5, 1]],
      [1, 's', 'a', 'b', ['s-1', 'b', Number.POSITIVE_INFINITY, 1]],
      [1, 's', 'a', 'b', ['s-1', 'b', 5, 1, null, null, null, Uint8Array.of(0xc1)]],
      [2, 's', 'a', 'b', 's-1', 0, [-1, new Uint8Array(4)], []],
      [2, 's', 'a', 'b', 's-1', 0, [0, 'text'], []],
      [2, 's', 'a', 'b', 's-1', 0, [], [5, 1, 7]],
      [2, 's', 'a', 'b', 's-1', 0, [], [0, 300_000, 7]],
      [5, 's', 'a', 'b', '..', 's-1', true],
      [5, 's', 'a', 'b', 0, 's-1/../x', true],
      [7, 's', ['a', 1e300]],
    ])
      assert.equal(decodeRecord(pack(fields)), undefined, JSON.stringify(fields))
    assert.ok(decodeRecord(pack([1, 's', 'a', 'b~/c', ['s-1', 'b~/c~12', 5, 1]])))
    assert.ok(decodeRecord(pack([1, 's', 'a', 'b.~1/c', ['s-1', 'b.~1~2/c', 5, 1]])))
  })
})
