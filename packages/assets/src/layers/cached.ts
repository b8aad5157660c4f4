import { type ResourceReader, setIdle, wrapReader } from '@cistern/storage'
import { LRUCache } from 'lru-cache'
import type { ResourceKey } from '../key.js'
import { CACHED_OPTIONS, checkOptions } from '../options.js'
import type { AcquireOptions, Acquisition, Assets, Layer, OpenOptions, StoreContext } from '../types.js'
import { AssetsLayer } from './assets-layer.js'
import { withHandles } from './wrap-acquisition.js'

/** Options of {@link cached}. */
export interface CachedOptions {
  /** Idle readers kept open. 0 keeps none. */
  readonly cacheEntries: number
}

/** {@link CachedAssets} as a layer; with 0 entries it leaves itself out. */
export const cached = (options: CachedOptions): Layer => {
  const checked = checkOptions('cached', options, CACHED_OPTIONS)
  return (inner, context) => (checked.cacheEntries > 0 ? new CachedAssets(inner, context, checked) : inner)
}

/**
 * Keeps idle readers of committed resources open, so that opening one again costs no syscall. Holds no lease: what is
 * idle may be evicted.
 */
export class CachedAssets extends AssetsLayer {
  readonly #context: StoreContext
  readonly #idle: LRUCache<string, ResourceReader>
  readonly #unsubscribe: readonly (() => void)[]
  #closed = false

  constructor(inner: Assets, context: StoreContext, options: CachedOptions) {
    super(inner)
    this.#context = context
    this.#idle = new LRUCache({ max: options.cacheEntries, dispose: (reader) => reader.close() })
    this.#unsubscribe = [
      context.onGone((key, generation) => this.#gone(key, generation)),
      context.onRelieve(() => this.#idle.clear()),
    ]
  }

  override open(key: ResourceKey, options?: OpenOptions): Promise<ResourceReader> {
    const warm = options?.verify || options?.signal?.aborted ? undefined : this.#warm(key)
    if (warm) return Promise.resolve(warm)
    return this.inner.open(key, options).then((reader) => this.#watched(key, reader))
  }

  override acquire(key: ResourceKey, options?: AcquireOptions): Promise<Acquisition> {
    const warm = isPlainFill(options) ? this.#warm(key) : undefined
    if (warm) return Promise.resolve(new Hit(warm))
    return this.inner
      .acquire(key, options)
      .then((got) => withHandles(got, this.#watched(key, got.reader), got.writer, got.stage?.output))
  }

  override close(): Promise<void> {
    this.#closed = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#idle.clear()
    return this.inner.close()
  }

  #warm(key: ResourceKey): ResourceReader | undefined {
    const kept = this.#idle.get(key.id)
    if (kept === undefined) return undefined
    // A rewrite or an eviction may have come between: only the index says which generation is the present one.
    if (this.#isPresent(key, kept)) {
      try {
        return kept.clone()
      } catch {
        // Its resource closed it: there is nothing to keep, and the layers below say what the matter is.
      }
    }
    this.#idle.delete(key.id)
    return undefined
  }

  /** Sees to it that a reader of what is committed stays behind when this one is closed. */
  #watched(key: ResourceKey, reader: ResourceReader): ResourceReader {
    if (this.#closed) return reader
    const { state } = reader.status
    if (state === 'failed') return reader
    if (state === 'active') return this.#keepAtClose(key, reader)
    if (this.#isPresent(key, reader) && this.#idle.peek(key.id)?.generation !== reader.generation) {
      this.#idle.set(key.id, spareOf(reader))
    }
    return reader
  }

  /** A closed reader cannot be cloned, so the spare is made now; it is open only as long as the reader unless kept. */
  #keepAtClose(key: ResourceKey, reader: ResourceReader): ResourceReader {
    const spare = spareOf(reader)
    return wrapReader(reader, {
      // No mention of the reader itself: one that is dropped unclosed has to be collected.
      onClose: () => {
        const keep = !this.#closed && spare.status.state === 'committed' && this.#isPresent(key, spare)
        if (keep && this.#idle.peek(key.id)?.generation !== spare.generation) this.#idle.set(key.id, spare)
        else spare.close()
      },
    })
  }

  #isPresent(key: ResourceKey, reader: ResourceReader): boolean {
    return reader.generation === this.#context.index.generation(key)
  }

  /** Before its file is unlinked: no descriptor may outlive it. */
  #gone(key: ResourceKey, generation: string): void {
    if (this.#idle.peek(key.id)?.generation === generation) this.#idle.delete(key.id)
  }
}

/** What the cache answers: the bytes are there, so there is nothing to fill. */
class Hit implements Acquisition {
  readonly reader: ResourceReader
  readonly writer: undefined = undefined

  constructor(reader: ResourceReader) {
    this.reader = reader
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reader.close()
  }
}

function spareOf(reader: ResourceReader): ResourceReader {
  const spare = reader.clone()
  setIdle(spare, true)
  return spare
}

/**
 * Whether committed bytes are the answer whatever else is asked. With a processor, a digest, a length or metadata the
 * layers below have something to check or to record first; another mode begins a new generation.
 */
function isPlainFill(options: AcquireOptions | undefined): boolean {
  if (options === undefined) return true
  const { mode = 'fill', processor, integrity, length, metadata, staged, signal } = options
  const asksMore = processor ?? integrity ?? length ?? metadata
  return mode === 'fill' && asksMore === undefined && !staged && !signal?.aborted
}
