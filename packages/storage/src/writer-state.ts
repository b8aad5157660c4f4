import { declaredLength, declaredValidator } from './declaration.js'
import {
  IncompleteResourceError,
  InvalidRangeError,
  mapIoError,
  NotSupportedError,
  WriterClosedError,
} from './errors.js'
import type { WriterHooks } from './hooks.js'
import { type Leakable, unwatch, watch } from './leaks.js'
import type { Life } from './life.js'
import { checkPosition } from './positions.js'
import type { ByteRange, SourceDeclaration } from './types.js'

export type Settlement = 'commit' | 'fail' | 'release'

const past = { commit: 'committed', fail: 'failed', release: 'released' } as const

/** What a resource knows of its writer, and what the writer does. It must not reference the handle: see ReaderState. */
export class WriterState implements Leakable {
  life: Life
  /** Outermost first. */
  readonly hooks: WriterHooks[] = []
  /** A declare, discard or settlement is under way: calls behind it wait for it. */
  busy: Promise<void> | undefined
  /** What this writer, not one before it, did. */
  wrote = false
  #declaredLength = false
  #declaredValidator = false
  #settled: Settlement | undefined
  #refusal: Error | undefined

  constructor(life: Life) {
    this.life = life
    life.writer = this
    life.writers.add(this)
  }

