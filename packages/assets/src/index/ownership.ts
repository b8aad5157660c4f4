import { fstatSync } from 'node:fs'
import { type FileHandle, open, rename, rmdir, unlink } from 'node:fs/promises'
import { mapIoError, StoreReadonlyError } from '@cistern/storage'
import { Claim, lockPath, sweepContenders } from './claim.js'
import { Lock } from './lock.js'
import {
  encodeOwnerRecord,
  lockedError,
  newSession,
  type Owner,
  type OwnerRecord,
  ownerPath,
  pendingOwnerPath,
  readOwnerRecord,
} from './owner-record.js'
import { isProvedDead, thisProcess } from './process-identity.js'

export type { Owner } from './owner-record.js'

/** Below this, proper-lockfile cannot keep a lock fresh. */
const MIN_STALE_MS = 2_000

export interface OwnershipOptions {
  /** Called once when another owner took over, or the lock was tampered with. What it throws is dropped. */
  readonly onLost: (error: Error) => void
  /** How long an owner who is not proved dead may be silent before others take over, in milliseconds; 10,000 by default. */
  readonly staleMs?: number | undefined
}

/** Who owned the root before. One who released it counts as proved dead: nothing of his is under way. */
interface PreviousOwner {
  /** Undefined where his record cannot be read. */
  readonly owner: Owner | undefined
  readonly provedDead: boolean
}

/** One process's hold of a root, from `takeOwnership` until it is released or lost. */
export interface Ownership {
  /** Never used twice; at most 20 characters of `[0-9a-z]`. */
  readonly session: string
  /** Undefined when the root never had an owner. */
  readonly previous: PreviousOwner | undefined
  /** Why it was lost; undefined while it is held. */
  readonly lost: Error | undefined
  /** One `fstat`. Throws `StoreReadonlyError` once the ownership is lost or released. */
  check(): void
  /** Removes the lock if it is still ours, and nothing of anybody else. Calling it again does nothing. */
  release(): Promise<void>
}

/**
 * Makes this process the only owner of the root that `indexDir` belongs to. An owner proved dead is replaced at once, one who was
 * silent for `staleMs` too. Rejects with `StoreLockedError` naming the holder, or with `StorageIoError`.
 */
export async function takeOwnership(indexDir: string, options: OwnershipOptions): Promise<Ownership> {
  try {
    return await HeldOwnership.take(indexDir, options)
  } catch (error) {
    throw mapIoError(error, indexDir, 'take ownership of')
  }
}

/** The present owner as far as the record tells, dead or alive; undefined when nobody took the root or the last one released it. */
export async function readOwner(indexDir: string): Promise<Owner | undefined> {
  const last = await readLastOwner(indexDir)
  return last?.released ? undefined : last?.owner
}

/** The last owner, one who released it included: his journals are the ones to follow. */
export async function readLastOwner(indexDir: string): Promise<OwnerRecord | undefined> {
  try {
    const record = await readOwnerRecord(indexDir)
    return typeof record === 'object' ? record : undefined
  } catch (error) {
    throw mapIoError(error, ownerPath(indexDir), 'read')
  }
}

class HeldOwnership implements Ownership {
  readonly #indexDir: string
  readonly #self: Owner
  readonly #claim: Claim
  #previous: PreviousOwner | undefined
  #lock: Lock | undefined
  #record: FileHandle | undefined
  #lost: Error | undefined
  #onLost: ((error: Error) => void) | undefined
  #published = false
  #released: Promise<void> | undefined

  private constructor(indexDir: string, self: Owner, claim: Claim) {
    this.#indexDir = indexDir
    this.#self = self
    this.#claim = claim
  }

  static async take(indexDir: string, { onLost, staleMs = 10_000 }: OwnershipOptions): Promise<Ownership> {
    const patience = Math.max(staleMs, MIN_STALE_MS)
    const self: Owner = { session: newSession(), ...thisProcess(), since: new Date().toISOString() }
    const claim = await Claim.take(indexDir, self, patience)
    const ownership = new HeldOwnership(indexDir, self, claim)
    try {
      await ownership.#establish(patience)
    } catch (error) {
      await ownership.#undo().catch(() => undefined) // why it failed says more than what failed after it
      throw error
    }
    ownership.#onLost = onLost
    return ownership
  }

  get session(): string {
    return this.#self.session
  }

  get previous(): PreviousOwner | undefined {
    return this.#previous
  }

  get lost(): Error | undefined {
    return this.#lost
  }

