import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BLOCK_BYTES, encodeRuns } from '#assets/index/blocks.js'
import { compact } from '#assets/index/compaction.js'
import { IndexState } from '#assets/index/index-state.js'
import { JournalLog } from '#assets/index/log.js'
import type { IndexRecord } from '#assets/index/record.js'

/** Bytes that each resource of a big index claims to have: two whole blocks and a short one, as a segment of some seconds. */
const BIG_RESOURCE_BYTES: number = 2 * BLOCK_BYTES + 1000

/** The index of a store under `root` with that many committed resources, and none of their files. */
export async function writeBigIndex(
  root: string,
  { assets, resourcesPerAsset }: { readonly assets: number; readonly resourcesPerAsset: number },
): Promise<void> {
  const dir = join(root, '_index')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const storeId = new Uint8Array(randomBytes(16))
  const session = 'big'
  const state = new IndexState()
  const log = new JournalLog({
    dir,
    storeId,
    session,
    relaxed: true,
    predecessor: { number: 0, sequence: 0 },
    firstNumber: 1,
    check: () => undefined,
    riders: () => [],
    onFailure: (error) => {
      throw error
    },
    onRestored: () => undefined,
    onAppended: () => undefined,
  })
  let sequence = 0
  for (let a = 0; a < assets; a++) {
    for (let r = 0; r < resourcesPerAsset; r++) {
      for (const record of committedRecords(assetName(a), resourcePath(r), `${session}-${(++sequence).toString(36)}`))
        state.apply(record, 0)
    }
    state.touch(state.row(assetName(a)))
  }
  await compact({ dir, storeId, session, relaxed: true, state, log, counted: new Map(), check: () => undefined })
  await log.close()
}

export const assetName = (a: number): string => `asset-${String(a).padStart(6, '0')}`
export const resourcePath = (r: number): string => `segments/${String(r).padStart(5, '0')}.ts`

function committedRecords(asset: string, path: string, generation: string): IndexRecord[] {
  const crcs = Array.from({ length: 2 }, (_, block) => [block, (generation.length * 2654435761) >>> 0] as const)
  const fragments = [2 * BLOCK_BYTES, BIG_RESOURCE_BYTES, 12345]
  const committed = {
    generation,
    name: path,
    length: BIG_RESOURCE_BYTES,
    committedAt: 1_760_000_000_000,
    fingerprint: `2k${generation}.dgs8k2j3h4k5`,
    processor: undefined,
    validator: '"5f3759df-60a00"',
    metadata: undefined,
    unsynced: false,
  }
  return [
    { type: 'stray', stray: { asset, path, name: path, generation, published: false } },
    { type: 'blocks', asset, path, generation, part: 'source', runs: encodeRuns(crcs), fragments },
    { type: 'entry', asset, path, committed, active: undefined },
  ]
}
