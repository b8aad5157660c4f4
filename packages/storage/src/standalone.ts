import type { ResourceReader, ResourceWriter } from './types.js'

/** One resource by itself. Disposing releases an unsettled writer and closes the reader; clones and streams go on. */
export interface StandaloneResource extends AsyncDisposable {
  /** Reads what is there, and what the writer adds. Disposing closes it. */
  readonly reader: ResourceReader
  /** `undefined` where the bytes are finished. */
  readonly writer: ResourceWriter | undefined
  /** What disposing does. Resolves once the storage is let go of, or, while clones are open, once the writer is settled. */
  close(): Promise<void>
}

/** `stored`: resolves once nothing is held, when no handle is open any more. */
export function standalone(
  reader: ResourceReader,
  writer: ResourceWriter | undefined,
  stored: () => Promise<void> | undefined,
): StandaloneResource {
  const close = async (): Promise<void> => {
    try {
      await writer?.release()
    } finally {
      reader.close()
      await stored()
    }
  }
  return { reader, writer, close, [Symbol.asyncDispose]: close }
}
