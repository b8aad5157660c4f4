import type { ByteRange } from '@cistern/storage'
import type { Fragment } from '../index/blocks.js'
import { Pace } from '../index/pace.js'
import { ResourceKey } from '../key.js'
import type { VerifyFinding, VerifyOptions, VerifyRepair, VerifyReport } from '../types.js'
import type { Finding, Found, Orphan } from './verification.js'

/** A report holds no more: of a store that is all damage it would hold the names twice over. */
const MAX_FINDINGS = 1000

/** Does something about what was found, or nothing, and tells which. */
export interface Repairs {
  finding(finding: Finding): Promise<VerifyRepair>
  orphan(orphan: Orphan): Promise<VerifyRepair>
}

const NO_REPAIRS: Repairs = { finding: async () => 'none', orphan: async () => 'none' }

/** Has what was found repaired, tells of each, and sums up. Ends between two repairs, with the signal's reason. */
export async function reportOn(
  { resources, bytes, findings, orphans }: Found,
  { signal, onFinding }: VerifyOptions,
  repairs: Repairs = NO_REPAIRS,
): Promise<VerifyReport> {
  const counts = { badBlocks: 0, orphans: 0, missing: 0, reopened: 0, dropped: 0, deleted: 0 }
  const listed: VerifyFinding[] = []
  const tell = (finding: VerifyFinding): void => {
    if (finding.kind === 'damaged') counts.badBlocks += finding.badBlocks
    else counts[finding.kind === 'orphan' ? 'orphans' : 'missing']++
    if (finding.repair !== 'none') counts[finding.repair]++
    if (listed.length < MAX_FINDINGS) listed.push(finding)
    onFinding?.(finding)
  }
  const pace = new Pace()
  for (const finding of findings) {
    signal?.throwIfAborted()
    tell(toldOf(finding, await repairs.finding(finding)))
    if (pace.due) await pace.rest()
  }
  for (const orphan of orphans) {
    signal?.throwIfAborted()
    const { name: file, generation, bytes } = orphan
    tell({ kind: 'orphan', file, generation, bytes, repair: await repairs.orphan(orphan) })
    if (pace.due) await pace.rest()
  }
  return { resources, bytes, ...counts, findings: listed }
}

function toldOf(finding: Finding, repair: VerifyRepair): VerifyFinding {
  const { asset, entry, slot: state, bad, missing } = finding
  const { name, generation } = entry[state] ?? { name: entry.path, generation: undefined }
  const common = { key: ResourceKey.of(asset, entry.path), file: `${asset}/${name}`, generation, state, repair }
  if (missing) return { kind: 'missing', ...common, ...missing }
  return { kind: 'damaged', ...common, ranges: merged(bad), badBlocks: bad.length }
}

function merged(pieces: readonly Fragment[]): ByteRange[] {
  const ranges: { start: number; end: number }[] = []
  for (const { start, end } of pieces) {
    const last = ranges.at(-1)
    if (last?.end === start) last.end = end
    else ranges.push({ start, end })
  }
  return ranges
}
