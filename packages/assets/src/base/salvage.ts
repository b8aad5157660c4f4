import type { Fragment } from '../index/blocks.js'
import type { CommittedSlot } from '../index/entry.js'
import type { ResourceKey } from '../key.js'
import type { BaseCore } from './base-core.js'
import { hideCommitted } from './hiding.js'
import { copyPieces } from './piece-copy.js'

/**
 * Keeps the good pieces of a damaged committed generation: a new unfinished one holds them, unless there is one already.
 * Runs in the key's queue.
 */
export async function salvage(
  core: BaseCore,
  key: ResourceKey,
  slot: CommittedSlot,
  good: readonly Fragment[],
): Promise<'reopened' | 'dropped' | 'none'> {
  const { name, generation, fingerprint, metadata, validator, length } = slot
  const file = { name: `${key.asset}/${name}`, generation, fingerprint, state: 'committed' } as const
  const copy = await copyPieces(core, key, name, file, good)
  if (core.committedGeneration(key) !== generation) {
    copy.drop()
    return 'none'
  }
  core.sweep(hideCommitted(core, key))
  if (core.records.entry(key)?.active) {
    copy.drop()
    return 'dropped'
  }
  copy.record({ length, validator, processor: undefined, metadata }, [])
  core.records.occupy(key.asset, copy.blocks.size)
  return 'reopened'
}
