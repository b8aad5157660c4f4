import { AssetStore, CisternError, type ResourceKey, type ResourceReader, type ResourceStat } from '@cistern/assets'
import { complaint, nonceOf } from './content.js'
import type { Content } from './held.js'
import type { History } from './history.js'
import { ASSETS, contentName, KEYS } from './keys.js'
import type { Held } from './report.js'

const CHUNK = 256 * 1024

export interface Findings {
  readonly violations: readonly string[]
  readonly committed: number
  readonly partial: number
  readonly bytes: number
  /** Files that no record names: no violation, but worth seeing. */
  readonly orphans: number
  /** Blocks and files that are not what the record says. Only where that is expected are they no violation. */
  readonly damaged: number
  /** Opening found the index damaged. */
  readonly suspect: boolean
}

export interface ExamineOptions {
  /** What the workload writes to. */
  readonly keys?: readonly ResourceKey[]
  readonly assets?: readonly string[]
  /** What is on record may not be there, and is then to be found and dropped. */
  readonly isLossy?: boolean
}

/** What there is, before it is held against a history. */
export interface Observation extends Findings {
  /** By key, and only of a store that could be opened. */
  readonly held: readonly (readonly [key: string, held: Held])[]
  /** Of those assets that have a stat to say so. */
  readonly pins: readonly (readonly [asset: string, pinned: boolean])[]
}

const NOTHING = {
  ...{ committed: 0, partial: 0, bytes: 0, orphans: 0, damaged: 0, suspect: false },
  ...{ held: [], pins: [] },
} as const

/** {@link observe} and {@link judge}. */
export async function examine(root: string, history: History, options: ExamineOptions = {}): Promise<Findings> {
  return judge(await observe(root, { isLossy: history.isLossy, ...options }), history, options.assets)
}

/**
 * Opens what a dead process left, reads every byte that the store will serve, and holds it against what it says it is.
 *
 * It is verified before anything of it is opened, because opening drops what does not hold; and afterwards again, when
 * nothing of that may be left. `isLossy`: what was never synced may be damaged, and is to be found.
 */
export async function observe(root: string, options: ExamineOptions = {}): Promise<Observation> {
  const { keys = KEYS, assets = ASSETS, isLossy = false } = options
  const violations: string[] = []
  let store: AssetStore
  try {
    store = await AssetStore.open({ root, minFreeBytes: 0 })
  } catch (error) {
    return { violations: [`open failed: ${told(error)}`], ...NOTHING }
  }
  try {
    const { orphans, damaged } = await verify(store, isLossy ? [] : violations)
    const found = await lookAtAll(store, { keys, assets, isLossy }, violations)
    await verify(store, violations, isLossy)
    return { ...found, orphans, damaged, suspect: store.recovery.suspect, violations }
  } finally {
    await store.close().catch((error: unknown) => violations.push(`close failed: ${told(error)}`))
  }
}

/** Whether `history` allows it. What was found becomes the beginning of the next life's history. */
export function judge(observation: Observation, history: History, assets: readonly string[] = ASSETS): Findings {
  const violations = [...observation.violations]
  for (const [key, held] of observation.held) {
    const allowed = history.allowed(key)
    if (!allowed.some((state) => same(state, held)))
      violations.push(`${key} holds ${JSON.stringify(held)}, allowed are ${JSON.stringify(allowed)}`)
    history.observed(key, held)
  }
  const pins = new Map(observation.pins)
  for (const asset of assets) {
    const pinned = pins.get(asset) // an asset without a stat is not pinned: a pin alone gives it one
    const allowed = history.allowedPins(asset)
    if (!allowed.includes(pinned ?? false))
      violations.push(`${asset} is ${pinned ? '' : 'not '}pinned, allowed are ${JSON.stringify(allowed)}`)
    history.observedPin(asset, pinned ?? false)
  }
  return { ...observation, violations }
}

type Looked = Pick<Observation, 'committed' | 'partial' | 'bytes' | 'held' | 'pins'>

