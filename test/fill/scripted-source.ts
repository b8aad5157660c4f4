import type { Source, SourceRequest, SourceResponse } from '@cistern/fill'
import { deferred } from '../helpers/deferred.js'

const PIECE_BYTES = 16 * 1024

/** What a source was asked for, and what came of it. */
export interface Asked {
  readonly start: number
  readonly end: number | undefined
  readonly validator: string | undefined
  readonly signal: AbortSignal
  /** Bytes handed out. */
  given: number
  isOpen: boolean
}

export interface SourceScript {
  readonly bytes: Uint8Array
  readonly validator?: string | undefined
  /** Knows no ranges. */
  readonly sequential?: boolean
  /** Does not say how long it is. */
  readonly unmeasured?: boolean
  readonly origin?: string | undefined
  readonly retries?: number | undefined
}

/** A source in memory that a test holds in its hand: it answers, and gives piece by piece, when it is let. */
export class ScriptedSource implements Source {
  readonly asked: Asked[] = []
  mostAtOnce = 0
  script: SourceScript
  /** Instead of an answer; `undefined`: the usual one. */
  answer: ((asked: Asked, nth: number) => SourceResponse | undefined | Promise<SourceResponse | undefined>) | undefined
  /** Before each piece. */
  beforePiece: ((asked: Asked, position: number) => void | Promise<void>) | undefined
  #watchers = new Set<() => void>()

  constructor(script: SourceScript) {
    this.script = script
  }

  get origin(): string | undefined {
    return this.script.origin
  }

  get retries(): number | undefined {
    return this.script.retries
  }

  get openRequests(): number {
    return this.asked.filter(({ isOpen }) => isOpen).length
  }

  /** Bytes handed out in all. */
  get given(): number {
    return this.asked.reduce((sum, { given }) => sum + given, 0)
  }

  /** The n-th request, counted from 1; waits for it. */
  async request(n: number): Promise<Asked> {
    await this.once(() => this.asked.length >= n)
    return this.asked[n - 1] as Asked
  }

  /** Resolves when `look` says so, asked whenever something happens here. */
  async once(look: () => boolean): Promise<void> {
    if (look()) return
    const { promise, resolve } = deferred()
    const watch = () => {
      if (!look()) return
      this.#watchers.delete(watch)
      resolve()
    }
    this.#watchers.add(watch)
    await promise
  }

  async open({ start, end, validator, signal }: SourceRequest): Promise<SourceResponse> {
    const asked: Asked = { start, end, validator, signal, given: 0, isOpen: true }
    this.asked.push(asked)
    this.mostAtOnce = Math.max(this.mostAtOnce, this.openRequests)
    signal.addEventListener('abort', () => this.#ended(asked))
    this.#tell()
    try {
      const answer = await this.answer?.(asked, this.asked.length)
      signal.throwIfAborted()
      return answer ?? this.usual(asked)
    } catch (error) {
      this.#ended(asked)
      throw error
    }
  }

  /** What it answers by default. */
  usual(asked: Asked, { bytes, validator, sequential, unmeasured }: SourceScript = this.script): SourceResponse {
    const isOther = asked.validator !== undefined && asked.validator !== validator
    const start = sequential || isOther ? 0 : asked.start
    const end = sequential || isOther ? bytes.length : Math.min(asked.end ?? bytes.length, bytes.length)
    return {
      start,
      end: unmeasured ? undefined : end,
      total: unmeasured ? undefined : bytes.length,
      validator,
      acceptsRanges: !sequential,
      contentType: undefined,
      body: this.body(asked, bytes, start, end),
    }
  }

  async *body(asked: Asked, bytes: Uint8Array, start: number, end: number): AsyncGenerator<Uint8Array> {
    try {
      for (let at = start; at < end; at += PIECE_BYTES) {
        await this.beforePiece?.(asked, at)
        asked.signal.throwIfAborted()
        const piece = bytes.slice(at, Math.min(at + PIECE_BYTES, end))
        asked.given += piece.length
        this.#tell()
        yield piece
      }
    } finally {
      this.#ended(asked)
    }
  }

  #ended(asked: Asked): void {
    asked.isOpen = false
    this.#tell()
  }

  #tell(): void {
    for (const watch of [...this.#watchers]) watch()
  }
}
