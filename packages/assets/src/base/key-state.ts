import type { ReadonlyRangeSet } from '@cistern/storage'
import type { LiveView } from '../index/records.js'
import type { ResourceKey } from '../key.js'
import type { LiveGeneration } from './live-generation.js'

/** What is open of one key, and the queue that all its mutations go through. */
export class KeyState implements LiveView {
  readonly key: ResourceKey
  /** What `open` gives. */
  committed: LiveGeneration | undefined
  /** Being filled, or left unfinished with readers on it. */
  filling: LiveGeneration | undefined
  /** Being rewritten: only its acquirers see it. */
  rewriting: LiveGeneration | undefined
  /** Generations of single callers, by `put`. */
  readonly replacing: Set<LiveGeneration> = new Set()
  #tail: Promise<unknown> = Promise.resolve()
  #queued = 0

  constructor(key: ResourceKey) {
    this.key = key
  }

  /** Runs `step` after all that was queued before it. Never await a flush inside: its last steps run here too. */
  run<T>(step: () => Promise<T>): Promise<T> {
    this.#queued++
    const done = this.#tail.then(step)
    this.#tail = done.then(
      () => this.#queued--,
      () => this.#queued--,
    )
    return done
  }

  get isIdle(): boolean {
    return this.#queued === 0
  }

  get isEmpty(): boolean {
    return this.isIdle && this.generations().length === 0
  }

  /** The one that others see. */
  get visible(): LiveGeneration | undefined {
    return this.committed ?? this.filling
  }

  generations(): LiveGeneration[] {
    return [this.committed, this.filling, this.rewriting, ...this.replacing].filter((live) => live !== undefined)
  }

  forget(live: LiveGeneration): void {
    if (this.committed === live) this.committed = undefined
    if (this.filling === live) this.filling = undefined
    if (this.rewriting === live) this.rewriting = undefined
    this.replacing.delete(live)
  }

  // ── as the index shows it ────────────────────────────────────────────────────────────────────────────────────────

  get #shown(): LiveGeneration {
    const live = this.visible
    if (live === undefined) throw new TypeError(`${this.key.id} has nothing to show`) // attached only while it has
    return live
  }
  get generation(): string {
    return this.#shown.generation
  }
  get state(): 'active' | 'committed' {
    return this.#shown.isCommitted ? 'committed' : 'active'
  }
  get writing(): boolean {
    return this.#shown.source.resource.writing
  }
  get readers(): number {
    return this.#shown.output.resource.readers
  }
  get length(): number | undefined {
    return this.#shown.output.resource.length
  }
  get coverage(): ReadonlyRangeSet {
    return this.#shown.output.resource.coverage
  }
  get received(): ReadonlyRangeSet {
    return this.#shown.isCommitted ? this.coverage : this.#shown.source.resource.coverage
  }
  get committedAt(): Date | undefined {
    const at = this.#shown.committedAt
    return at === undefined ? undefined : new Date(at)
  }
  get processor(): string | undefined {
    return this.#shown.processor
  }
  get metadata(): Uint8Array | undefined {
    return this.#shown.metadata
  }
  setMetadata(metadata: Uint8Array): void {
    this.#shown.setMetadata(metadata)
  }
}
