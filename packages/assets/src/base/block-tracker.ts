import { crc32 } from 'node:zlib'
import { type Driver, RangeSet, type ReadonlyRangeSet } from '@cistern/storage'
import { BLOCK_BYTES, BlockMap, blockOf, type Fragment } from '../index/blocks.js'
import type { StoredDriver } from './backend.js'

/** Checksum of a block that arrives in order: of its bytes [start of the block, end). */
interface Running {
  end: number
  crc: number
}

/** What one flush is to record. */
export interface Batch {
  /** [start, end) of each piece: a whole block, the short last one, or a run inside an incomplete one. */
  readonly pieces: readonly { readonly start: number; readonly end: number }[]
}

/** Writes to what is being flushed wait for the flush. */
interface Flushing {
  readonly ranges: RangeSet
  readonly done: Promise<void>
}

/**
 * Knows of one generation what is on record, what could be, and its checksums: CRCs run along while a block arrives in
 * order, and are read back otherwise.
 */
export class BlockTracker {
  readonly #running = new Map<number, Running>()
  /** Blocks that changed since they were recorded last. */
  readonly #changed = new Set<number>()
  readonly #recorded: RangeSet
  #recordedEnd: number
  #flushing: Flushing | undefined
  /** The write under way: what it may be overwriting is not recorded. */
  #writing: { readonly start: number; readonly end: number } | undefined
  /** What of it is on its way into the driver. */
  #launched: { readonly start: number; readonly end: number } | undefined

  /** `recorded`: what is on record of a generation that is opened again. */
  constructor(recorded: BlockMap = new BlockMap()) {
    this.#recorded = recorded.coverage()
    this.#recordedEnd = endOf(this.#recorded)
    // Blocks on record in fragments become whole ones with whatever comes.
    for (const { start, end } of recorded.pieces()) if (end - start < BLOCK_BYTES) this.#changed.add(blockOf(start))
  }

  /** Bytes that came in without being written here: copied by the backend. */
  adopt(coverage: ReadonlyRangeSet): void {
    for (const { start, end } of coverage) {
      for (let block = blockOf(start); block * BLOCK_BYTES < end; block++) this.#changed.add(block)
    }
  }

  /** Bytes are on their way into the driver: their checksums run along meanwhile. */
  writing(position: number, parts: readonly Uint8Array[]): void {
    this.#forgetFailed()
    let at = position
    for (const part of parts) {
      for (let from = 0; from < part.byteLength; ) {
        const block = blockOf(at)
        const take = Math.min(part.byteLength - from, (block + 1) * BLOCK_BYTES - at)
        this.#run(block, at, from === 0 && take === part.byteLength ? part : part.subarray(from, from + take))
        from += take
        at += take
      }
    }
    this.#launched = { start: position, end: at }
  }

  /** As `writing`, of bytes that may never be recorded: their checksums are read back should they be. */
  passing(position: number, parts: readonly Uint8Array[]): void {
    this.#forgetFailed()
    const end = parts.reduce((at, part) => at + part.byteLength, position)
    for (let block = blockOf(position); block * BLOCK_BYTES < end; block++) {
      this.#changed.add(block)
      this.#running.delete(block)
    }
    this.#launched = { start: position, end }
  }

  /** They are in the driver. */
  written(position: number, parts: readonly Uint8Array[]): void {
    this.#launched = undefined
    const at = parts.reduce((end, part) => end + part.byteLength, position)
    // A large piece goes in steps: what is left of it is still being overwritten.
    const { end = 0 } = this.#writing ?? {}
    this.#writing = at < end ? { start: at, end } : undefined
  }

  /** A write that did not arrive leaves checksums of bytes that are not there. */
  #forgetFailed(): void {
    if (this.#launched === undefined) return
    const { start, end } = this.#launched
    this.#launched = undefined
    for (let block = blockOf(start); block * BLOCK_BYTES < end; block++) this.#running.delete(block)
  }

