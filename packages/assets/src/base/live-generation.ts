import type { Resource } from '@cistern/storage'
import type { ActiveSlot } from '../index/entry.js'
import type { CommittedFields, Stray } from '../index/record.js'
import type { ResourceKey } from '../key.js'
import type { BaseCore } from './base-core.js'
import { Flushing } from './flushing.js'
import { OutputHooks, PlainHooks, RawHooks } from './live-hooks.js'
import { Part, type PartBytes } from './part.js'
import type { RunningIntegrity } from './running-integrity.js'

/**
 * What a generation was begun for. `fill` is the one that the index names while it is active; the others are strays to
 * it until they commit, so that a crash leaves nothing of them.
 */
export type Purpose = 'fill' | 'rewrite' | 'replace'

/**
 * How far a generation has come: filling → committed (in memory) → recorded (bytes and record durable) → published
 * (under its final name). `gone` once it was dropped, removed, or replaced before it was recorded.
 */
export type Stage = 'filling' | 'committed' | 'recorded' | 'published' | 'gone'

export interface LiveOptions {
  readonly key: ResourceKey
  readonly generation: string
  readonly name: string
  readonly purpose: Purpose
  readonly stage: Stage
  readonly output: PartBytes
  /** Present for what goes through a processor: source bytes go here, what readers see into `output`. */
  readonly raw?: PartBytes | undefined
  readonly processor?: string | undefined
  readonly metadata?: Uint8Array | undefined
  readonly validator?: string | undefined
  readonly committedAt?: number | undefined
  /** Some of what is on record was written in `relaxed` mode and never synced. */
  readonly unsynced?: boolean | undefined
}

export const rawGeneration = (generation: string): string => `${generation}.raw`

/** One generation while it is open. */
export class LiveGeneration {
  readonly key: ResourceKey
  readonly generation: string
  readonly name: string
  readonly purpose: Purpose
  /** What readers see. */
  readonly output: Part
  readonly raw: Part | undefined
  stage: Stage
  processor: string | undefined
  metadata: Uint8Array | undefined
  /** Of it, what the present writer set: that describes the bytes he brings, and goes with him into a new generation. */
  writersMetadata: Uint8Array | undefined
  committedAt: number | undefined
  integrity: RunningIntegrity | undefined
  /** Stays marked until a sync: bytes of an earlier, `relaxed` session. */
  unsynced: boolean
  /** The generation that took over when the writer discarded this one. */
  successor: LiveGeneration | undefined
  /** Generations that lose their file to this one's final name. */
  readonly replaces: string[] = []
  readonly flushing: Flushing
  readonly #core: BaseCore
  #closed: Promise<void> | undefined

  constructor(core: BaseCore, options: LiveOptions) {
    const { key, generation, stage, raw, output } = options
    this.#core = core
    this.key = key
    this.generation = generation
    this.name = options.name
    this.purpose = options.purpose
    this.stage = stage
    this.processor = options.processor
    this.metadata = options.metadata
    this.committedAt = options.committedAt
    this.unsynced = options.unsynced ?? false
    this.flushing = new Flushing(core, this)
    const path = () => (this.stage === 'published' ? this.output.driver.path : undefined)
    this.raw = raw && new Part(raw, { generation, hooks: new RawHooks(core, this) })
    const hooks = raw ? new OutputHooks(core, this) : new PlainHooks(core, this)
    this.output = new Part(output, { generation, path, hooks })
    core.opened.add(this)
  }

  /** Where writers write. */
  get source(): Part {
    return this.raw ?? this.output
  }

  get isCommitted(): boolean {
    return this.stage === 'committed' || this.stage === 'recorded' || this.stage === 'published'
  }

  /** Others can join it. */
  get isUsable(): boolean {
    return (
      this.stage === 'filling' &&
      this.resources().every((resource) => resource.status.state === 'active' && !resource.removed)
    )
  }

  get handles(): number {
    return this.output.resource.handles + (this.raw?.resource.handles ?? 0)
  }

  /** Bytes that it occupies. */
  get stored(): number {
    return this.output.resource.coverage.size + (this.isCommitted ? 0 : (this.raw?.resource.coverage.size ?? 0))
  }