  check(): void {
    if (this.#released) throw new StoreReadonlyError(`${this.#indexDir}: the ownership was released`)
    if (!this.#lost && this.#isReplaced()) {
      this.#lose(new StoreReadonlyError(`${this.#indexDir}: another owner took the store over`))
    }
    if (this.#lost) throw new StoreReadonlyError(this.#lost.message, { cause: this.#lost })
  }

  release(): Promise<void> {
    this.#released ??= this.#leave()
    return this.#released
  }

  /** Lock before record: whoever finds the record knows that its owner had the lock. */
  async #establish(staleMs: number): Promise<void> {
    const { session } = this.#self
    await sweepContenders(this.#indexDir, this.#self, staleMs)
    // A lock whose claim was judged and won is a leftover. Without one before us it is not of our making: only its age counts.
    if (this.#claim.from) {
      if (!this.#claim.holds()) throw await this.#tooLate()
      await rmdir(lockPath(this.#indexDir)).catch(ignoreMissing)
    }
    this.#previous = await this.#whoWasBefore()
    const pending = pendingOwnerPath(this.#indexDir, session)
    this.#lock = await this.#takeLock(pending, staleMs)
    this.#record = await open(pending, 'wx+', 0o600)
    await this.#record.writeFile(encodeOwnerRecord({ owner: this.#self, released: false }))
    // Looked at after the record exists: a successor sweeps it, so that this rename cannot hit his.
    if (!this.#claim.holds()) throw await this.#tooLate()
    try {
      await rename(pending, ownerPath(this.#indexDir))
    } catch (error) {
      if (isMissing(error)) throw await this.#tooLate()
      throw error
    }
    this.#published = true
    if (this.#lost || this.#isReplaced()) throw await this.#tooLate()
  }

  async #takeLock(name: string, staleMs: number): Promise<Lock> {
    try {
      return await Lock.take(lockPath(this.#indexDir), {
        name,
        staleMs,
        holds: () => this.#claim.holds() && !this.#isReplaced(),
        onCompromised: (cause) => this.#lose(new StoreReadonlyError(`${this.#indexDir}: the lock was lost`, { cause })),
      })
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'ELOCKED' || !this.#claim.holds()
      throw isTaken ? await this.#tooLate() : error
    }
  }

  /** Read when only this session may replace the record. */
  async #whoWasBefore(): Promise<PreviousOwner | undefined> {
    const record = await readOwnerRecord(this.#indexDir)
    if (typeof record === 'object') {
      return { owner: record.owner, provedDead: record.released || isProvedDead(record.owner) }
    }
    const { from } = this.#claim
    if (from) return { owner: from, provedDead: isProvedDead(from) }
    return record === 'absent' ? undefined : { owner: undefined, provedDead: false }
  }

  /** Replacing the record takes its name from the file that is held here. */
  #isReplaced(): boolean {
    if (!this.#published || !this.#record) return false
    try {
      return fstatSync(this.#record.fd).nlink === 0
    } catch {
      return true // no descriptor, no proof of ownership
    }
  }

  #lose(error: Error): void {
    if (this.#lost || this.#released) return
    this.#lost = error
    // Also takes the lock out of proper-lockfile's exit hook. Nothing is removed, so nothing can fail.
    this.#lock?.abandon().catch(() => undefined)
    try {
      this.#onLost?.(error)
    } catch {
      // Called from a timer as well, where it would end the host.
    }
  }

  async #tooLate(): Promise<Error> {
    const record = await readOwnerRecord(this.#indexDir)
    return lockedError(this.#indexDir, typeof record === 'object' && !record.released ? record.owner : undefined)
  }

  async #leave(): Promise<void> {
    try {
      await this.#undo()
    } catch (error) {
      throw mapIoError(error, this.#indexDir, 'release')
    }
  }

  /** The lock first: once the record says released, or the claim is gone, others put up theirs. */
  async #undo(): Promise<void> {
    try {
      if (this.#lost) await this.#lock?.abandon()
      else await this.#lock?.release()
      await this.#markReleased()
    } finally {
      if (!this.#published) await unlink(pendingOwnerPath(this.#indexDir, this.session)).catch(() => undefined)
      await this.#record?.close()
      await this.#claim.release()
    }
  }

  /**
   * Written through the descriptor, over text of the same length: that needs no space on a full disk, and goes to our own file whoever's
   * is at the path by now. A record cut in the middle reads as one whose owner is not proved dead.
   */
  async #markReleased(): Promise<void> {
    if (!this.#published || this.#lost || this.#isReplaced()) return
    const text = encodeOwnerRecord({ owner: this.#self, released: true })
    await this.#record?.write(text, 0)
    await this.#record?.truncate(Buffer.byteLength(text))
  }
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}
