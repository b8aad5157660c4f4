import * as fs from 'node:fs'
import { lock as takeLock } from 'proper-lockfile'

type Done<T = void> = (error: NodeJS.ErrnoException | null, result?: T) => void

export interface LockOptions {
  /** What proper-lockfile keeps the lock under; unique, or a lock taken anew would be mixed up with the one that was lost. */
  readonly name: string
  readonly staleMs: number
  /** False once somebody else may have the lock. */
  readonly holds: () => boolean
  readonly onCompromised: (error: Error) => void
}

/**
 * `_index/lock` by proper-lockfile, which keeps its mtime fresh. Left to itself it would remove whatever lies at that path: on
 * release, and in its exit hook, that is also the lock of whoever took over while this process was suspended. It does its
 * work through the `fs` it is given, so the one it is given touches the lock only while it is ours.
 *
 * What is left: between the last look and the `rmdir` or `utimes` there is a moment. A process suspended just there, for longer
 * than the stale time, removes or refreshes its successor's lock. The successor then loses the ownership, as it would
 * for any foreign hand on its lock, and turns read-only; there are never two owners.
 */
export class Lock {
  readonly #fs: GuardedFs
  readonly #unlock: () => Promise<void>

  private constructor(guarded: GuardedFs, unlock: () => Promise<void>) {
    this.#fs = guarded
    this.#unlock = unlock
  }

  /** Rejects with code `ELOCKED` while the lock of somebody else is there and not stale. */
  static async take(path: string, { name, staleMs, holds, onCompromised }: LockOptions): Promise<Lock> {
    const guarded = new GuardedFs(holds)
    const unlock = await takeLock(name, {
      lockfilePath: path,
      realpath: false,
      retries: 0,
      stale: staleMs,
      update: Math.min(staleMs / 4, 2_500),
      fs: guarded,
      onCompromised,
    })
    guarded.taken = true
    return new Lock(guarded, unlock)
  }

  /** Removes the lock if it is still ours, and ends the timer. */
  async release(): Promise<void> {
    try {
      await this.#unlock()
    } catch (error) {
      // Found lost before, and given up by proper-lockfile itself: nothing of ours is there.
      if ((error as NodeJS.ErrnoException).code !== 'ERELEASED') throw error
    } finally {
      this.#fs.gone = true
    }
  }

  /** Ends the timer and leaves what is at the path to its new owner. */
  async abandon(): Promise<void> {
    this.#fs.gone = true
    await this.release()
  }
}

/** The five calls that proper-lockfile makes. */
class GuardedFs {
  taken = false
  gone = false
  readonly #holds: () => boolean
  /** proper-lockfile's own test: a lock is ours while its mtime is the one that was last set. */
  #mtime = 0
  #mtimeUnderWay = 0

  constructor(holds: () => boolean) {
    this.#holds = holds
  }

  readonly mkdir = (path: string, done: Done): void => fs.mkdir(path, 0o700, (error) => done(error))

  readonly stat = (path: string, done: Done<fs.Stats>): void =>
    fs.stat(path, (error, stats) => {
      if (this.gone) return // an update that was under way; proper-lockfile would go on with a lock that it no longer has
      if (!this.taken && stats) this.#mtime = stats.mtime.getTime()
      done(error, stats)
    })

  readonly utimes = (path: string, atime: Date, mtime: Date, done: Done): void => {
    if (!this.#holds()) {
      done(Object.assign(new Error('The lock was taken over'), { code: 'ENOENT' }))
      return
    }
    this.#mtimeUnderWay = mtime.getTime()
    fs.utimes(path, atime, mtime, (error) => {
      if (this.gone) return
      if (!error) this.#mtime = mtime.getTime()
      done(error)
    })
  }

  readonly rmdir = (path: string, done: Done): void => {
    if (this.gone || !this.#holds()) {
      done(null)
      return
    }
    fs.stat(path, (error, stats) => {
      // One that is stale when the claim is won anew has no owner, whatever its mtime.
      if (error || !this.#holds() || (this.taken && !this.#isOurs(stats))) done(null)
      else fs.rmdir(path, (failure) => done(failure))
    })
  }

  /** Called by the exit hook. */
  readonly rmdirSync = (path: string): void => {
    if (!this.gone && this.#holds() && this.#isOurs(fs.statSync(path))) fs.rmdirSync(path)
  }

  #isOurs({ mtime }: fs.Stats): boolean {
    return mtime.getTime() === this.#mtime || mtime.getTime() === this.#mtimeUnderWay
  }
}