  /** Its final name, for the backend. */
  get file(): string {
    return `${this.key.asset}/${this.name}`
  }

  /** Its files, as strays. */
  get files(): Stray[] {
    const { asset, path } = this.key
    const isPublished = this.stage === 'published'
    const isRenamed = isPublished && this.#core.isOfSession(this.generation)
    const stray = { asset, path, name: this.name, published: isPublished || this.stage === 'recorded', isRenamed }
    const raw =
      this.raw && this.stage !== 'published'
        ? [{ ...stray, generation: rawGeneration(this.generation), published: false, isRenamed: false }]
        : []
    return [{ ...stray, generation: this.generation }, ...raw]
  }

  setMetadata(metadata: Uint8Array): void {
    this.metadata = metadata
    this.record()
  }

  // ── what the index has of it ─────────────────────────────────────────────────────────────────────────────────────

  /** The index's active slot is this generation. */
  get isNamed(): boolean {
    return this.#core.records.entry(this.key)?.active?.generation === this.generation
  }

  get activeFields(): Omit<ActiveSlot, 'source'> {
    const { records } = this.#core
    return {
      generation: this.generation,
      name: this.name,
      writer: records.session,
      length: this.source.resource.length,
      validator: this.source.resource.validator,
      processor: this.processor,
      metadata: this.metadata,
      unsynced: records.durability === 'relaxed' || this.unsynced,
      fingerprint: undefined,
    }
  }

  /** Records anew what changed about it: length, validator, processor, metadata. */
  record(fingerprint?: string): void {
    const { records } = this.#core
    const { asset, path } = this.key
    const entry = records.entry(this.key)
    if (entry?.active?.generation === this.generation && !this.isCommitted) {
      records.record({
        type: 'entry',
        asset,
        path,
        committed: entry.committed,
        active: { ...this.activeFields, fingerprint },
      })
    } else if (entry?.committed?.generation === this.generation) {
      records.record({
        type: 'entry',
        asset,
        path,
        committed: { ...entry.committed, metadata: this.metadata },
        active: entry.active,
      })
    }
  }

  /** Before a write. What an earlier one, or a failure, took off the record must be off it by now. */
  claim(): Promise<void> | undefined {
    const uncovered = this.#core.records.uncovered(this.generation)
    return uncovered ? uncovered.then(() => this.#claim()) : this.#claim()
  }

  /**
   * Before the first byte that goes into a part on record: who writes it is on record, and what it looked like, as its
   * last writer left it, is not any more.
   */
  #claim(): Promise<void> | undefined {
    const { records } = this.#core
    const slot = records.entry(this.key)?.active
    if (slot?.generation !== this.generation) return undefined
    if (slot.writer === records.session && slot.fingerprint === undefined) return undefined
    this.record()
    return records.appended().catch(() => undefined) // a journal that fails is reported as `degraded`
  }

  /** Bytes on record are about to be overwritten: the record goes first. */
  async unrecord(start: number, end: number): Promise<void> {
    if (!this.isNamed) return
    const { records } = this.#core
    const { asset, path } = this.key
    await records.durable(records.record({ type: 'uncover', asset, path, generation: this.generation, start, end }))
  }

  committedFields(length: number): CommittedFields {
    return {
      generation: this.generation,
      name: this.name,
      length,
      fingerprint: undefined,
      committedAt: this.committedAt ?? Date.now(),
      processor: this.processor,
      validator: this.source.resource.validator,
      metadata: this.metadata,
      unsynced: this.#core.records.durability === 'relaxed',
    }
  }

  resources(): Resource[] {
    return this.raw ? [this.output.resource, this.raw.resource] : [this.output.resource]
  }

  /** Closes the descriptors after what is in flight. */
  close(): Promise<void> {
    const isGone = (): boolean => this.stage === 'gone'
    this.#closed ??= Promise.all([this.output.close(isGone), this.raw?.close(isGone)])
      .then(() => undefined)
      .finally(() => this.#core.opened.delete(this))
    return this.#closed
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }
}
