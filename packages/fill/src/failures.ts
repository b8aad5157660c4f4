import { randomInt } from 'node:crypto'
import { SourceError } from '@cistern/storage'

const LONGEST_BACKOFF_MS = 30_000

interface Failure {
  readonly attempts: number
  readonly until: number
}

/**
 * Which chunks failed, how often, and from when on each may be tried again. The others go on meanwhile, unless they fail as
 * well: then it is not these bytes that cannot be had, and the whole source is left alone for as long.
 */
export class Failures {
  readonly #retries: number
  readonly #backoffMs: number
  readonly #byChunk = new Map<number, Failure>()
  /** The source asked to be left alone until then. */
  #allUntil = 0
  /** Failures since bytes last came, whatever the chunk. */
  #inRow = 0

  constructor(retries: number, backoffMs: number) {
    this.#retries = retries
    this.#backoffMs = backoffMs
  }

  /** `false`: it is not to be tried again, and those who wait are to be told. */
  add(chunk: number, error: unknown, now: number): boolean {
    if (!SourceError.is(error) || !(error as SourceError).transient) return false
    const attempts = (this.#byChunk.get(chunk)?.attempts ?? 0) + 1
    if (attempts > this.#retries) return false
    const { retryAfterMs } = error as SourceError
    if (retryAfterMs !== undefined) this.#allUntil = Math.max(this.#allUntil, now + retryAfterMs)
    // Half of it by chance: clients that failed together do not come back together.
    const longest = Math.min(LONGEST_BACKOFF_MS, this.#backoffMs * 2 ** (attempts - 1))
    const backoff = longest / 2 + randomInt(Math.max(1, Math.ceil(longest / 2)))
    this.#byChunk.set(chunk, { attempts, until: now + backoff })
    if (++this.#inRow >= this.#retries) this.#allUntil = Math.max(this.#allUntil, now + backoff)
    return true
  }

  succeeded(chunk: number): void {
    this.#inRow = 0
    this.#byChunk.delete(chunk)
  }

  /** Nothing of the source may be tried. */
  isAllBlocked(now: number): boolean {
    return now < this.#allUntil
  }

  isBlocked(chunk: number, now: number): boolean {
    return this.isAllBlocked(now) || now < (this.#byChunk.get(chunk)?.until ?? 0)
  }

  /** When the next of those that are blocked may be tried again; `undefined` where none is. */
  nextAt(now: number): number | undefined {
    if (this.isAllBlocked(now)) return this.#allUntil
    const times = [...this.#byChunk.values()].map(({ until }) => until).filter((until) => until > now)
    return times.length > 0 ? Math.min(...times) : undefined
  }
}
