import {
  addGroup,
  type Hookable,
  type HookGroup,
  hook,
  hookable,
  isHookable,
  leaveGroup,
  type ReaderHooks,
  tellRead,
  tellWait,
  type WriterHooks,
  wantsRetry,
} from './hooks.js'
import { ReaderBase } from './reader-base.js'
import { type ReadInto, readAlone } from './shared-chunks.js'
import type {
  Bytes,
  ReadonlyRangeSet,
  ResourceReader,
  ResourceStatus,
  ResourceWriter,
  SourceDeclaration,
  WaitOptions,
  WaitOutcome,
} from './types.js'
import { WriterBase } from './writer-base.js'

/**
 * Adds hooks to a reader; clones have them too, and `onClose` comes after the last of them. A native reader is changed
 * in place and returned as it is; one of another make is wrapped.
 */
export function wrapReader(reader: ResourceReader, hooks: ReaderHooks): ResourceReader {
  const native = isHookable<ReaderHooks>(reader) ? reader : new ForwardingReader(reader)
  ;(native as Hookable<ReaderHooks>)[hook](hooks)
  return native
}

/** Adds hooks to a writer: in place where it is a native one, else around it. */
export function wrapWriter(writer: ResourceWriter, hooks: WriterHooks): ResourceWriter {
  const native = isHookable<WriterHooks>(writer) ? writer : new ForwardingWriter(writer)
  ;(native as Hookable<WriterHooks>)[hook](hooks)
  return native
}

/** A reader of another make, with hooks. */
export class ForwardingReader extends ReaderBase {
  readonly #inner: ResourceReader
  #group: HookGroup | undefined
  #closed = false

  /** @internal Made by {@link wrapReader}. */
  constructor(inner: ResourceReader, group?: HookGroup) {
    super()
    this.#inner = inner
    this.#group = group
    if (group !== undefined) group.refs++
  }

  get generation(): string {
    return this.#inner.generation
  }

  get status(): ResourceStatus {
    return this.#inner.status
  }

  get length(): number | undefined {
    return this.#inner.length
  }

  get coverage(): ReadonlyRangeSet {
    return this.#inner.coverage
  }

  get path(): string | undefined {
    return this.#inner.path
  }

