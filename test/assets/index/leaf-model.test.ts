import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BlockMap } from '#assets/index/blocks.js'
import { type Entry, storedBytes } from '#assets/index/entry.js'
import { Leaf, sortKey } from '#assets/index/leaf.js'
import fc from '../../helpers/fast-check.js'

/** Beside each other in one leaf: names of all lengths that msgpack tells apart. */
const PATHS = Array.from(
  { length: 12 },
  (_, n) => `${['s/', 'UPPER-AND-LONGER-THAN-31-LETTERS-', 'x'.repeat(300)][n % 3]}${n}`,
)

const path = fc.constantFrom(...PATHS)
const step = fc.oneof(
  fc.record({ what: fc.constant('set' as const), path, number: fc.nat(2000), time: fc.nat(50) }),
  fc.record({ what: fc.constantFrom('get' as const, 'delete' as const, 'blocks' as const), path }),
  fc.record({ what: fc.constantFrom('shrink' as const, 'reload' as const, 'all' as const) }),
)

function entryOf(path: string, number: number, time: number): Entry {
  const shared = { processor: undefined, validator: number % 3 ? undefined : '"v"', unsynced: number % 5 === 0 }
  const committed = {
    ...shared,
    generation: `session${number % 40}-${number.toString(36)}`,
    name: number % 4 ? path : `${path}~1`,
    length: number,
    committedAt: 1_760_000_000_000 + time,
    fingerprint: undefined,
    metadata: number % 2 ? Uint8Array.of(number % 256) : undefined,
    checksums: Uint8Array.of(1, 2, 3, number % 256),
  }
  const source = new BlockMap()
  const active = {
    ...shared,
    generation: `other-${number.toString(36)}`,
    name: path,
    length: undefined,
    metadata: undefined,
    fingerprint: undefined,
    writer: 'other',
    source,
  }
  return { path, committed: number % 3 === 2 ? undefined : committed, active: number % 3 ? active : undefined }
}

const shown = (entry: Entry | undefined): unknown =>
  entry && { ...entry, active: entry.active && { ...entry.active, source: [...entry.active.source.pieces()] } }

/** As a start finds it: among others, in a buffer that they share. */
function reloaded(leaf: Leaf): Leaf {
  const packed = leaf.packed()
  const chunk = new Uint8Array(packed.byteLength + 20)
  chunk.set(packed, 7)
  return new Leaf(leaf.first, leaf.count, leaf.stored, chunk, 7, 7 + packed.byteLength)
}

describe('a leaf of which some entries are decoded', () => {
  it('holds what a map would, whatever was looked at, changed and packed in between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let leaf = new Leaf('')
        const model = new Map<string, Entry>()
        for (const [sequence, one] of steps.entries()) {
          if (one.what === 'set') {
            const entry = entryOf(one.path, one.number, one.time)
            leaf.set(entry)
            if (!model.has(one.path)) leaf.count++
            leaf.touch(sequence)
            model.set(one.path, entry)
          } else if (one.what === 'get') assert.deepEqual(shown(leaf.get(one.path)), shown(model.get(one.path)))
          else if (one.what === 'delete' && model.delete(one.path)) {
            leaf.delete(one.path)
            leaf.count--
            leaf.touch(sequence)
          } else if (one.what === 'blocks') {
            const sources = new Set([leaf.get(one.path)?.active?.source, model.get(one.path)?.active?.source])
            for (const source of sources) source?.set(7, sequence)
            if (leaf.get(one.path)) leaf.touch(sequence, one.path)
          } else if (one.what === 'shrink') leaf.shrink()
          else if (one.what === 'reload') leaf = reloaded(leaf)
          else if (one.what === 'all') assert.equal(leaf.entries.size, model.size)
          assert.equal(
            leaf.stored,
            [...model.values()].reduce((sum, entry) => sum + storedBytes(entry), 0),
          )
        }
        const sorted = [...model.values()].sort((a, b) => (sortKey(a.path) < sortKey(b.path) ? -1 : 1))
        assert.deepEqual(reloaded(leaf).sorted().map(shown), sorted.map(shown))
      }),
    )
  })
})
