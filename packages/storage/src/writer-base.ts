import { Intake } from './intake.js'
import { checkPosition } from './positions.js'
import type { ByteSource, ReadonlyRangeSet, ResourceWriter, SourceDeclaration, WriteFromOptions } from './types.js'

/** The comforts of a writer, made of its primitives. Extend it to write a writer of your own. */
export abstract class WriterBase implements ResourceWriter {
  abstract readonly generation: string
  abstract readonly coverage: ReadonlyRangeSet
  abstract readonly validator: string | undefined
  abstract readonly length: number | undefined
  abstract declare(source: SourceDeclaration): Promise<void>
  abstract setMetadata(metadata: object): void
  abstract writeAt(position: number, data: Uint8Array): Promise<void>
  abstract commit(length?: number): Promise<number>
  abstract discard(): Promise<void>
  abstract fail(error: Error): Promise<void>
  abstract release(cause?: Error): Promise<void>

  async writeFrom(source: ByteSource, options: WriteFromOptions = {}): Promise<number> {
    const at = options.at ?? 0
    if (source === null) {
      checkPosition(at, 'at')
      options.signal?.throwIfAborted()
      return 0
    }
    return new Intake((position, bytes) => this.writeAt(position, bytes), source, at).run(options.signal)
  }

  /** Releases the writer if it is not settled; its bytes stay for the next one. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}