  waitRange(start: number, end: number, options?: WaitOptions): Promise<WaitOutcome> {
    const { length = end, coverage } = this.#inner
    // What is met, or refused, at once is no wait.
    const isRefused = this.#closed || start < 0 || options?.signal?.aborted === true
    if (!isRefused && start < length && start < end && !coverage.has(start, Math.min(end, length)))
      tellWait(this.#group, { start, end })
    return this.#inner.waitRange(start, end, options)
  }

  override waitLength(options?: WaitOptions): Promise<number> {
    return this.#inner.waitLength(options)
  }

  waitCommit(options?: WaitOptions): Promise<number> {
    return this.#inner.waitCommit(options)
  }

  async readAt(position: number, target: Uint8Array): Promise<number> {
    const got = await this.#inner.readAt(position, target)
    if (got > 0) tellRead(this.#group, position, got)
    return got
  }

  /** What the wrapped reader shares; memory of its own where that one shares nothing. */
  async readShared(position: number, size: number): Promise<Bytes> {
    const inner = this.#inner
    const read: ReadInto = (at, target) => inner.readAt(at, target)
    const chunk = inner.readShared ? await inner.readShared(position, size) : await readAlone(position, size, read)
    if (chunk.length > 0) tellRead(this.#group, position, chunk.length)
    return chunk
  }

  readAtSync(position: number, target: Uint8Array): number {
    const got = this.#inner.readAtSync(position, target)
    if (got > 0) tellRead(this.#group, position, got)
    return got
  }

  clone(): ResourceReader {
    return new ForwardingReader(this.#inner.clone(), this.#group)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#inner.close()
    leaveGroup(this.#group)
  }

  /** Puts hooks on top of those that are there. What {@link wrapReader} calls. */
  addHooks(hooks: ReaderHooks): void {
    if (this.#closed) hooks.onClose?.()
    else this.#group = addGroup(hooks, this.#group)
  }
}

hookable<ReaderHooks>(ForwardingReader.prototype)

/** A writer of another make, with hooks. Calls reach it in the order they were made, also while a hook holds one back. */
export class ForwardingWriter extends WriterBase {
  readonly #inner: ResourceWriter
  /** Outermost first. */
  readonly #hooks: WriterHooks[] = []
  /** The last call that a hook holds back, or that came behind one. */
  #held: Promise<void> | undefined
  #settled: 'commit' | 'fail' | 'release' | undefined

  constructor(inner: ResourceWriter) {
    super()
    this.#inner = inner
  }

  get generation(): string {
    return this.#inner.generation
  }

  get coverage(): ReadonlyRangeSet {
    return this.#inner.coverage
  }

  get validator(): string | undefined {
    return this.#inner.validator
  }

  get length(): number | undefined {
    return this.#inner.length
  }

  async writeAt(position: number, data: Uint8Array): Promise<void> {
    const written = await this.#inOrder(
      () => this.#admit(position, data.length),
      () => ({ settled: this.#write(position, data) }),
    )
    return written.settled
  }

  async declare(source: SourceDeclaration): Promise<void> {
    await this.#behindHeld()
    return this.#inner.declare(source)
  }

  setMetadata(metadata: object): void {
    this.#inner.setMetadata(metadata)
  }

  async commit(length?: number): Promise<number> {
    await this.#behindHeld()
    const total = await this.#inner.commit(length)
    this.#settle('commit')
    return total
  }

  async discard(): Promise<void> {
    await this.#behindHeld()
    return this.#inner.discard()
  }

  async fail(error: Error): Promise<void> {
    await this.#behindHeld()
    await this.#inner.fail(error)
    this.#settle('fail')
  }

  async release(cause?: Error): Promise<void> {
    await this.#behindHeld()
    await this.#inner.release(cause)
    this.#settle('release')
  }

  /** Puts hooks around those that are there. What {@link wrapWriter} calls. */
  addHooks(hooks: WriterHooks): void {
    this.#hooks.unshift(hooks)
    if (this.#settled !== undefined) hooks.onSettled?.(this.#settled)
  }

  #admit(position: number, bytes: number): void | Promise<void> {
    for (const [i, hooks] of this.#hooks.entries()) {
      const held = hooks.beforeWrite?.(position, bytes)
      if (held !== undefined) return this.#admitRest(held, i + 1, position, bytes)
    }
  }

  async #admitRest(held: Promise<void>, from: number, position: number, bytes: number): Promise<void> {
    await held
    for (const hooks of this.#hooks.slice(from)) await hooks.beforeWrite?.(position, bytes)
  }

  async #write(position: number, bytes: Uint8Array): Promise<void> {
    try {
      await this.#inner.writeAt(position, bytes)
    } catch (error) {
      if (await wantsRetry(this.#hooks, error as Error)) return this.#inner.writeAt(position, bytes)
      throw error
    }
  }

  /** `go` after `admit`, and after all calls made before. At once where nothing holds it back. */
  #inOrder<T>(admit: () => void | Promise<void>, go: () => T): T | Promise<T> {
    const before = this.#held
    const held = before === undefined ? admit() : before.then(admit)
    if (held === undefined) return go()
    const gone = held.then(go)
    const settled = gone.then(
      () => {},
      () => {},
    )
    this.#held = settled
    void settled.then(() => {
      if (this.#held === settled) this.#held = undefined
    })
    return gone
  }

  async #behindHeld(): Promise<void> {
    while (this.#held !== undefined) await this.#held
  }

  #settle(how: 'commit' | 'fail' | 'release'): void {
    if (this.#settled !== undefined) return
    this.#settled = how
    for (const hooks of this.#hooks.toReversed()) hooks.onSettled?.(how)
  }
}

hookable<WriterHooks>(ForwardingWriter.prototype)
