import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeHeader } from '#assets/index/header.js'
import { readOwner } from '#assets/index/ownership.js'
import { RECORD_FILES } from '#assets/index/recovery.js'
import { readSnapshot, snapshotName } from '#assets/index/snapshot.js'
import { framesIn, type PlacedFrame } from './frames-in.js'
import type { IndexFiles } from './memory-index.js'
import type { Loaded } from './replay.js'

/** An index before anything happens to it: its files, and where in them everything stands. */
export interface PristineIndex {
  readonly files: IndexFiles
  readonly session: string | undefined
  readonly snapshots: readonly Loaded[]
  /** Frames of each journal, by name. */
  readonly journals: ReadonlyMap<string, readonly PlacedFrame[]>
  /** The last record that its snapshots and the journals they go on from reflect. */
  readonly floor: number
}

export async function pristineIndex(root: string): Promise<PristineIndex> {
  const dir = join(root, '_index')
  const names = readdirSync(dir).filter((name) => /\.(bin|log)$/.test(name))
  const files = new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(dir, name)))]))
  const snapshots: Loaded[] = []
  for (const kind of RECORD_FILES) {
    const { header, payloads } = await readSnapshot(join(dir, snapshotName(kind)), { kind })
    if (header) snapshots.push({ kind, sequence: header.sequence, payloads })
  }
  const journals = new Map<string, readonly PlacedFrame[]>()
  for (const name of names.filter(isJournal).sort((a, b) => numberOf(a) - numberOf(b))) {
    const bytes = files.get(name) as Uint8Array // one of the names that were read
    const header = decodeHeader(bytes)?.header
    if (header) journals.set(name, framesIn(bytes, header.storeId, header.number))
  }
  const floor = Math.min(...snapshots.map(({ sequence }) => sequence))
  return { files, session: (await readOwner(dir))?.session, snapshots, journals, floor }
}

export const isJournal = (name: string): boolean => name.endsWith('.log')
const numberOf = (name: string): number => Number(/\d+/.exec(name)?.[0])
