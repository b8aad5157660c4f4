import type { ResourceReader, WriterHooks } from '@cistern/storage'
import type { TransformRun } from './transform-run.js'

export type Settled = 'commit' | 'fail' | 'release'

/**
 * Ends what a processing writer holds once its raw and its output writer are settled, whoever settled them: the user,
 * a removal, the closing store, garbage collection. It refers to neither, so that a lost writer is found.
 */
export class ProcessingEnding {
  /** The run at work. */
  run: TransformRun | undefined
  readonly #source: ResourceReader
  readonly #listeners: WriterHooks[] = []
  readonly #waiting = new Set<() => void>()
  #raw: Settled | undefined
  #output: Settled | undefined
  #error: Error | undefined
  #over = false
  #isReleased = false

  constructor(source: ResourceReader) {
    this.#source = source
  }

  /** No byte is transformed any more. */
  get over(): boolean {
    return this.#over
  }

  /** By its own user, rather than by a removal or a closing store: what was written is kept. */
  get isReleased(): boolean {
    return this.#isReleased
  }

  /** What it failed with. */
  get error(): Error | undefined {
    return this.#error
  }

  readonly rawHooks: WriterHooks = {
    onSettled: (how) => {
      this.#raw = how
      this.#settled()
    },
  }

  readonly outputHooks: WriterHooks = {
    onSettled: (how) => {
      this.#output = how
      this.#settled()
    },
  }

  /** Listeners are told once, when both are settled. */
  listen(hooks: WriterHooks): void {
    this.#listeners.push(hooks)
    this.#tell()
  }

  /** Calls `callback` when it is over; returns what takes it back. */
  onOver(callback: () => void): () => void {
    this.#waiting.add(callback)
    return () => this.#waiting.delete(callback)
  }

  release(): void {
    this.#isReleased ||= !this.#over
    this.stop()
  }

  stop(error?: Error): void {
    if (this.#over) return
    this.#over = true
    this.#error = error
    this.run?.close(error)
    this.run = undefined
    this.#source.close()
    for (const callback of this.#waiting) callback()
    this.#waiting.clear()
  }

  #settled(): void {
    this.stop()
    this.#tell()
  }

  #tell(): void {
    if (this.#raw === undefined || this.#output === undefined) return
    const both = [this.#raw, this.#output]
    const how = this.#output === 'commit' ? 'commit' : both.includes('fail') ? 'fail' : 'release'
    for (const { onSettled } of this.#listeners.splice(0)) onSettled?.(how)
  }
}
