import { AssetStore } from '../asset-store.js'
import type { Recovery, VerifyFinding, VerifyOptions, VerifyReport } from '../types.js'
import { type Command, inspecting } from './command.js'
import { EXIT } from './exit-codes.js'
import { json, printable } from './printable.js'
import { ProgressBar } from './progress-bar.js'
import { count, size } from './sizes.js'

export interface VerifyRequest {
  readonly root: string
  readonly repair: boolean
  readonly json: boolean
  readonly progress: boolean
}

interface Verified {
  readonly report: VerifyReport
  readonly recovery: Recovery
}

/** `cistern verify`: beside the owner, or, to repair, as the owner. */
export async function verify(request: VerifyRequest, { output, signal }: Command): Promise<number> {
  const findings: VerifyFinding[] = []
  const { report, recovery } = await verified(request, { signal, onFinding: (finding) => findings.push(finding) })
  const left = request.repair ? 0 : recovery.droppedRecords
  const sound = left === 0 && findings.every(({ repair }) => repair !== 'none')
  const { droppedRecords, suspect } = recovery
  if (request.json) {
    const { root, repair } = request
    const found = { droppedRecords, suspect, findings: findings.map(fields) }
    await output.line(json({ root, repair, sound, ...report, ...found }))
  } else {
    for (const line of lines(findings, recovery)) await output.line(line)
    await output.line(summary(report, recovery, request.repair))
    for (const line of sound || request.repair ? [] : advice(report, recovery)) await output.line(line)
  }
  return sound ? EXIT.ok : EXIT.found
}

async function verified({ root, repair, progress }: VerifyRequest, options: VerifyOptions): Promise<Verified> {
  using bar = new ProgressBar(process.stderr, progress)
  const onProgress = (done: number, total: number): void => bar.update(done, total)
  // Also before a repair: opening would make a store of a folder that is none.
  return await inspecting(root, async (inspection) => {
    options.signal?.throwIfAborted()
    if (!repair) return { report: await inspection.verify({ ...options, onProgress }), recovery: inspection.recovery }
    // No limits: nothing is to be evicted by looking after it.
    await using store = await AssetStore.open({ root, minFreeBytes: 0 })
    const report = await store.verify({ ...options, onProgress, repair: true })
    await store.checkpoint()
    return { report, recovery: store.recovery }
  })
}

function fields(finding: VerifyFinding): object {
  const { kind, file, generation = null, repair } = finding
  if (kind === 'orphan') return { kind, file, generation, bytes: finding.bytes ?? null, repair }
  const common = { kind, key: finding.key.id, state: finding.state, file, generation, repair }
  if (kind === 'damaged') return { ...common, badBlocks: finding.badBlocks, ranges: finding.ranges }
  return { ...common, expected: finding.expected, found: finding.found ?? null }
}

/** Ranges that are shown to somebody who reads; JSON has all. */
const MAX_RANGES = 4

function* lines(findings: readonly VerifyFinding[], { droppedRecords }: Recovery): Generator<string> {
  if (droppedRecords > 0)
    yield `index    ${count(droppedRecords, 'record')} damaged or lost: what they named is fetched again`
  for (const finding of findings) {
    const done = finding.repair === 'none' ? '' : `  → ${DONE[finding.repair]}`
    yield `${finding.kind.padEnd(9)}${printable(nameOf(finding))}  ${told(finding)}${done}`
  }
}

const DONE = {
  reopened: 'kept but for these bytes',
  dropped: 'dropped',
  deleted: 'deleted',
} as const

function nameOf(finding: VerifyFinding): string {
  if (finding.kind !== 'orphan') return `${finding.key.id}${finding.state === 'active' ? ' (unfinished)' : ''}`
  return finding.generation === undefined ? finding.file : `${finding.file}.${finding.generation}.part`
}

function told(finding: VerifyFinding): string {
  switch (finding.kind) {
    case 'damaged': {
      const shown = finding.ranges.slice(0, MAX_RANGES).map(({ start, end }) => `[${start}, ${end})`)
      const more = finding.ranges.length - MAX_RANGES
      return `${count(finding.badBlocks, 'bad block')}: ${shown.join(' ')}${more > 0 ? ` and ${more} more` : ''}`
    }
    case 'missing':
      return finding.found === undefined ? 'no file' : `${finding.found} bytes, not ${finding.expected}`
    case 'orphan':
      return finding.bytes === undefined ? 'cannot be opened' : size(finding.bytes)
  }
}

/** What `--repair` would do about it. */
function* advice({ badBlocks, missing, orphans }: VerifyReport, { suspect, droppedRecords }: Recovery) {
  if (orphans > 0 && (suspect || droppedRecords > 0)) {
    yield 'the index has lost records, and what only they named is an orphan now: --repair deletes it.'
    yield 'Copy what you want to keep, or bring _index/ back from a backup, before you repair.'
  }
  const done = [
    badBlocks + missing > 0 && 'keeps the good blocks, drops the rest',
    orphans > 0 && 'deletes orphans',
    badBlocks + missing + orphans === 0 && 'goes on with what is left of the index',
  ].filter((part) => part !== false)
  yield `with --repair: ${done.join(', ')}`
}

function summary(report: VerifyReport, { suspect, droppedRecords }: Recovery, isRepaired: boolean): string {
  const { resources, bytes, badBlocks, missing, orphans, reopened, dropped, deleted } = report
  const found = [
    droppedRecords > 0 && count(droppedRecords, 'lost record'),
    badBlocks > 0 && count(badBlocks, 'bad block'),
    missing > 0 && count(missing, 'missing file'),
    orphans > 0 && count(orphans, 'orphan'),
  ].filter((part) => part !== false)
  const done = [
    reopened > 0 && `${reopened} reopened`,
    dropped > 0 && `${dropped} dropped`,
    deleted > 0 && `${deleted} deleted`,
  ].filter((part) => part !== false)
  const mark = isRepaired
    ? ' (its index was damaged before, and counts as whole again)'
    : ' (its index was damaged before: a --repair, or verify() in the app, ends that)'
  const note = suspect && found.length === 0 ? mark : ''
  const verdict = `${found.length === 0 ? `sound${note}` : found.join(', ')}${done.length > 0 ? `; ${done.join(', ')}` : ''}`
  return `${count(resources, 'resource')}, ${size(bytes)} checked: ${verdict}`
}
