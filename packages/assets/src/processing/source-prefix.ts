import { RangeSet, type ReadonlyRangeSet, type ResourceReader } from '@cistern/storage'

/** Bytes given to a transform at a time. */
export const CHUNK_BYTES: number = 64 * 1024

/**
 * The source bytes that a transform may take. Not simply the raw coverage: that grows before the writer's own call
 * returns, and a range that was taken before its writer was told would look overwritten by it.
 */
export class SourcePrefix {
  readonly #ready: RangeSet
  /** Bytes just written, by their position: borrowed while their `writeAt` is pending. */
  readonly #direct = new Map<number, Uint8Array>()
  #scratch: Buffer | undefined

  constructor(there: ReadonlyRangeSet) {
    this.#ready = RangeSet.fromFlat(there.toFlat())
  }

  /** End of what follows `position` without a gap. */
  end(position: number): number {
    return this.#ready.coveredEnd(position)
  }

  /** Bytes that came, to be had again from the raw resource. */
  add(position: number, length: number): void {
    const overlaps = this.#ready.count(position, position + length) > 0
    if (overlaps) this.#direct.clear() // one of those may have been written over
    this.#ready.insert(position, position + length)
  }

  /** `bytes`, added before, stay as they are until they are taken, or taken back. */
  lend(position: number, bytes: Uint8Array): void {
    this.#direct.set(position, bytes)
  }

  takeBack(position: number): void {
    this.#direct.delete(position)
  }

  takeBackAll(): void {
    this.#direct.clear()
  }

  /** Bytes that turned out not to be there. */
  lose(from: number): void {
    this.#ready.delete(from, this.#ready.coveredEnd(from))
  }

  /** At most one chunk from `position` on, before `limit`: as it was written if that is still at hand, else read back. */
  chunk(position: number, limit: number, source: () => ResourceReader): Uint8Array | Promise<Uint8Array> | undefined {
    const length = Math.min(CHUNK_BYTES, Math.min(limit, this.end(position)) - position)
    if (length <= 0) return undefined
    return this.#lent(position, length) ?? this.#readBack(position, length, source())
  }

  /** Whether the bytes at `position` are those of `bytes`. */
  async matches(position: number, bytes: Uint8Array, source: ResourceReader): Promise<boolean> {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const expected = bytes.subarray(at, at + CHUNK_BYTES)
      const there = await this.#readBack(position + at, expected.length, source)
      if (Buffer.compare(there, expected) !== 0) return false
    }
    return true
  }

  /** Small pieces that follow each other make one chunk: a call for each byte would cost more than the copy. */
  #lent(position: number, length: number): Uint8Array | undefined {
    const first = this.#direct.get(position)
    if (!first || first.length >= length) return first && this.#cut(position, first, length)
    const chunk = this.#buffer()
    let filled = 0
    while (filled < length) {
      const piece = this.#direct.get(position + filled)
      if (!piece) break
      filled += this.#cut(position + filled, piece, length - filled).copy(chunk, filled)
    }
    return chunk.subarray(0, filled)
  }

  #cut(position: number, piece: Uint8Array, length: number): Buffer {
    this.#direct.delete(position)
    if (piece.length > length) this.#direct.set(position + length, piece.subarray(length))
    return Buffer.from(piece.buffer, piece.byteOffset, Math.min(piece.length, length))
  }

  async #readBack(position: number, length: number, source: ResourceReader): Promise<Uint8Array> {
    const chunk = this.#buffer()
    const read = await source.readAt(position, chunk.subarray(0, length))
    return chunk.subarray(0, read)
  }

  #buffer(): Buffer {
    this.#scratch ??= Buffer.allocUnsafeSlow(CHUNK_BYTES)
    return this.#scratch
  }
}
