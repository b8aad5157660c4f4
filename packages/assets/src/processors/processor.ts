import type { ResourceKey } from '../key.js'

/** Turns source bytes into readable ones, once, on their way into the store. */
export interface Processor {
  /** A {@link fingerprint} of name and secrets, never the secrets: two of one identity give the same bytes. */
  readonly identity: string
  /** Starts one run, from the first byte. `signal` aborts when the run is no longer wanted. */
  begin(of: { readonly key: ResourceKey; readonly signal: AbortSignal }): ChunkTransform | Promise<ChunkTransform>
  /** Readable bytes for so many source bytes, where that is certain beforehand. */
  outputLength?(sourceLength: number): number | undefined
}

/** One run. Calls come one after the other, each after the one before settled. A node:crypto decipher is one. */
export interface ChunkTransform {
  /** Takes the next bytes, gives those that are ready. `chunk` is only borrowed until this settles. */
  update(chunk: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Gives the rest. Rejects or throws if the source was not whole. */
  final(): Uint8Array | Promise<Uint8Array>
  /** Called once, however it ends, also while a call is pending. */
  close?(): void
}

/** A processor, or what makes one: called only for the writer, so that what is there already needs no key. */
export type ProcessorChoice = Processor | (() => Processor | Promise<Processor>)

/** By shape: processors come from anywhere. */
export function isProcessor(value: unknown): value is Processor {
  if (typeof value !== 'object' || value === null) return false
  const { identity, begin, outputLength } = value as Partial<Processor>
  if (typeof identity !== 'string' || identity === '' || typeof begin !== 'function') return false
  return outputLength === undefined || typeof outputLength === 'function'
}
