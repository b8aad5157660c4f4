import { AssetStore, CisternError, inspectStore, type ResourceKey } from '@cistern/assets'
import { complaint } from '../content.js'
import type { History } from '../history.js'
import { FILM_KEYS, FILMS_ALONE } from '../keys.js'
import type { Held } from '../report.js'
import { examine } from '../survivors.js'
import { FILLERS, SEALED } from './loose-work.js'
import { type OwnerReport, saying } from './report.js'
import type { Suspension } from './suspension.js'

const LOOKED_AT: readonly ResourceKey[] = [...FILM_KEYS, SEALED, ...FILLERS]

/** A look from outside while the second works and the first is awake again. */
export async function lookBeside(root: string, suspension: Suspension): Promise<string[]> {
  try {
    const seen = await inspectStore(root)
    const { badBlocks, missing } = await seen.verify()
    await seen.close()
    if (badBlocks + missing === 0 || suspension.underWay.length > 0) return []
    return [`looked at beside its owner, the store has ${badBlocks} bad blocks and misses ${missing}`]
  } catch (error) {
    return [`looking beside the owner failed: ${error instanceof Error ? error.stack : String(error)}`]
  }
}

/** What a third owner is served: the second's history, and nothing that the first began after it had lost the root. */
export async function lookThird(
  root: string,
  history: History,
  suspension: Suspension,
  firstReports: readonly OwnerReport[],
): Promise<{ readonly violations: readonly string[]; readonly excused: number }> {
  const found = [
    ...(await served(root, posthumous(firstReports.slice(suspension.before.length)))),
    ...(await examine(root, history, FILMS_ALONE)).violations,
  ]
  const key = (what: string) => LOOKED_AT.find(({ id }) => what.startsWith(`${id} `))
  const excused = found.filter((what) => suspension.excuses(key(what)?.id ?? ''))
  const isBadBlock = (what: string) =>
    suspension.excusesDamage(what) || (excused.length > 0 && what.startsWith('verify:'))
  const violations = found.filter((what) => !excused.includes(what) && !isBadBlock(what))
  return { violations, excused: excused.length }
}

/** What it began after it woke up, as `key nonce`, of keys that no history follows. */
function posthumous(reports: readonly OwnerReport[]): ReadonlySet<string> {
  return new Set(saying(reports, 'loose').map(({ key, nonce }) => `${key} ${nonce}`))
}

async function served(root: string, never: ReadonlySet<string>): Promise<string[]> {
  await using store = await AssetStore.open({ root, minFreeBytes: 0 })
  const found: string[] = []
  if (store.recovery.suspect) found.push(`the third finds ${store.recovery.droppedRecords} records damaged or missing`)
  for (const key of LOOKED_AT) {
    const stat = store.stat(key)
    const nonce = (stat?.metadata as Held | undefined)?.nonce
    if (stat === undefined || nonce === undefined) continue
    if (never.has(`${key.id} ${nonce}`)) found.push(`${key.id} is what the first began after it had lost the root`)
    if (stat.state === 'committed') found.push(...(await wrongBytes(store, key, nonce)))
  }
  return found
}

async function wrongBytes(store: AssetStore, key: ResourceKey, nonce: number): Promise<string[]> {
  try {
    const bytes = await store.get(key)
    const wrong = bytes ? complaint(key.id, nonce, 0, bytes) : `${key.id} is named and not there`
    return wrong ? [wrong] : []
  } catch (error) {
    // Dropped, because its file is not what is on record: the caller says whether that is excused.
    return CisternError.is(error) ? [`${key.id} is named and cannot be read: ${error.message}`] : [String(error)]
  }
}