async function lookAtAll(
  store: AssetStore,
  { keys, assets, isLossy }: Required<ExamineOptions>,
  violations: string[],
): Promise<Looked> {
  const sum = { committed: 0, partial: 0, bytes: 0 }
  const held: [key: string, held: Held][] = []
  for (const key of keys) {
    if (isLossy) await dropDamaged(store, key)
    const stat = store.stat(key)
    held.push([key.id, heldIn(stat)])
    if (!stat) continue
    sum[stat.state === 'committed' ? 'committed' : 'partial'] += 1
    sum.bytes += await readAll(store, key, stat, violations)
  }
  const pins = assets.flatMap((asset) => {
    const stat = store.assetStat(asset)
    return stat ? [[asset, stat.pinned] as const] : []
  })
  return { ...sum, held, pins }
}

/** What the first to open it does: whatever was never synced is held against its checksums. */
async function dropDamaged(store: AssetStore, key: ResourceKey): Promise<void> {
  try {
    const reader = await store.open(key)
    reader.close()
  } catch (error) {
    if (!CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) throw error
  }
}

/** Every covered byte. Nothing that a killed process wrote is lost with it, so nothing may fail to be read either. */
async function readAll(store: AssetStore, key: ResourceKey, stat: ResourceStat, violations: string[]): Promise<number> {
  let bytes = 0
  try {
    using reader = await store.open(key)
    if (stat.state === 'committed' && !reader.coverage.has(0, reader.length ?? -1)) {
      violations.push(`${key.id} is committed with ${reader.length} bytes and has gaps`)
    }
    const content = stat.metadata as Content | undefined
    const under = stat.state === 'committed' ? undefined : content?.under
    let nonce = content?.nonce
    for (const { start, end } of [...reader.coverage]) {
      for (let position = start; position < end; position += CHUNK) {
        const chunk = await readChunk(reader, position, Math.min(end, position + CHUNK))
        nonce ??= nonceOf(position, chunk)
        const wrong =
          nonce === undefined ? undefined : complaint(content?.of ?? contentName(key), nonce, position, chunk, under)
        if (wrong) violations.push(`${key.id} (${stat.state}): ${wrong}`)
        bytes += chunk.length
      }
    }
  } catch (error) {
    // Its name is on record before its file is made: between the two there is an entry with nothing in it.
    if (stat.coverage.size === 0 && CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) return 0
    violations.push(`${key.id} (${stat.state}) cannot be read: ${told(error)}`)
  }
  return bytes
}

async function readChunk(reader: ResourceReader, start: number, end: number): Promise<Uint8Array> {
  const chunk = new Uint8Array(end - start)
  let read = 0
  while (read < chunk.length) {
    const count = await reader.readAt(start + read, chunk.subarray(read))
    if (count === 0) throw new Error(`end of file at ${start + read}, covered to ${end}`)
    read += count
  }
  return chunk
}

/** `isLossy`: what is unfinished beside something committed has not been opened, and may still be damaged. */
async function verify(
  store: AssetStore,
  violations: string[],
  isLossy = false,
): Promise<Pick<Findings, 'orphans' | 'damaged'>> {
  try {
    const { badBlocks, orphans, missing, findings } = await store.verify()
    for (const finding of findings) {
      if (finding.kind === 'orphan') continue
      const { key, state, generation } = finding
      if (isLossy && state === 'active' && store.stat(key)?.state === 'committed') continue
      violations.push(`verify: ${key.id} (${state} ${generation}) is ${finding.kind}`)
    }
    return { orphans, damaged: badBlocks + missing }
  } catch (error) {
    violations.push(`verify failed: ${told(error)}`)
    return { orphans: 0, damaged: 0 }
  }
}

export function heldIn(stat: ResourceStat | undefined): Held {
  if (stat?.state !== 'committed') return null
  const { nonce, edition, of } = (stat.metadata ?? { nonce: 0 }) as NonNullable<Held>
  return { nonce, length: stat.length ?? -1, edition, of }
}

export function same(one: Held, other: Held): boolean {
  return (
    one?.nonce === other?.nonce &&
    one?.length === other?.length &&
    one?.edition === other?.edition &&
    one?.of === other?.of
  )
}

function told(error: unknown): string {
  const code = CisternError.is(error) ? ` ${error.code}` : ''
  return error instanceof Error
    ? `${error.stack}${code}${error.cause ? `, because ${told(error.cause)}` : ''}`
    : String(error)
}
