import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { StoreLockedError } from '@cistern/storage'
import { errnoOf, type IndexFile, openIfFile } from './file.js'
import type { ProcessIdentity } from './process-identity.js'

/** One ownership of a root: a process, and the session it took the root under. */
export interface Owner extends ProcessIdentity {
  readonly session: string
  readonly pid: number
  readonly host: string
  readonly bootId: string | undefined
  readonly pidNamespace: string | undefined
  readonly startTime: string | undefined
  /** ISO 8601. */
  readonly since: string
}

/** What `_index/owner` holds: the last owner, who stays named there after he left. */
export interface OwnerRecord {
  readonly owner: Owner
  readonly released: boolean
}

/** Bytes; what is longer is none. */
const MAX_RECORD = 64 * 1024

const SESSION = /^[0-9a-z]{1,20}$/

/** 8 characters of time and 62 random bits, all of `[0-9a-z]`. */
export function newSession(): string {
  const random = randomBytes(8).readBigUInt64BE() % 36n ** 12n
  return Date.now().toString(36) + random.toString(36).padStart(12, '0')
}

export const ownerPath = (indexDir: string): string => join(indexDir, 'owner')

/** The record of a session before it replaces the last one. */
export const pendingOwnerPath = (indexDir: string, session: string): string => join(indexDir, `owner.${session}`)

/** Both forms have one length, so that one can be written over the other in place. */
export const encodeOwnerRecord = ({ owner, released }: OwnerRecord): string =>
  `${JSON.stringify({ ...owner, released })}${released ? ' ' : ''}\n`

export async function readOwnerRecord(indexDir: string): Promise<OwnerRecord | 'absent' | 'unreadable'> {
  const text = await readText(ownerPath(indexDir))
  if (text === undefined) return 'absent'
  try {
    const parsed: unknown = JSON.parse(text)
    const owner = asOwner(parsed)
    return owner ? { owner, released: (parsed as { released?: unknown }).released === true } : 'unreadable'
  } catch {
    return 'unreadable' // cut by a power failure, or not ours: says nothing about anybody
  }
}

/** Undefined where nothing is; '' for what is no file. A pipe must not make the reading wait for its other end. */
async function readText(path: string): Promise<string | undefined> {
  let file: IndexFile | undefined
  try {
    file = await openIfFile(path, 'read')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const bytes = new Uint8Array(Math.min((await file?.size()) ?? 0, MAX_RECORD))
    return Buffer.from(bytes.subarray(0, await file?.read(bytes, 0))).toString('utf8')
  } finally {
    await file?.abandon() // read only: nothing is lost with it
  }
}

/** The owner as a file name: what is there at all is there whole, and `ls` tells who holds a root. */
export const encodeMark = ({ session, pid, host, bootId, pidNamespace, startTime, since }: Owner): string =>
  [session, pid, host, bootId, pidNamespace, startTime, since].map((part) => encodeURIComponent(part ?? '')).join(',')

export function decodeMark(name: string): Owner | undefined {
  const parts = name.split(',')
  if (parts.length !== 7) return undefined
  try {
    const [session, pid, host, bootId, pidNamespace, startTime, since] = parts.map(
      (part) => decodeURIComponent(part) || undefined,
    )
    return asOwner({ session, pid: Number(pid), host, bootId, pidNamespace, startTime, since })
  } catch {
    return undefined // not a name that encodeMark makes
  }
}

export function lockedError(indexDir: string, holder: Owner | undefined): StoreLockedError {
  const who = holder ? `process ${holder.pid} on ${holder.host} since ${holder.since}` : 'a process that left no name'
  return new StoreLockedError(`${indexDir}: the store is owned by ${who}`, { holder })
}

function asOwner(value: unknown): Owner | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { session, pid, host, bootId, pidNamespace, startTime, since } = value as Record<string, unknown>
  if (typeof session !== 'string' || !SESSION.test(session)) return undefined
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
  if (typeof host !== 'string' || typeof since !== 'string') return undefined
  const known = (part: unknown): string | undefined => (typeof part === 'string' ? part : undefined)
  return {
    session,
    pid,
    host,
    bootId: known(bootId),
    pidNamespace: known(pidNamespace),
    startTime: known(startTime),
    since,
  }
}
