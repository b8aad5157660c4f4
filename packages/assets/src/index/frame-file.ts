import { type IndexFile, openIfFile } from './file.js'
import { type Damage, type Frame, FrameScanner, type FrameScope, MAX_FRAME } from './frame.js'
import { decodeHeader, type FileHeader, MAX_HEADER } from './header.js'
import { Pace } from './pace.js'

// One read for all but large files, and no single large buffer for those.
const READ_BYTES = 16 * 1024 * 1024
// Scanned in one go: above MAX_FRAME, and a few ms even when every frame of it is tiny.
const SLICE_BYTES = 384 * 1024

/** A file of the index, open for reading: a header, then frames. */
export class FrameFile {
  readonly size: number
  readonly #file: IndexFile
  #scanner: FrameScanner | undefined

  private constructor(file: IndexFile, size: number) {
    this.#file = file
    this.size = size
  }

  /** Undefined when what is there is no regular file. Rejects with StorageIoError, also when nothing is there. */
  static async open(path: string): Promise<FrameFile | undefined> {
    const file = await openIfFile(path, 'read')
    if (file === undefined) return undefined
    try {
      const size = await file.size()
      if (size !== undefined) return new FrameFile(file, size)
    } catch (error) {
      await file.abandon()
      throw error
    }
    await file.close()
    return undefined
  }

  get damage(): Damage {
    return this.#scanner?.damage ?? 'none'
  }

  /** The header and where it ends; undefined when it is damaged. Rejects with IndexVersionError when it is newer than this code. */
  async header(): Promise<{ header: FileHeader; end: number } | undefined> {
    const bytes = Buffer.allocUnsafe(Math.min(MAX_HEADER, this.size))
    const got = await this.#file.read(bytes, 0)
    return decodeHeader(bytes.subarray(0, got), this.#file.path)
  }

  /**
   * The good frames from `start` on, slice by slice; `damage` is told at the end. What is appended meanwhile is not looked at.
   * With `reuse`, the payloads of a slice hold only until the next one is asked for, and at most `readBytes` are read at once.
   */
  async *frames(
    scope: FrameScope,
    start: number,
    { reuse = false, readBytes = READ_BYTES }: { reuse?: boolean; readBytes?: number } = {},
  ): AsyncGenerator<readonly Frame[]> {
    const scanner = new FrameScanner(scope)
    this.#scanner = scanner
    const pace = new Pace()
    let buffer: Buffer = Buffer.alloc(0)
    let rest: Buffer = buffer
    let last = start >= this.size
    for (let position = start; !last; ) {
      const length = Math.min(readBytes, this.size - position)
      // The start of a frame that the last read cut goes before the bytes that complete it.
      const needed = rest.length + length
      if (!reuse || buffer.length < needed) buffer = Buffer.allocUnsafeSlow(reuse ? MAX_FRAME + length : needed)
      buffer.set(rest)
      const got = await this.#file.read(buffer.subarray(rest.length, needed), position)
      position += got
      last = got < length || position >= this.size
      const bytes = buffer.subarray(0, rest.length + got)

      let at = 0
      for (let until = 0; until < bytes.length; ) {
        if (pace.due) await pace.rest()
        until = Math.min(at + SLICE_BYTES, bytes.length)
        const frames: Frame[] = []
        at = scanner.take(bytes.subarray(0, until), at, last && until === bytes.length, frames)
        yield frames
      }
      rest = bytes.subarray(at)
    }
  }

  async close(): Promise<void> {
    // Nothing was written through it, so that a failing close loses nothing.
    await this.#file.abandon()
  }
}
