// A processor of one's own from scratch, with state that outlives a chunk: every line that begins with a mark is dropped.
import { type ChunkTransform, fingerprint, type Processor } from '@cistern/assets'

const LINE_END = 0x0a

/** Drops the lines of a text that begin with `mark`. What is held back never exceeds one line. */
export function dropLines(mark: string): Processor {
  return { identity: fingerprint(`drop-lines:${mark}`), begin: () => new LineDropper(mark) }
}

class LineDropper implements ChunkTransform {
  readonly #mark: Buffer
  #rest: Buffer = Buffer.alloc(0)

  constructor(mark: string) {
    this.#mark = Buffer.from(mark)
  }

  /** Chunks end where the network liked, not where lines do: the last line waits for the chunk that completes it. */
  update(chunk: Uint8Array): Uint8Array {
    const text = Buffer.concat([this.#rest, chunk])
    const whole = text.lastIndexOf(LINE_END) + 1
    this.#rest = text.subarray(whole)
    return this.#kept(text.subarray(0, whole))
  }

  final(): Uint8Array {
    return this.#kept(this.#rest)
  }

  #kept(text: Buffer): Uint8Array {
    const lines: Buffer[] = []
    for (let at = 0; at < text.length; ) {
      const end = text.indexOf(LINE_END, at)
      const line = text.subarray(at, end < 0 ? text.length : end + 1)
      if (!line.subarray(0, this.#mark.length).equals(this.#mark)) lines.push(line)
      at += line.length
    }
    return Buffer.concat(lines)
  }
}
