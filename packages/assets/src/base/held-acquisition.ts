import type { ResourceReader, ResourceWriter } from '@cistern/storage'
import type { Acquisition, Stage } from '../types.js'
import type { LiveGeneration } from './live-generation.js'

/** Reader and, for the one who fills, writer of one generation. Disposing releases the writer and closes the reader. */
export class HeldAcquisition implements Acquisition {
  readonly reader: ResourceReader
  readonly writer: ResourceWriter | undefined
  readonly stage: Stage | undefined

  private constructor(reader: ResourceReader, writer?: ResourceWriter, stage?: Stage) {
    this.reader = reader
    this.writer = writer
    this.stage = stage
  }

  static reading(live: LiveGeneration): Acquisition {
    return new HeldAcquisition(live.output.resource.openReader())
  }

  /** With a raw part, the acquisition is staged: source bytes go to `writer`, readable ones to `stage.output`. */
  static writing(
    live: LiveGeneration,
    identify: (live: LiveGeneration, processor: string) => Promise<void>,
  ): Acquisition {
    // First, because it may be refused: a reader that was opened before would be closed by nobody.
    const writer = live.source.resource.openWriter()
    const reader = live.output.resource.openReader()
    if (live.raw === undefined) return new HeldAcquisition(reader, writer)
    return new HeldAcquisition(reader, writer, {
      output: live.output.resource.openWriter(),
      source: live.raw.resource.openReader(),
      identify: (processor) => identify(live, processor),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stage?.output.release()
      await this.writer?.release()
    } finally {
      this.stage?.source.close()
      this.reader.close()
    }
  }
}
