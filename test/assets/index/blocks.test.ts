import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BLOCK_BYTES, BlockMap } from '#assets/index/blocks.js'
import fc from '../../helpers/fast-check.js'

const block = fc.integer({ min: 0, max: 9 })
const step = fc.oneof(
  fc.record({ what: fc.constant('set' as const), block }),
  fc.record({ what: fc.constant('fragment' as const), block, from: fc.nat(7), length: fc.integer({ min: 1, max: 7 }) }),
  fc.record({ what: fc.constant('uncover' as const), block, from: fc.nat(7), length: fc.integer({ min: 1, max: 30 }) }),
)
const UNIT = BLOCK_BYTES / 8

describe('a block map', () => {
  it('never covers what was not recorded, and forgets all that an uncovered range touches', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const map = new BlockMap()
        const model = new Uint8Array(80)
        for (const one of steps) {
          const at = one.block * 8
          if (one.what === 'set') {
            map.set(one.block, 7)
            model.fill(1, at, at + 8)
            continue
          }
          const [start, end] = [
            at + one.from,
            one.what === 'fragment' ? Math.min(at + 8, at + one.from + one.length) : at + one.from + one.length,
          ]
          if (one.what === 'fragment') {
            map.setFragment({ start: start * UNIT, end: end * UNIT, crc: 9 })
            model.fill(1, start, end)
          } else {
            map.uncover(start * UNIT, end * UNIT)
            model.fill(0, start, end)
          }
          const pieces = [...map.pieces()]
          for (const piece of pieces)
            for (let unit = piece.start / UNIT; unit < piece.end / UNIT; unit++) assert.equal(model[unit], 1)
          // What it forgot beyond that, the model forgets with it: pieces go as a whole.
          const covered = map.coverage()
          for (let unit = 0; unit < 80; unit++) if (!covered.has(unit * UNIT, (unit + 1) * UNIT)) model[unit] = 0
          assert.equal(
            map.size,
            pieces.reduce((sum, piece) => sum + piece.end - piece.start, 0),
          )
          const again = new BlockMap()
          again.apply(...map.encode())
          assert.deepEqual([...again.pieces()], pieces)
        }
      }),
    )
  })

  it('gives checksums only when every block of the length is there', () => {
    const map = new BlockMap()
    map.set(0, 1)
    map.setFragment({ start: BLOCK_BYTES, end: BLOCK_BYTES + 10, crc: 2 })
    const checksums = map.checksums(BLOCK_BYTES + 10)
    assert.deepEqual([...(checksums ?? [])], [1, 0, 0, 0, 2, 0, 0, 0])
    assert.equal(map.checksums(BLOCK_BYTES + 11), undefined)
    assert.equal(map.checksums(BLOCK_BYTES + 9), undefined)
    assert.deepEqual(map.checksums(0), new Uint8Array())
    assert.deepEqual(
      [...BlockMap.fromChecksums(checksums ?? new Uint8Array(), BLOCK_BYTES + 10).pieces()],
      [...map.pieces()],
    )
  })
})
