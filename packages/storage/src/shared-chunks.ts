import { allocate } from './allocate.js'
import { copyTurns } from './copy-turns.js'
import type { Bytes } from './types.js'

const blockBytes = 256 * 1024
/** Of all resources of the process together: 16 MiB. */
const mostBlocks = 64
/** Who is handed what is there already has no reason to stop: each takes a share of the turn, 256 of them all of it. */
const handoutBytes = 12 * 1024

/** The beginning of a block, in memory; it grows with what is read behind it, and what is there never changes. */
interface Block {
  readonly owner: SharedChunks
  readonly start: number
  readonly bytes: Bytes
  /** The position behind the last byte that is there. */
  end: number
  /** The position behind the last byte that is there, or is being read. */
  reach: number
  /** Somebody reads what is behind. */
  growing: Promise<void> | undefined
}

const nothing: Bytes = new Uint8Array(0)

/** All that are kept, the oldest first. */
const kept = new Set<Block>()

/** Reads into `target`, as `readAt` does. */
export type ReadInto = (position: number, target: Bytes) => Promise<number>

/** What readers of the same memory read. */
export interface SharingResource {
  /** Once it is known. */
  readonly length: number | undefined
  /** Handles that are open: what is kept is kept for them. */
  readonly handles: number
}

/** One memory for all who read the same bytes at about the same time: read once, and handed to each of them. */
export class SharedChunks {
  readonly #blocks = new Map<number, Block>()
  readonly #of: SharingResource

  constructor(of: SharingResource) {
    this.#of = of
  }

  /** At most `size` bytes from `position`, at least one; none at the end of the file. Rejects with what `read` rejects with. */
  async take(position: number, size: number, read: ReadInto): Promise<Bytes> {
    const start = position - (position % blockBytes)
    const end = Math.min(position + size, start + blockBytes)
    if (end <= position) return nothing
    const turn = copyTurns.enter(handoutBytes)
    if (turn !== undefined) await turn
    for (;;) {
      const block = this.#there(start) ?? (position === start && this.#of.handles > 0 ? this.#keep(start) : undefined)
      // Who begins in the midst of a block that nobody has read up to there reads the rest of it by himself.
      if (block === undefined || block.end < position) return readAlone(position, end - position, read)
      if (block.end < end && block.growing !== undefined) await block.growing
      else {
        const isOver = block.end < end && (await grow(block, end, read)) === 0
        if (isTransferred(block)) continue
        if (block.end > position || isOver)
          return block.bytes.subarray(position - start, Math.min(block.end, end) - start)
      }
    }
  }

  /** [start, end) is written anew, or lost: also what somebody is reading of it. */
  forget(start: number, end: number): void {
    for (const block of this.#blocks.values()) if (block.start < end && start < block.reach) drop(block)
  }

  clear(): void {
    for (const block of this.#blocks.values()) drop(block)
  }

  /** None where one who was handed the memory has transferred it, a byte stream for example: nobody else is to miss it. */
  #there(start: number): Block | undefined {
    const block = this.#blocks.get(start)
    if (block === undefined || !isTransferred(block)) return block
    drop(block)
    return undefined
  }

  #keep(start: number): Block {
    // A commit may have cut off all of it since it was asked for.
    const size = Math.max(0, Math.min(blockBytes, (this.#of.length ?? Number.MAX_SAFE_INTEGER) - start))
    const block: Block = { owner: this, start, bytes: allocate(size), end: start, reach: start, growing: undefined }
    this.#blocks.set(start, block)
    kept.add(block)
    for (const oldest of kept) {
      if (kept.size <= mostBlocks) break
      drop(oldest)
    }
    return block
  }

  /** @internal */
  static remove(block: Block): void {
    const { owner, start } = block
    if (owner.#blocks.get(start) === block) owner.#blocks.delete(start)
  }
}

function drop(block: Block): void {
  kept.delete(block)
  SharedChunks.remove(block)
}

function isTransferred({ bytes, start, end }: Block): boolean {
  return bytes.length === 0 && end > start
}

/** Reads on behind what is there; gives the bytes read. */
async function grow(block: Block, end: number, read: ReadInto): Promise<number> {
  let isOver: () => void = () => {}
  block.reach = end
  block.growing = new Promise((resolve) => {
    isOver = resolve
  })
  try {
    const got = await read(block.end, block.bytes.subarray(block.end - block.start, end - block.start))
    block.end += got
    return got
  } catch (error) {
    if (isTransferred(block)) return 0 // read again, into other memory
    throw error
  } finally {
    block.reach = block.end
    block.growing = undefined
    isOver()
  }
}

/** Into memory of its own. */
export async function readAlone(position: number, size: number, read: ReadInto): Promise<Bytes> {
  const target = allocate(size)
  const got = await read(position, target)
  return got === size ? target : target.subarray(0, got)
}
