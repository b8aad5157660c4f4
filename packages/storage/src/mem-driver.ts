import { copyTurns } from './copy-turns.js'
import type { Driver } from './driver.js'
import { NoSpaceError, StorageIoError } from './errors.js'
import { SpareChunks } from './spare-chunks.js'
import type { Bytes } from './types.js'

/** Options of {@link MemDriver}. */
export interface MemDriverOptions {
  /** No byte may lie at or past this position; unbounded by default. */
  readonly maxBytes?: number | undefined
}

const chunkSize = 64 * 1024
/** Of all drivers in the process together: 4 MiB. */
const spareChunks = new SpareChunks(chunkSize, 64)
/** One step of a read copies no more than this: a few milliseconds. */
const stepBytes = 4 * 1024 * 1024

/** Bytes in memory: chunks of 64 KiB, those in use only, the last as large as it must be. */
export class MemDriver implements Driver {
  readonly #chunks = new Map<number, Bytes>()
  readonly #maxBytes: number
  #length = 0
  #closed = false

  constructor(options: MemDriverOptions = {}) {
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY
  }

  async read(position: number, target: Uint8Array): Promise<number> {
    for (let done = 0; ; ) {
      const part = target.length - done <= stepBytes ? target.subarray(done) : target.subarray(done, done + stepBytes)
      const turn = copyTurns.enter(part.length)
      if (turn !== undefined) await turn
      const got = this.readSync(position + done, part)
      done += got
      if (got < part.length || done === target.length) return done
    }
  }

  readSync(position: number, target: Uint8Array): number {
    this.#checkOpen()
    const size = Math.max(0, Math.min(target.length, this.#length - position))
    for (let done = 0; done < size; ) {
      const from = (position + done) % chunkSize
      const step = Math.min(chunkSize - from, size - done)
      const chunk = this.#chunks.get(Math.floor((position + done) / chunkSize))
      const there = chunk?.subarray(from, from + step)
      if (there !== undefined) target.set(there, done)
      // What was never written reads as zeros, as in a sparse file.
      if ((there?.length ?? 0) < step) target.fill(0, done + (there?.length ?? 0), done + step)
      done += step
    }
    return size
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    const turn = copyTurns.enter(parts.reduce((sum, part) => sum + part.length, 0))
    if (turn !== undefined) await turn
    this.writeSync(position, parts)
  }

  /** Gives the bytes written. */
  writeSync(position: number, parts: readonly Uint8Array[]): number {
    this.#checkOpen()
    const end = parts.reduce((at, part) => at + part.length, position)
    if (end > this.#maxBytes) {
      throw new NoSpaceError(`byte ${end} is past the ${this.#maxBytes} that memory may hold`)
    }
    let at = position
    for (const part of parts) {
      this.#put(at, part)
      at += part.length
    }
    this.#length = Math.max(this.#length, end)
    return end - position
  }

  async sync(): Promise<void> {
    this.#checkOpen()
  }

  async truncate(length: number): Promise<void> {
    this.#checkOpen()
    if (length < this.#length) {
      const last = Math.floor(length / chunkSize)
      for (const index of this.#chunks.keys()) if (index > last) this.#chunks.delete(index)
      const tail = this.#chunks.get(last)
      // A copy: what is cut off must not come back as bytes when the file grows again, nor stay in memory.
      if (tail !== undefined) this.#chunks.set(last, tail.slice(0, length % chunkSize))
    }
    this.#length = length
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const chunk of this.#chunks.values()) if (chunk.length === chunkSize) spareChunks.giveBack(chunk)
    this.#chunks.clear()
  }

  #put(position: number, part: Uint8Array): void {
    for (let done = 0; done < part.length; ) {
      const from = (position + done) % chunkSize
      const step = Math.min(chunkSize - from, part.length - done)
      const index = Math.floor((position + done) / chunkSize)
      const chunk = step === chunkSize ? this.#wholeChunk(index) : this.#chunk(index, from + step)
      chunk.set(part.subarray(done, done + step), from)
      done += step
    }
  }

  /** The chunk at `index`, all of which is about to be written: it need not be cleared. */
  #wholeChunk(index: number): Bytes {
    const there = this.#chunks.get(index)
    if (there?.length === chunkSize) return there
    const fresh = spareChunks.take()
    this.#chunks.set(index, fresh)
    return fresh
  }

  /** The chunk at `index`, with room for `size` bytes. Grows by doubling: small resources stay small. */
  #chunk(index: number, size: number): Bytes {
    const there = this.#chunks.get(index)
    if (there !== undefined && there.length >= size) return there
    const grown = new Uint8Array(Math.min(chunkSize, Math.max(size, 2 * (there?.length ?? 0))))
    if (there !== undefined) grown.set(there)
    this.#chunks.set(index, grown)
    return grown
  }

  #checkOpen(): void {
    if (this.#closed) throw new StorageIoError('the memory was let go of')
  }
}
