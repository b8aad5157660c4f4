import type { Driver } from './driver.js'
import { NotSupportedError, ResourceRemovedError, WriterClosedError } from './errors.js'
import { Life } from './life.js'
import type { RangeSet } from './range-set.js'
import { ReaderHandle } from './reader.js'
import { ReaderState } from './reader-state.js'
import type { ResourceHooks } from './resource-hooks.js'
import type { ResourceReader, ResourceStatus, ResourceWriter } from './types.js'
import { WriterHandle } from './writer.js'
import { WriterState } from './writer-state.js'

/** What a {@link Resource} begins with. */
export interface ResourceOptions {
  /** Name of this life of the bytes: the owner's choice, and never used twice. */
  readonly generation: string
  /** Where the bytes are. The owner closes it. */
  readonly driver: Driver
  /** What the driver holds already. The resource takes it over. */
  readonly coverage?: RangeSet | undefined
  /** The declared length, or that of a committed resource. */
  readonly length?: number | undefined
  /** What the bytes in `coverage` were written under. */
  readonly validator?: string | undefined
  /** The bytes are finished: there is no writer. Default `false`. */
  readonly committed?: boolean | undefined
  /** How the owner is asked and told. */
  readonly hooks?: ResourceHooks | undefined
  /** Where the finished bytes can be found by others; asked once committed. */
  readonly path?: (() => string | undefined) | undefined
}

/**
 * One generation of bytes: a state machine (active → committed | failed) with coverage, waits and a write queue over a
 * `Driver`. For builders of stores; those who only want a file read while written take `openFileResource`.
 *
 * The owner closes the driver, after `drained()`: a resource never does.
 */
export class Resource {
  readonly #life: Life

  constructor(options: ResourceOptions) {
    const { generation, driver, coverage, length, validator, committed, hooks, path } = options
    const renew = hooks?.renew
    // Field by field: a spread takes longer than all else here.
    this.#life = new Life({
      generation,
      driver,
      coverage,
      length,
      validator,
      committed,
      hooks,
      path,
      renew: renew && (async () => (await renew.call(hooks)).#life),
    })
  }

  /** A discard does not change it: another resource takes over. */
  get generation(): string {
    return this.#life.generation
  }

  /** The one given; closing it is the owner's. */
  get driver(): Driver {
    return this.#life.driver
  }

  /** What the driver has; readers see what is being written, too. Live; changed by the resource alone. */
  get coverage(): RangeSet {
    return this.#life.coverage
  }

  /** Where it stands now. */
  get status(): ResourceStatus {
    return this.#life.status
  }

  /** Bytes in all, once declared or committed; `undefined` before. */
  get length(): number | undefined {
    return this.#life.length
  }

  /** What its bytes were written under; `undefined` where nothing was declared. */
  get validator(): string | undefined {
    return this.#life.validator
  }

  /** Whether a writer is held. */
  get writing(): boolean {
    return this.#life.writer !== undefined
  }

  /** Open readers that are not idle. */
  get readers(): number {
    let readers = 0
    for (const reader of this.#life.readers) if (!reader.idle) readers++
    return readers
  }

  /** All open handles: readers, idle ones too, and writers that are not done settling. */
  get handles(): number {
    return this.#life.handles
  }

  /** `remove` was called, or another generation superseded it. */
  get removed(): boolean {
    return this.#life.removal !== undefined
  }

  /** A reader of this generation. Throws what the resource was shut down with. */
  openReader(): ResourceReader {
    const life = this.#life
    if (life.end !== undefined) throw life.end
    return new ReaderHandle(new ReaderState(life, { touched: false }, undefined))
  }

  /** Throws WriterClosedError when one is held already, and when the resource is committed, failed or removed. */
  openWriter(): ResourceWriter {
    const life = this.#life
    if (life.end !== undefined) throw life.end
    if (life.failure !== undefined) throw new WriterClosedError('the resource failed', { cause: life.failure })
    if (life.removal !== undefined) throw new WriterClosedError('the resource was removed', { cause: life.removal })
    if (life.committed) throw new WriterClosedError('the resource is committed')
    if (life.writer !== undefined) throw new WriterClosedError('the resource has a writer already')
    return new WriterHandle(new WriterState(life))
  }

  /** State failed: waits, reads and the writer reject with `error`. */
  fail(error: Error): void {
    this.#life.fail(error)
  }

  /** Removed under its handles: readers keep what is covered; waits and the writer get ResourceRemovedError. */
  remove(error: Error = new ResourceRemovedError(`generation ${this.generation} was removed`)): void {
    this.#life.remove(error)
  }

  /**
   * `next` takes over: untouched readers, their waits and the writer go on there. Readers that read a byte get
   * ResourceRemovedError for every further call; they do not count as handles any more.
   */
  supersede(next: Resource): void {
    if (next === this) throw new NotSupportedError('a resource cannot supersede itself')
    this.#life.supersede(next.#life)
  }

  /** Every pending and later call of every handle rejects with `error`; handles count as closed. */
  shutdown(error: Error): void {
    this.#life.shutdown(error)
  }

  /** The owner found bytes bad: [start, end) is not covered any more. */
  drop(start: number, end: number): void {
    this.#life.drop(start, end)
  }

  /** For recovery: what was declared before. Tells no hook. */
  declareLength(length: number | undefined, validator: string | undefined): void {
    const life = this.#life
    life.length = length
    life.validator = validator
    life.placeAll()
  }

  /** Resolves once no driver operation is queued or in flight. */
  drained(): Promise<void> {
    return this.#life.whenDrained()
  }
}
