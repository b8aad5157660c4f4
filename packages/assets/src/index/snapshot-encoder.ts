import { FRAME_OVERHEAD, type Frame, MAX_FRAME, scopeSeed, writeFrame } from './frame.js'
import { encodeHeader, type FileHeader } from './header.js'
import { Pace } from './pace.js'

export const CHUNK_BYTES: number = 1024 * 1024
// The end frame's sequence: above those of all payloads, and its payload is their count.
const END = 2 ** 48 - 1
const COUNT_BYTES = 8
const END_BYTES = FRAME_OVERHEAD + COUNT_BYTES

/** Encodes a snapshot into chunks of at most CHUNK_BYTES: header, a frame for each payload, the end frame. */
export class SnapshotEncoder {
  /** Given out so far. */
  bytes = 0
  /** Payloads so far. */
  count = 0
  readonly #header: Uint8Array
  readonly #seed: number
  #spare: Buffer | undefined

  constructor(header: FileHeader) {
    this.#header = encodeHeader(header)
    this.#seed = scopeSeed(header)
  }

  async *chunks(payloads: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Buffer> {
    const pace = new Pace()
    let chunk = this.#fresh()
    chunk.set(this.#header)
    let used = this.#header.length
    for await (const payload of payloads) {
      if (used + MAX_FRAME + END_BYTES > CHUNK_BYTES) {
        this.bytes += used
        yield chunk.subarray(0, used)
        chunk = this.#fresh()
        used = 0
      }
      used = writeFrame(chunk, used, this.#seed, this.count, payload)
      this.count++
      if (pace.due) await pace.rest()
    }
    const end = Buffer.alloc(COUNT_BYTES)
    end.writeUIntBE(this.count, 2, 6)
    used = writeFrame(chunk, used, this.#seed, END, end)
    this.bytes += used
    yield chunk.subarray(0, used)
  }

  /** Takes a chunk back: fresh buffers for a large snapshot would have the garbage collector at work. */
  recycle(chunk: Buffer): void {
    this.#spare = Buffer.from(chunk.buffer, chunk.byteOffset, CHUNK_BYTES)
  }

  #fresh(): Buffer {
    const chunk = this.#spare ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)
    this.#spare = undefined
    return chunk
  }
}

/** Tells the payload frames of a snapshot from its end frame. Sequences ascend, so that a full count leaves no gap. */
export class PayloadCount {
  count = 0
  /** The end frame came, and none is missing. */
  full = false

  takes({ sequence, payload }: Frame): boolean {
    if (sequence === END) {
      this.full = payload.length === COUNT_BYTES && Buffer.from(payload).readUIntBE(2, 6) === this.count
      return false
    }
    this.count++
    return true
  }
}
