import { NotSupportedError, ProcessorMismatchError, type ResourceReader } from '@cistern/storage'
import type { ResourceKey } from '../key.js'
import { KeyTurns } from '../processing/key-turns.js'
import { makeProcessor, settledOrAborted } from '../processing/make-processor.js'
import { ProcessingWriter } from '../processing/processing-writer.js'
import type { Processor, ProcessorChoice } from '../processors/processor.js'
import type { AcquireOptions, Acquisition, Assets, Layer, StoreContext } from '../types.js'
import { AssetsLayer } from './assets-layer.js'

/** How often a resource that changes hands under an acquire is asked for again. */
const ATTEMPTS = 8

/** {@link ProcessingAssets} as a layer. */
export const processing: Layer = (inner, context) => new ProcessingAssets(inner, context)

/**
 * Runs a processor over what is written: source bytes go to one resource, what readers see to another. The transform
 * runs once; what is committed is what came out of it.
 */
export class ProcessingAssets extends AssetsLayer {
  readonly #context: StoreContext
  readonly #turns = new KeyTurns()
  /** Writers at work, by key and mode: one who fills and one who rewrites may be at it beside each other. */
  readonly #beginnings = new Map<string, Beginning>()

  constructor(inner: Assets, context: StoreContext) {
    super(inner)
    this.#context = context
  }

  override async acquire(key: ResourceKey, options: AcquireOptions = {}): Promise<Acquisition> {
    const { processor } = options
    if (processor === undefined) return this.inner.acquire(key, options)
    if (options.mode === 'extend') throw notExtended(key)
    for (let attempt = 1; ; attempt++) {
      // One at a time, so that a writer is known here before anyone joins it.
      const { got, beginning } = await this.#turns.take(key.id, () => this.#acquireStaged(key, options))
      if (beginning) return this.#fill(key, got, processor, options, beginning)
      if (typeof processor === 'function') return got
      const verdict = await this.#compare(key, got, processor, options)
      if (verdict === 'same') return got
      await got[Symbol.asyncDispose]()
      if (verdict === 'another' || attempt === ATTEMPTS) throw mismatch(key)
    }
  }

  async #acquireStaged(key: ResourceKey, options: AcquireOptions): Promise<Staged> {
    const got = await this.inner.acquire(key, { ...options, processor: undefined, staged: true })
    if (!got.writer) return { got }
    const beginning = new Beginning()
    // Nobody joins a replacement: it is its writer's own.
    if (options.mode !== 'replace') this.#beginnings.set(lineOf(key, options), beginning)
    return { got, beginning }
  }

  async #fill(
    key: ResourceKey,
    got: Acquisition,
    choice: ProcessorChoice,
    options: AcquireOptions,
    beginning: Beginning,
  ): Promise<Acquisition> {
    const line = lineOf(key, options)
    const forget = (): void => {
      beginning.resolve(undefined)
      if (this.#beginnings.get(line) === beginning) this.#beginnings.delete(line)
    }
    try {
      const { writer: raw, stage } = got
      if (!raw || !stage) throw new NotSupportedError(`${key.id}: the layers below give out no staged writer`)
      const processor = await makeProcessor(choice, [options.signal, this.#context.signal])
      const identity = this.#context.seal(processor.identity)
      await stage.identify(identity)
      const { output, source } = stage
      const writer = new ProcessingWriter({ key, processor, raw, output, source, signal: this.#context.signal })
      writer.addHooks({ onSettled: forget })
      await writer.start()
      beginning.resolve(identity)
      return new Filling(got, writer)
    } catch (error) {
      forget()
      await giveBack(got, error)
      throw error
    }
  }

  /** Whether what was joined is of this processor; `changed` when it is not what it was when it was acquired. */
  async #compare(
    key: ResourceKey,
    got: Acquisition,
    processor: Processor,
    options: AcquireOptions,
  ): Promise<'same' | 'another' | 'changed'> {
    const { reader } = got
    const wanted = this.#context.seal(processor.identity)
    const beginning = reader.status.state === 'active' ? this.#beginnings.get(lineOf(key, options)) : undefined
    if (beginning) {
      const identity = await this.#identified(got, beginning, options.signal)
      if (identity === undefined) return 'changed'
      return identity === wanted ? 'same' : 'another'
    }
    const stat = this.#context.index.stat(key)
    // A writer that gave up meanwhile: asked again, we may be the next.
    if (stat?.generation !== reader.generation || (stat.state === 'active' && !stat.writing)) return 'changed'
    return stat.processor === wanted ? 'same' : 'another'
  }

  async #identified(
    got: Acquisition,
    beginning: Beginning,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    try {
      return await settledOrAborted(beginning.identity, [signal, this.#context.signal])
    } catch (error) {
      await got[Symbol.asyncDispose]()
      throw error
    }
  }
}

interface Staged {
  readonly got: Acquisition
  /** With a writer. */
  readonly beginning?: Beginning
}

/** A writer that is being told its processor. */
class Beginning {
  /** Sealed; undefined if it came to nothing. */
  readonly identity: Promise<string | undefined>
  resolve: (identity: string | undefined) => void = () => {}

  constructor() {
    this.identity = new Promise((resolve) => {
      this.resolve = resolve
    })
  }
}

/** What the one who fills gets. */
class Filling implements Acquisition {
  readonly reader: ResourceReader
  readonly writer: ProcessingWriter
  readonly #got: Acquisition

  constructor(got: Acquisition, writer: ProcessingWriter) {
    this.reader = got.reader
    this.writer = writer
    this.#got = got
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.writer.release()
    } finally {
      await this.#got[Symbol.asyncDispose]()
    }
  }
}

/** What joins what: a rewrite goes on beside a fill of the same key, perhaps through another processor. */
function lineOf(key: ResourceKey, { mode = 'fill' }: AcquireOptions): string {
  return `${key.id} ${mode}`
}

/** Nothing was written: the next one may fill it. What else goes wrong here would hide `error`. */
async function giveBack(got: Acquisition, error: unknown): Promise<void> {
  const cause = error instanceof Error ? error : undefined
  got.stage?.source.close()
  await Promise.allSettled([got.stage?.output.release(cause), got.writer?.release(cause)])
  await Promise.allSettled([got[Symbol.asyncDispose]()])
}

function notExtended(key: ResourceKey): NotSupportedError {
  return new NotSupportedError(
    `${key.id}: what goes through a processor cannot be extended, because its source bytes are not kept once it is ` +
      "committed. Write it anew with mode 'rewrite'",
  )
}

function mismatch(key: ResourceKey): ProcessorMismatchError {
  return new ProcessorMismatchError(
    `${key.id} was, or is being, processed by another processor than the one asked for, or by none. Open it without a ` +
      "processor to read it as it is, or write it anew with mode 'rewrite'",
  )
}