  /** Why calls are refused. */
  get refusal(): Error | undefined {
    if (this.#settled === undefined) return undefined
    return this.#refusal ?? new WriterClosedError(`the writer is ${past[this.#settled]}`)
  }

  /** Told at once when there is nothing left to wait for: a removal may come before a layer has added its hooks. */
  addHooks(hooks: WriterHooks): void {
    this.hooks.unshift(hooks)
    if (this.#settled !== undefined) hooks.onSettled?.(this.#settled)
  }

  watch(handle: object): void {
    watch(handle, this)
  }

  async declare(source: SourceDeclaration): Promise<void> {
    const length = declaredLength(source.length)
    const validator = declaredValidator(source.validator)
    this.#check()
    await this.life.queue.idle()
    this.#check()
    if (this.#isAnother(length, validator, source.validator !== undefined)) await this.#renew()
    const { life } = this
    if (length !== undefined) {
      if (life.length !== undefined && life.length !== length) {
        throw new InvalidRangeError(`length ${length} was declared as ${life.length} before`)
      }
      if (length < life.coverage.end) {
        throw new InvalidRangeError(`length ${length} is short of byte ${life.coverage.end}, which was written`)
      }
    }
    if (length === undefined && validator === undefined) return
    life.validator = validator ?? life.validator
    life.length = length ?? life.length
    this.#declaredLength ||= length !== undefined
    this.#declaredValidator ||= validator !== undefined
    if (length !== undefined) life.placeAll()
    await life.hooks.declared?.()
  }

  setMetadata(metadata: object): void {
    this.#check()
    if (this.life.hooks.setMetadata === undefined) throw new NotSupportedError('nothing here keeps metadata')
    this.life.hooks.setMetadata(metadata)
  }

  async commit(length: number | undefined): Promise<number> {
    this.#check()
    if (length !== undefined) checkPosition(length, 'length')
    await this.life.queue.idle()
    this.#check()
    const { life } = this
    const total = length ?? life.length ?? life.coverage.end
    this.#checkComplete(total)
    await this.#cut(total)
    await life.hooks.committing?.(total)
    this.#check()
    this.#checkComplete(total) // bytes may have been lost meanwhile
    life.length = total
    life.committed = true
    life.writer = undefined
    life.hooks.committed?.(total)
    life.placeAll()
    this.#settle('commit')
    try {
      await life.hooks.durable?.(total)
    } finally {
      life.writerLeft(this)
    }
    return total
  }

  async discard(): Promise<void> {
    this.#check()
    await this.life.queue.idle()
    this.#check()
    await this.#renew()
  }

  async fail(reason: Error): Promise<void> {
    if (this.#settled !== undefined) return
    const { life } = this
    // From JavaScript it may come without one: a failure that is none would leave the resource as it was.
    const error = reason ?? new WriterClosedError('the writer failed, and did not say why')
    life.failure = error
    life.writer = undefined
    life.queue.clear(error)
    life.placeAll()
    this.#settle('fail')
    await life.queue.idle()
    try {
      await life.hooks.failed?.(error)
    } finally {
      life.writerLeft(this)
    }
  }

  async release(cause: Error | undefined): Promise<void> {
    if (this.#settled !== undefined) return
    // Nobody else may write before what is under way has landed.
    await this.life.queue.idle()
    if (this.#settled !== undefined) return
    const { life } = this
    life.abandon(this, cause ?? undefined)
    this.#settle('release')
    try {
      await life.hooks.released?.(cause)
    } finally {
      life.writerLeft(this)
    }
  }

  /** The owner ended it: every further call rejects with `error`. */
  dismiss(how: Settlement, error: Error): void {
    const { life } = this
    life.writer = undefined
    this.#refusal = error
    this.#settle(how)
    life.writerLeft(this)
  }

  /** Has `work` alone, in the order of the calls. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.busy
    let done: () => void = () => {}
    const mine = new Promise<void>((resolve) => {
      done = resolve
    })
    this.busy = mine
    try {
      if (before !== undefined) await before
      return await work()
    } finally {
      if (this.busy === mine) this.busy = undefined
      done()
    }
  }

  /**
   * Begins `work` in its turn. It counts as under way until then: a call that is made when the one before has ended, but
   * this one has not begun yet, must not overtake it.
   */
  async inTurn(work: () => Promise<void>): Promise<void> {
    const begun = await this.alone(async () => ({ settled: work() }))
    return begun.settled
  }

  collected(): void {
    if (this.#settled !== undefined) return
    try {
      this.life.hooks.leaked?.('writer')
    } catch {
      // Nobody called us: an owner's hook that throws here must not end the process.
    }
    // The owner's `released` may reject; there is no caller left to tell.
    this.alone(() => this.release(undefined)).catch(() => {})
  }

  /** Whether the source is another one than the bytes, or the length, that are there came from. */
  #isAnother(length: number | undefined, validator: string | undefined, given: boolean): boolean {
    const { life } = this
    const known = life.validator
    const bytes = life.coverage.size > 0
    if (validator !== undefined && validator !== known) {
      return (
        bytes || (life.length !== undefined && (length ?? (known === undefined ? life.length : -1)) !== life.length)
      )
    }
    // A source that has no validator cannot prove that it goes on with what an earlier writer had under one.
    if (validator === undefined && given && known !== undefined && !this.#declaredValidator && bytes) return true
    // Nor can it be the same when it has another length. One that contradicts itself is refused instead.
    if (length === undefined || this.#declaredLength) return false
    return (life.length !== undefined && life.length !== length) || (!this.wrote && life.coverage.end > length)
  }

  async #renew(): Promise<void> {
    const { life } = this
    if (life.renew === undefined) throw new NotSupportedError('this resource cannot begin a new generation')
    const next = await life.renew()
    // The owner may have put it in place itself.
    if (life === this.life) {
      this.#check()
      life.supersede(next)
    }
    this.wrote = this.#declaredLength = this.#declaredValidator = false
  }

  #checkComplete(total: number): void {
    const { coverage, length } = this.life
    if (length !== undefined && total > length) {
      throw new InvalidRangeError(`cannot commit ${total} bytes: ${length} were declared`)
    }
    const gaps: ByteRange[] = [...coverage.gaps(0, total)]
    if (length !== undefined && total < length) gaps.push({ start: total, end: length })
    if (gaps.length === 0) return
    const named = gaps.slice(0, 3).map(({ start, end }) => `${start}-${end}`)
    const more = gaps.length > 3 ? ` and ${gaps.length - 3} more` : ''
    throw new IncompleteResourceError(`cannot commit: missing ${named.join(', ')}${more}`, { gaps })
  }

  /** Makes the storage as long as what is committed, after what is recorded beyond that was un-recorded. */
  async #cut(total: number): Promise<void> {
    const { life } = this
    const { end } = life.coverage
    if (end > total) {
      await life.beforeRun(total, end)
      this.#check()
      const bytes = life.coverage.count(total, end)
      life.drop(total, end)
      life.hooks.cut?.(bytes)
    }
    life.operationBegan()
    try {
      await life.driver.truncate(total)
    } catch (error) {
      throw mapIoError(error, life.driver.path, 'truncate')
    } finally {
      life.operationEnded()
    }
    this.#check()
  }

  #settle(how: Settlement): void {
    this.#settled = how
    unwatch(this)
    for (const hooks of this.hooks.toReversed()) hooks.onSettled?.(how)
  }

  #check(): void {
    const { refusal } = this
    if (refusal !== undefined) throw refusal
  }
}
