import { existsSync } from 'node:fs'
import { lstat, mkdir, readdir, rename, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StorageIoError } from '@cistern/storage'
import { decodeMark, encodeMark, lockedError, type Owner, readOwnerRecord } from './owner-record.js'
import { isProvedDead } from './process-identity.js'

const CLAIM = 'claim'

/** Each is lost only to somebody else's success, or, all of them, to a foreign file in the claim's directory. */
const ATTEMPTS = 50

export const lockPath = (indexDir: string): string => join(indexDir, 'lock')

/**
 * Who may take, keep or remove `_index/lock`. A lock is a fixed name: between judging it abandoned and removing it, it may
 * have become somebody else's. So what is contended for is `_index/claim/`, a directory with one file in it, the mark, whose
 * name is the owner and his session. It comes into being by renaming a directory that already holds its mark (which
 * fails over one that is not empty), changes hands by renaming the mark, and goes by removing mark, then directory (which
 * fails while not empty). Each step names a session that never comes again: it cannot hit anybody but the one judged,
 * one of many contenders succeeds, and a crash leaves it held by a process that is proved dead, or free.
 */
export class Claim {
  readonly #dir: string
  readonly #mark: string
  /** Had it from an owner who was judged gone: what he left is the new owner's to remove. */
  readonly from: Owner | undefined

  private constructor(dir: string, mark: string, from: Owner | undefined) {
    this.#dir = dir
    this.#mark = mark
    this.from = from
  }

  /** Rejects with `StoreLockedError` where the holder is not proved dead and his lock is not older than `staleMs`. */
  static async take(indexDir: string, self: Owner, staleMs: number): Promise<Claim> {
    const dir = join(indexDir, CLAIM)
    await refuseLink(dir)
    const mark = encodeMark(self)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // In order, so that all contenders reach for the same one. There is never more than one, unless copied together.
      const marks = (await namesIn(dir)).filter((name) => decodeMark(name)).sort()
      const oldest = marks[0]
      if (oldest === undefined) {
        if (await create(indexDir, dir, mark, self.session)) return new Claim(dir, mark, undefined)
        continue // somebody else did
      }
      for (const name of marks) await refuseUnlessGone(indexDir, decodeMark(name), staleMs)
      try {
        await rename(join(dir, oldest), join(dir, mark))
      } catch (error) {
        if (isMissing(error)) continue // another contender was faster, or the holder has just left
        throw error
      }
      for (const other of marks.slice(1)) await unlink(join(dir, other)).catch(ignoreMissing)
      return new Claim(dir, mark, decodeMark(oldest))
    }
    throw lockedError(indexDir, undefined)
  }

  holds(): boolean {
    return existsSync(join(this.#dir, this.#mark))
  }

  async release(): Promise<void> {
    await unlink(join(this.#dir, this.#mark)).catch(ignoreMissing)
    await rmdir(this.#dir).catch(ignoreTaken)
  }
}

/** Removes what earlier contenders left. Only the holder may: a record still pending is then of a session that lost. */
export async function sweepContenders(indexDir: string, self: Owner, staleMs: number): Promise<void> {
  for (const name of await readdir(indexDir)) {
    const path = join(indexDir, name)
    // A suspended loser that comes back finds nothing to rename over the record of the winner.
    if (/^owner\.[0-9a-z]+$/.test(name) && name !== `owner.${self.session}`) await unlink(path).catch(ignoreMissing)
    if (/^claim\.[0-9a-z]+$/.test(name) && (await age(path)) > staleMs) await rm(path, { recursive: true, force: true })
  }
}

/** A symlink would have marks renamed and removed outside of the store. */
async function refuseLink(dir: string): Promise<void> {
  const stat = await lstat(dir).catch(ignoreMissing)
  if (stat && !stat.isDirectory())
    throw new StorageIoError(`${dir} is not a folder: who owns the store cannot be told`, { path: dir })
}

async function create(indexDir: string, dir: string, mark: string, session: string): Promise<boolean> {
  const made = join(indexDir, `${CLAIM}.${session}`)
  await mkdir(made, { mode: 0o700 })
  try {
    await writeFile(join(made, mark), '', { flag: 'wx', mode: 0o600 })
    // POSIX renames over an empty directory by itself, Windows does not. An empty one is nobody's.
    await rmdir(dir).catch(ignoreTaken)
    await rename(made, dir)
    return true
  } catch (error) {
    await rm(made, { recursive: true, force: true })
    if (isTaken(error) || isMissing(error)) return false
    throw error
  }
}

async function refuseUnlessGone(indexDir: string, holder: Owner | undefined, staleMs: number): Promise<void> {
  if (!holder) return
  const record = await readOwnerRecord(indexDir)
  if (typeof record === 'object' && record.owner.session === holder.session) {
    if (record.released || isProvedDead(record.owner)) return
    // He had the lock when he wrote his record, so a lock that is missing now was taken from him.
    if ((await age(lockPath(indexDir))) > staleMs) return
    throw lockedError(indexDir, record.owner)
  }
  if (isProvedDead(holder)) return
  // He is only just starting, perhaps after an owner whose stale lock is still there.
  const ages = await Promise.all([age(join(indexDir, CLAIM)), age(lockPath(indexDir))])
  if (Math.min(...ages) <= staleMs) throw lockedError(indexDir, holder)
}

/** Milliseconds since the last change; endless for what does not exist. */
async function age(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs
  } catch (error) {
    if (isMissing(error)) return Number.POSITIVE_INFINITY
    throw error
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT'
const isTaken = (error: unknown): boolean =>
  codeOf(error) === 'ENOTEMPTY' ||
  codeOf(error) === 'EEXIST' ||
  (process.platform === 'win32' && codeOf(error) === 'EPERM')

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}

function ignoreTaken(error: unknown): void {
  if (!isTaken(error) && !isMissing(error)) throw error
}
