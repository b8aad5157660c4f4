import {
  type ReaderHooks,
  type ResourceReader,
  type ResourceWriter,
  type WriterHooks,
  wrapReader,
  wrapWriter,
} from '@cistern/storage'
import type { Acquisition, Stage } from '../types.js'

/** Hooks on both handles of an acquisition. */
export interface AcquisitionHooks {
  /** Of the reader and its clones. */
  readonly reader?: ReaderHooks | undefined
  /** Of a staged acquisition: told of writes to `writer` and to `stage.output`, and once when both settled. */
  readonly writer?: WriterHooks | undefined
}

/** Adds hooks to what was acquired. Native handles take them in place, so that nothing slows down. */
export function wrapAcquisition(got: Acquisition, hooks: AcquisitionHooks): Acquisition {
  const reader = hooks.reader ? wrapReader(got.reader, hooks.reader) : got.reader
  const { writer, stage } = got
  if (!hooks.writer || !writer) return withHandles(got, reader, writer, stage?.output)
  if (!stage) return withHandles(got, reader, wrapWriter(writer, hooks.writer), undefined)
  const both = settledTogether(hooks.writer)
  return withHandles(got, reader, wrapWriter(writer, both), wrapWriter(stage.output, both))
}

/** The same acquisition with other handles in it; itself where they are the ones it has. */
export function withHandles(
  got: Acquisition,
  reader: ResourceReader,
  writer: ResourceWriter | undefined,
  output: ResourceWriter | undefined,
): Acquisition {
  if (reader === got.reader && writer === got.writer && output === got.stage?.output) return got
  const stage = got.stage && output && withOutput(got.stage, output)
  return new WrappedAcquisition(got, reader, writer, stage)
}

class WrappedAcquisition implements Acquisition {
  readonly reader: ResourceReader
  readonly writer: ResourceWriter | undefined
  readonly stage?: Stage
  readonly #got: Acquisition

  constructor(got: Acquisition, reader: ResourceReader, writer: ResourceWriter | undefined, stage: Stage | undefined) {
    this.#got = got
    this.reader = reader
    this.writer = writer
    if (stage) this.stage = stage
  }

  /** What was handed out first: a wrapper that is told nothing would keep its hooks waiting. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // As a processing writer does: it is the output that readers wait for.
      await this.stage?.output.release()
      await this.writer?.release()
    } finally {
      this.reader.close()
      await this.#got[Symbol.asyncDispose]()
    }
  }
}

function withOutput(stage: Stage, output: ResourceWriter): Stage {
  return { output, source: stage.source, identify: (processor) => stage.identify(processor) }
}

/** Hooks for two writers that are one to the layer: the last to settle tells, and a commit of either is a commit. */
function settledTogether(hooks: WriterHooks): WriterHooks {
  let open = 2
  const settled = new Set<'commit' | 'fail' | 'release'>()
  return {
    beforeWrite: (position, bytes) => hooks.beforeWrite?.(position, bytes),
    onWriteError: async (error) => (await hooks.onWriteError?.(error)) ?? 'fail',
    onSettled: (how) => {
      settled.add(how)
      if (--open > 0) return
      hooks.onSettled?.(settled.has('commit') ? 'commit' : settled.has('fail') ? 'fail' : 'release')
    },
  }
}
