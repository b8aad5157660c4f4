import { BlockMap, type Fragment } from '../index/blocks.js'
import type { ActiveSlot } from '../index/entry.js'
import { blockRecords } from '../index/entry-records.js'
import type { Stray } from '../index/record.js'
import type { ResourceKey } from '../key.js'
import type { BackendFile } from './backend.js'
import type { BaseCore } from './base-core.js'
import { setPiece } from './block-tracker.js'
import { rawGeneration } from './live-generation.js'

/** A generation that holds copies of another's pieces, and waits to be named. */
export interface PieceCopy {
  readonly blocks: BlockMap
  /** Makes it the key's unfinished generation; `strays` are files that this orphans. */
  record(fields: Pick<ActiveSlot, 'length' | 'validator' | 'processor' | 'metadata'>, strays: readonly Stray[]): void
  /** What it was to take the place of went meanwhile. */
  drop(): void
}

/** Copies recorded pieces of one generation into a new one, and brings them to the medium. Runs in the key's queue. */
export async function copyPieces(
  core: BaseCore,
  key: ResourceKey,
  name: string,
  from: BackendFile,
  pieces: readonly Fragment[],
): Promise<PieceCopy> {
  const { records, backend } = core
  const { asset, path } = key
  const generation = records.nextGeneration()
  const isRaw = from.generation.endsWith(rawGeneration(''))
  const stray = { asset, path, name, generation, published: false }
  records.record({ type: 'stray', stray })
  if (isRaw) records.record({ type: 'stray', stray: { ...stray, generation: rawGeneration(generation) } })
  await records.appended()
  const blocks = new BlockMap()
  const source = await backend.open(from)
  try {
    const target = await core.openNew(from.name, isRaw ? rawGeneration(generation) : generation)
    try {
      for (const piece of pieces) {
        const bytes = new Uint8Array(piece.end - piece.start)
        await source.read(piece.start, bytes)
        await target.write(piece.start, [bytes])
        setPiece(blocks, piece)
      }
      if (records.durability !== 'relaxed') await target.sync()
    } finally {
      await target.close()
    }
  } catch (error) {
    core.dropNamed(key, generation, name)
    throw error
  } finally {
    await source.close()
  }
  return {
    blocks,
    drop: () => core.dropNamed(key, generation, name),
    record: (fields, strays) => {
      for (const record of blockRecords(asset, path, generation, 'source', blocks)) records.record(record)
      const unsynced = records.durability === 'relaxed'
      const active = { ...fields, generation, name, writer: records.session, unsynced, fingerprint: undefined }
      const committed = records.entry(key)?.committed
      records.record({ type: 'entry', asset, path, committed, active, strays })
      if (isRaw) records.record({ type: 'swept', generations: [rawGeneration(generation)] }) // the entry names it now
    },
  }
}