  #run(block: number, at: number, bytes: Uint8Array): void {
    this.#changed.add(block)
    const running = this.#running.get(block)
    if (running && running.end === at) {
      running.crc = crc32(bytes, running.crc)
      running.end += bytes.byteLength
    } else if (at === block * BLOCK_BYTES) this.#running.set(block, { crc: crc32(bytes), end: at + bytes.byteLength })
    // Out of order: whatever ran along is of no use if it is overwritten, and cannot go on if there is a gap.
    else if (running && at < running.end) this.#running.delete(block)
  }

  /** No write is under way. */
  idle(): void {
    this.#forgetFailed()
    this.#writing = undefined
  }

  /** What must happen before [start, end) may be written: nothing, or awaiting its flush and un-recording its blocks. */
  guard(
    start: number,
    end: number,
    unrecord: (start: number, end: number) => Promise<void>,
  ): Promise<void> | undefined {
    this.#forgetFailed()
    this.#writing = { start, end }
    const isFlushing = this.#flushing !== undefined && meets(this.#flushing.ranges, start, end)
    if (!isFlushing && (start >= this.#recordedEnd || !meets(this.#recorded, start, end))) return undefined
    return this.#release(start, end, unrecord)
  }

  async #release(start: number, end: number, unrecord: (start: number, end: number) => Promise<void>): Promise<void> {
    while (this.#flushing && meets(this.#flushing.ranges, start, end)) await this.#flushing.done
    if (!meets(this.#recorded, start, end)) return
    const from = blockOf(start) * BLOCK_BYTES
    const to = (blockOf(end - 1) + 1) * BLOCK_BYTES
    for (let block = blockOf(from); block * BLOCK_BYTES < to; block++) this.#changed.add(block)
    await unrecord(from, to)
    this.#recorded.delete(from, to)
    this.#recordedEnd = endOf(this.#recorded)
  }

  /** Bytes are not there any more: their checksums mean nothing. */
  lost(start: number, end: number): void {
    this.#writing = undefined
    this.#flushing?.ranges.delete(start, end)
    for (let block = blockOf(start); block * BLOCK_BYTES < end; block++) {
      this.#running.delete(block)
      // The record of the whole block goes: what is left of it is to be recorded anew.
      this.#recorded.delete(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)
      this.#changed.add(block)
    }
    this.#recordedEnd = endOf(this.#recorded)
  }

  /** What can be recorded now. `length`: known end of the resource. `thorough`: runs inside incomplete blocks too. */
  take(coverage: ReadonlyRangeSet, length: number | undefined, thorough: boolean): Batch {
    const pieces: { start: number; end: number }[] = []
    for (const block of [...this.#changed].sort((a, b) => a - b)) {
      const start = block * BLOCK_BYTES
      const end = Math.min(start + BLOCK_BYTES, length ?? Number.POSITIVE_INFINITY)
      if (this.#writing && this.#writing.start < end && this.#writing.end > start) continue
      if (end <= start) this.#changed.delete(block)
      else if (coverage.has(start, end)) {
        pieces.push({ start, end })
        this.#changed.delete(block)
      } else if (thorough)
        pieces.push(...[...runsIn(coverage, start, end)].filter((run) => !this.#recorded.has(run.start, run.end)))
    }
    return { pieces }
  }

  /**
   * Brings a batch to the medium and returns its checksums; writes over it wait until `finish` is called. Rejects when
   * the driver could not sync or be read: nothing of the batch may be recorded then.
   */
  async seal(
    batch: Batch,
    driver: StoredDriver,
    sync: boolean,
  ): Promise<{ readonly blocks: BlockMap; finish(recorded: boolean): void }> {
    const ranges = new RangeSet()
    for (const { start, end } of batch.pieces) ranges.insert(start, end)
    let settle = (): void => undefined
    this.#flushing = {
      ranges,
      done: new Promise((resolve) => {
        settle = resolve
      }),
    }
    const sealed: Fragment[] = []
    const finish = (recorded: boolean): void => {
      this.#flushing = undefined
      if (recorded) this.#keep(sealed)
      else for (const { start } of batch.pieces) this.#changed.add(blockOf(start))
      settle()
    }
    try {
      // Without a sync, too, nothing goes on record that only this process has.
      await (sync ? driver.sync() : driver.spill?.())
      const blocks = new BlockMap()
      for (const piece of batch.pieces) {
        // Lost to an I/O error while this waited.
        if (!ranges.has(piece.start, piece.end)) continue
        const crc = this.#known(piece) ?? (await readBack(driver, piece.start, piece.end))
        if (ranges.has(piece.start, piece.end)) sealed.push({ ...piece, crc })
      }
      for (const piece of sealed) setPiece(blocks, piece)
      return { blocks, finish }
    } catch (error) {
      finish(false)
      throw error
    }
  }

  #keep(pieces: Batch['pieces']): void {
    for (const { start, end } of pieces) {
      this.#recorded.insert(start, end)
      const block = blockOf(start)
      if (!this.#changed.has(block)) this.#running.delete(block)
    }
    this.#recordedEnd = endOf(this.#recorded)
  }

  #known({ start, end }: { readonly start: number; readonly end: number }): number | undefined {
    const running = this.#running.get(blockOf(start))
    return running && start % BLOCK_BYTES === 0 && running.end === end ? running.crc : undefined
  }
}

export function setPiece(blocks: BlockMap, piece: Fragment): void {
  if (piece.end - piece.start === BLOCK_BYTES) blocks.set(blockOf(piece.start), piece.crc)
  else blocks.setFragment(piece)
}

/** CRC32 of [start, end) as it lies in the driver. Rejects with an error when the driver has fewer bytes. */
export async function readBack(
  driver: Driver,
  start: number,
  end: number,
  buffer: Uint8Array = new Uint8Array(end - start),
): Promise<number> {
  const target = buffer.subarray(0, end - start)
  for (let got = 0; got < target.byteLength; ) {
    const bytes = await driver.read(start + got, target.subarray(got))
    if (bytes === 0) throw new RangeError(`the storage ends at ${start + got}, before ${end}`)
    got += bytes
  }
  return crc32(target)
}

function* runsIn(coverage: ReadonlyRangeSet, start: number, end: number): Generator<{ start: number; end: number }> {
  let at = start
  for (const gap of coverage.gaps(start, end)) {
    if (gap.start > at) yield { start: at, end: gap.start }
    at = gap.end
  }
  if (at < end) yield { start: at, end }
}

const endOf = (ranges: RangeSet): number => ranges.toFlat().at(-1) ?? 0

function meets(ranges: RangeSet, start: number, end: number): boolean {
  if (start >= end) return false
  const gap = ranges.nextGap(start, end)
  return gap === undefined || gap.start > start || gap.end < end
}
