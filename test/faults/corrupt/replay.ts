import { IndexState } from '#assets/index/index-state.js'
import { decodeRecord, fileOf, type RecordFile } from '#assets/index/record.js'
import type { PlacedFrame } from './frames-in.js'

/** What one snapshot holds, and up to which record. */
export interface Loaded {
  readonly kind: RecordFile
  readonly sequence: number
  readonly payloads: readonly Uint8Array[]
}

/** The state that these snapshots and these frames, and nothing else, give. */
export function replayed(snapshots: readonly Loaded[], frames: Iterable<PlacedFrame>): IndexState {
  const state = new IndexState()
  state.isReplayed = true
  const from = new Map(snapshots.map(({ kind, sequence }) => [kind, sequence]))
  for (const kind of ['lru', 'cov', 'pins'] as const) {
    for (const payload of snapshots.find((one) => one.kind === kind)?.payloads ?? []) {
      const decoded = decodeRecord(payload)
      if (decoded) state.apply(decoded.record, 0)
    }
  }
  for (const { sequence, payload } of frames) {
    const decoded = decodeRecord(payload)
    if (decoded && sequence > (from.get(fileOf(decoded.record)) ?? 0)) state.apply(decoded.record, sequence)
  }
  state.isReplayed = false
  for (const row of state.rows.values()) {
    state.release(row)
    state.count(row)
  }
  return state
}
