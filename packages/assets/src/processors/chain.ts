import { InvalidOptionError } from '@cistern/storage'
import { fingerprint } from './fingerprint.js'
import { type ChunkTransform, isProcessor, type Processor } from './processor.js'

const NOTHING = new Uint8Array(0)

/**
 * One processor that runs `processors` in order, each over what the one before gives: `chain(aes128Cbc(…), gunzip)`.
 * Its identity stands for theirs and their order; of one processor it is that processor.
 * Throws `InvalidOptionError` where there is none, or something else among them.
 */
export function chain(...processors: readonly Processor[]): Processor {
  const [first] = processors
  if (!first) throw new InvalidOptionError('chain: at least one processor is needed')
  if (!processors.every(isProcessor)) throw new InvalidOptionError('chain: each must be a Processor (identity, begin)')
  return processors.length === 1 ? first : new Chain([...processors])
}

class Chain implements Processor {
  readonly identity: string
  readonly #processors: readonly Processor[]

  constructor(processors: readonly Processor[]) {
    this.identity = fingerprint('chain', ...processors.map((processor) => Buffer.from(processor.identity)))
    this.#processors = processors
  }

  async begin(of: Parameters<Processor['begin']>[0]): Promise<ChunkTransform> {
    const begun: ChunkTransform[] = []
    try {
      for (const processor of this.#processors) {
        of.signal.throwIfAborted()
        begun.push(await processor.begin(of))
      }
    } catch (error) {
      closeAll(begun) // an error of closing would hide the one that matters
      throw error
    }
    return new ChainTransform(begun)
  }

  outputLength(sourceLength: number): number | undefined {
    let length: number | undefined = sourceLength
    for (const processor of this.#processors) {
      if (length === undefined) return undefined
      length = processor.outputLength?.(length)
    }
    return length
  }
}

class ChainTransform implements ChunkTransform {
  readonly #transforms: readonly ChunkTransform[]
  #closed = false

  constructor(transforms: readonly ChunkTransform[]) {
    this.#transforms = transforms
  }

  async update(chunk: Uint8Array): Promise<Uint8Array> {
    let bytes = chunk
    for (const transform of this.#transforms) {
      if (bytes.length === 0 || this.#closed) return NOTHING
      bytes = await transform.update(bytes)
    }
    return bytes
  }

  async final(): Promise<Uint8Array> {
    let rest: Uint8Array = NOTHING
    for (const transform of this.#transforms) {
      const updated = rest.length === 0 ? NOTHING : await transform.update(rest)
      if (this.#closed) return NOTHING
      const last = await transform.final()
      rest = updated.length === 0 ? last : Buffer.concat([updated, last])
    }
    return rest
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const errors = closeAll(this.#transforms)
    if (errors.length > 0) throw errors[0]
  }
}

/** Closes each, whatever the others do. */
function closeAll(transforms: readonly ChunkTransform[]): unknown[] {
  const errors: unknown[] = []
  for (const transform of transforms) {
    try {
      transform.close?.()
    } catch (error) {
      errors.push(error)
    }
  }
  return errors
}
