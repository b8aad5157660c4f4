import { BlockMap } from './blocks.js'
import type { Entry } from './entry.js'
import { LIST_BYTES } from './log.js'
import type { IndexRecord } from './record.js'

/** An entry spelled out as records whose payloads each fit a frame, in the order that rebuilds it. */
export function* entryRecords(asset: string, { path, committed, active }: Entry): Generator<IndexRecord> {
  if (committed) {
    const { checksums, ...fields } = committed
    // Blocks need a home before the commit takes them: the generation stands as a stray for so long.
    yield {
      type: 'stray',
      stray: {
        asset,
        path,
        name: committed.name,
        generation: committed.generation,
        published: committed.fingerprint !== undefined,
      },
    }
    yield* blockRecords(
      asset,
      path,
      committed.generation,
      'source',
      BlockMap.fromChecksums(checksums, committed.length),
    )
    yield { type: 'entry', asset, path, committed: fields, active }
  } else yield { type: 'entry', asset, path, committed: undefined, active }
  if (active) yield* blockRecords(asset, path, active.generation, 'source', active.source)
}

/** Blocks of one generation, split so that each record fits a frame. */
export function* blockRecords(
  asset: string,
  path: string,
  generation: string,
  part: 'source' | 'output',
  blocks: BlockMap,
): Generator<IndexRecord> {
  const [runs, fragments] = blocks.encode()
  const home = { type: 'blocks', asset, path, generation, part } as const
  for (let i = 0; i + 1 < runs.length; i += 2) {
    const [first, crcs] = [runs[i] as number, runs[i + 1] as Uint8Array]
    for (let at = 0; at < crcs.byteLength; at += LIST_BYTES)
      yield { ...home, runs: [first + at / 4, crcs.subarray(at, at + LIST_BYTES)], fragments: [] }
  }
  for (let i = 0; i < fragments.length; i += 3000) yield { ...home, runs: [], fragments: fragments.slice(i, i + 3000) }
}
