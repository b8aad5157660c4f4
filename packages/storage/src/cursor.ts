import { allocate } from './allocate.js'
import { CisternError, InvalidOptionError } from './errors.js'
import { checkPosition, checkRange } from './positions.js'
import { readAlone } from './shared-chunks.js'
import type { Bytes, ReadOptions, ResourceReader } from './types.js'

const defaultChunkSize = 256 * 1024

/** Reads a range in order, chunk by chunk, as it arrives. Owns its reader: closes it at the end, on error, and when closed. */
export class Cursor {
  readonly chunkSize: number
  readonly #reader: ResourceReader
  readonly #options: ReadOptions
  readonly #end: number
  readonly #gone = new Gone()
  #position: number
  #closed = false

  constructor(clone: () => ResourceReader, options: ReadOptions) {
    const { start = 0, end = Number.MAX_SAFE_INTEGER, chunkSize = defaultChunkSize } = options
    checkRange(start, end)
    if (!Number.isSafeInteger(chunkSize) || chunkSize < 1) {
      throw new InvalidOptionError(`chunkSize must be a number of bytes of at least 1, not ${String(chunkSize)}`)
    }
    this.#options = options
    this.#position = start
    this.#end = end
    this.chunkSize = chunkSize
    // Last: options that are refused leave no clone behind.
    this.#reader = clone()
  }

  /** The next bytes; `undefined` at the end, and once closed. */
  async next(): Promise<Bytes | undefined> {
    try {
      const chunk = this.#closed ? undefined : await this.#read()
      if (chunk === undefined) this.close()
      return this.#closed ? undefined : chunk
    } catch (error) {
      // Closed from outside while it waited: that is an end, not an error.
      if (this.#closed) return undefined
      this.close()
      throw error
    }
  }

  close(): void {
    this.#closed = true
    this.#reader.close()
  }

  async #read(): Promise<Bytes | undefined> {
    const reader = this.#reader
    for (;;) {
      this.#options.signal?.throwIfAborted()
      const position = this.#position
      if (position >= Math.min(this.#end, reader.length ?? this.#end)) return undefined
      const covered = reader.coverage.coveredEnd(position) - position
      if (covered === 0) {
        // One byte is enough to go on, and more than none: (p, p) is ready at the end of what was written.
        await reader.waitRange(position, position + 1, this.#options)
        continue
      }
      const chunk = await this.#get(position, Math.min(covered, this.#end - position, this.chunkSize))
      this.#position += chunk.length
      if (chunk.length > 0) return chunk
    }
  }

  async #get(position: number, size: number): Promise<Bytes> {
    const reader = this.#reader
    try {
      if (this.#options.shared && reader.readShared) return await reader.readShared(position, size)
      return await readAlone(position, size, (at, target) => reader.readAt(at, target))
    } catch (error) {
      if (this.#gone.explains(error, reader, position)) return nothing
      throw error
    }
  }
}

const nothing: Bytes = new Uint8Array(0)

/** A reader that refuses what it says is there, so often in a row, is to be believed. */
const mostRefusals = 100

/**
 * Bytes that were there when a read of them began were cut off by a commit, dropped, or did not land: they are waited for
 * anew. By the time that the reader hears of it they may be there again.
 */
export class Gone {
  #refusals = 0
  #at = -1

  explains(error: unknown, reader: ResourceReader, position: number): boolean {
    if (!CisternError.is(error, 'ERR_CISTERN_RANGE_NOT_AVAILABLE')) return false
    if (!reader.coverage.has(position, position + 1)) return true
    this.#refusals = this.#at === position ? this.#refusals + 1 : 1
    this.#at = position
    return this.#refusals < mostRefusals
  }
}

/** Waits for [start, end) and reads it into one array. */
export async function readWhole(reader: ResourceReader, options: ReadOptions, gone: Gone = new Gone()): Promise<Bytes> {
  const { start = 0, signal } = options
  if (options.end !== undefined) checkRange(start, options.end)
  else checkPosition(start, 'start')
  signal?.throwIfAborted()
  let end: number
  // Looked at again in the very turn in which the read begins: a discard may have come in between.
  do end = await readableEnd(reader, start, options)
  while (!reader.coverage.has(start, end))
  const target = allocate(end - start)
  let filled = 0
  while (filled < target.length) {
    const position = start + filled
    let got: number
    try {
      got = await reader.readAt(position, filled === 0 ? target : target.subarray(filled))
    } catch (error) {
      if (gone.explains(error, reader, position)) return readWhole(reader, options, gone)
      throw error
    }
    if (got === 0) return target.subarray(0, filled)
    filled += got
    signal?.throwIfAborted()
  }
  return target
}

/** Waits for [start, end), and says where it ends, clamped by the length. */
async function readableEnd(reader: ResourceReader, start: number, options: ReadOptions): Promise<number> {
  for (;;) {
    const asked = options.end ?? Math.max(start, await reader.waitLength(options))
    if ((await reader.waitRange(start, asked, options)) === 'eof') return start
    if (options.end !== undefined) return Math.min(asked, reader.length ?? asked)
    // Another generation, of another length, may have begun meanwhile: then all of that one is wanted.
    if (Math.max(start, reader.length ?? -1) === asked) return asked
  }
}
