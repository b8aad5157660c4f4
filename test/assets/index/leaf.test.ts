import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssetRow } from '#assets/index/asset-row.js'
import { BlockMap } from '#assets/index/blocks.js'
import type { Entry } from '#assets/index/entry.js'
import { LEAF_MAX, Leaf, sortKey } from '#assets/index/leaf.js'
import { decodeRecord, encodeRecord } from '#assets/index/record.js'
import { randomNumbers, shuffled } from '../../helpers/bytes.js'

function entryOf(path: string, n: number): Entry {
  const source = new BlockMap()
  source.set(n % 5, n)
  const shared = { processor: n % 2 ? 'p' : undefined, validator: undefined, unsynced: n % 3 === 0 }
  return {
    path,
    committed: {
      ...shared,
      generation: `session-${n.toString(36)}`,
      name: n % 4 ? path : `${path}~1`,
      length: 7,
      committedAt: 1_760_000_000_000 + n,
      fingerprint: n % 2 ? undefined : 'seen',
      metadata: n % 3 ? undefined : Uint8Array.of(n),
      checksums: Uint8Array.of(1, 2, 3, n),
    },
    active:
      n % 2 === 0
        ? undefined
        : {
            ...shared,
            generation: `other-${(n + 1000).toString(36)}`,
            name: path,
            length: n,
            metadata: undefined,
            fingerprint: undefined,
            writer: 'other',
            source,
          },
  }
}

const shown = (entry: Entry | undefined): unknown =>
  entry && { ...entry, active: entry.active && { ...entry.active, source: [...entry.active.source.pieces()] } }

describe('a leaf', () => {
  it('gives back what was packed, also through a snapshot', () => {
    const leaf = new Leaf('')
    for (let n = 0; n < LEAF_MAX; n++) leaf.set(entryOf(`s/${n}.ts`, n))
    leaf.count = LEAF_MAX
    leaf.touch(1)
    const before = leaf.sorted().map(shown)
    const packed = {
      asset: 'a',
      first: '',
      count: leaf.count,
      stored: leaf.stored,
      asOf: 12,
      names: leaf.names(),
      packed: leaf.packed(),
    }
    const record = decodeRecord(encodeRecord({ type: 'leaves', leaves: [packed] }, 's'))?.record
    assert.ok(record?.type === 'leaves')
    const [read] = record.leaves
    assert.ok(read)
    assert.deepEqual({ ...read, packed: undefined }, { ...packed, packed: undefined })
    const { buffer, byteOffset, byteLength } = read.packed
    const again = new Leaf('', read.count, read.stored, new Uint8Array(buffer), byteOffset, byteOffset + byteLength)
    assert.equal(again.isDecoded, false)
    assert.deepEqual(again.sorted().map(shown), before)
    assert.equal(again.stored, leaf.stored)
  })

  it('is split and dropped so that an asset’s paths stay in order, each in one leaf', () => {
    const row = new AssetRow('a')
    const paths = shuffled(
      randomNumbers(4),
      Array.from({ length: 500 }, (_, n) => `${n % 2 ? 'UP' : 'low'}/${n}.ts`),
    )
    const check = (present: readonly string[]): void => {
      const held = row.leaves.flatMap((leaf) => leaf.sorted().map(({ path }) => path))
      assert.deepEqual(
        held,
        [...present].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)),
      )
      assert.ok(
        row.leaves.every(
          (leaf, at) => leaf.count === leaf.entries.size && leaf.count <= LEAF_MAX && (at === 0 || leaf.count > 0),
        ),
      )
      for (const path of present) assert.ok(row.leafOf(path).entries.has(path))
    }
    for (const [n, path] of paths.entries()) {
      const leaf = row.leafOf(path)
      leaf.set(entryOf(path, n))
      leaf.count++
      row.rebalance(leaf)
    }
    check(paths)
    for (const [n, path] of paths.entries()) {
      const leaf = row.leafOf(path)
      leaf.delete(path)
      leaf.count--
      row.rebalance(leaf)
      if (n % 50 === 0) check(paths.slice(n + 1))
    }
    assert.deepEqual([row.leaves.length, row.leaves[0]?.first], [1, ''])
  })

  it('split while it is loaded from a snapshot, both halves say up to where that went', () => {
    const leaf = new Leaf('')
    for (let n = 0; n < 10; n++) leaf.set(entryOf(`${n}.ts`, n))
    leaf.count = 10
    leaf.asOf = 33
    assert.equal(leaf.split().asOf, 33)
  })
})
