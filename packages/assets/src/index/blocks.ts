import { RangeSet } from '@cistern/storage'

/** Bytes of one checksummed block. What a flush records is whole blocks. */
export const BLOCK_BYTES: number = 256 * 1024

/** A covered run inside one incomplete (or last, short) block: [start, end) and its CRC32. */
export interface Fragment {
  readonly start: number
  readonly end: number
  readonly crc: number
}

export const blockOf = (position: number): number => Math.floor(position / BLOCK_BYTES)

/** Which bytes of a generation are on record, and their checksums: whole blocks, and runs inside incomplete ones. */
export class BlockMap {
  readonly #whole = new Map<number, number>()
  readonly #fragments = new Map<number, readonly Fragment[]>()

  get isEmpty(): boolean {
    return this.#whole.size === 0 && this.#fragments.size === 0
  }

  /** Recorded bytes in all. */
  get size(): number {
    let bytes = this.#whole.size * BLOCK_BYTES
    for (const list of this.#fragments.values()) for (const { start, end } of list) bytes += end - start
    return bytes
  }

  /** This piece is on record, with this checksum. */
  has({ start, end, crc }: Fragment): boolean {
    const block = blockOf(start)
    if (end - start === BLOCK_BYTES) return this.#whole.get(block) === crc
    return this.#fragments.get(block)?.some((f) => f.start === start && f.end === end && f.crc === crc) ?? false
  }

  set(block: number, crc: number): void {
    this.#whole.set(block, crc)
    this.#fragments.delete(block)
  }

  /** Replaces what was recorded in the fragment's own range; a fragment never crosses a block border. */
  setFragment(fragment: Fragment): void {
    const block = blockOf(fragment.start)
    if (this.#whole.has(block)) return
    const others = (this.#fragments.get(block) ?? []).filter((f) => f.end <= fragment.start || f.start >= fragment.end)
    this.#fragments.set(
      block,
      [...others, fragment].sort((a, b) => a.start - b.start),
    )
  }

  /** Forgets every block and fragment that [start, end) touches. */
  uncover(start: number, end: number): void {
    if (start >= end) return
    if (blockOf(end - 1) - blockOf(start) > this.#whole.size + this.#fragments.size) {
      for (const block of [...this.#whole.keys(), ...this.#fragments.keys()]) this.#uncoverBlock(block, start, end)
      return
    }
    for (let block = blockOf(start); block <= blockOf(end - 1); block++) this.#uncoverBlock(block, start, end)
  }

  #uncoverBlock(block: number, start: number, end: number): void {
    const from = block * BLOCK_BYTES
    if (from < end && from + BLOCK_BYTES > start) this.#whole.delete(block)
    const kept = this.#fragments.get(block)?.filter((f) => f.end <= start || f.start >= end)
    if (kept === undefined) return
    if (kept.length > 0) this.#fragments.set(block, kept)
    else this.#fragments.delete(block)
  }

  /** Every recorded piece with its checksum, in order of position. */
  *pieces(): Generator<Fragment> {
    const blocks = [...this.#whole.keys(), ...this.#fragments.keys()].sort((a, b) => a - b)
    for (const block of blocks) {
      const crc = this.#whole.get(block)
      if (crc !== undefined) yield { start: block * BLOCK_BYTES, end: (block + 1) * BLOCK_BYTES, crc }
      yield* this.#fragments.get(block) ?? []
    }
  }

  coverage(): RangeSet {
    const covered = new RangeSet()
    for (const { start, end } of this.pieces()) covered.insert(start, end)
    return covered
  }

  /** One CRC32 (little-endian) per block of [0, length), or `undefined` when any is not on record whole. */
  checksums(length: number): Uint8Array | undefined {
    const count = Math.ceil(length / BLOCK_BYTES)
    // Before there is room made for them: a length may be any number.
    if (count > this.#whole.size + this.#fragments.size) return undefined
    const out = new Uint8Array(count * 4)
    const view = new DataView(out.buffer)
    for (let block = 0; block < count; block++) {
      const crc = this.#checksum(block, Math.min(length, (block + 1) * BLOCK_BYTES))
      if (crc === undefined) return undefined
      view.setUint32(block * 4, crc, true)
    }
    return out
  }

  #checksum(block: number, end: number): number | undefined {
    const start = block * BLOCK_BYTES
    if (end === start + BLOCK_BYTES) return this.#whole.get(block)
    return this.#fragments.get(block)?.find((f) => f.start === start && f.end === end)?.crc
  }

  static fromChecksums(checksums: Uint8Array, length: number): BlockMap {
    const map = new BlockMap()
    for (const piece of checksumPieces(checksums, length)) {
      if (piece.end - piece.start === BLOCK_BYTES) map.set(blockOf(piece.start), piece.crc)
      else map.setFragment(piece)
    }
    return map
  }

  /** Flat form for the journal: [[first block, CRCs of consecutive blocks], …] and [start, end, crc, …]. */
  encode(): readonly [runs: readonly (number | Uint8Array)[], fragments: readonly number[]] {
    return [
      encodeRuns([...this.#whole].sort((a, b) => a[0] - b[0])),
      [...this.#fragments.values()].flat().flatMap((f) => [f.start, f.end, f.crc]),
    ]
  }

  apply(runs: readonly unknown[], fragments: readonly unknown[]): void {
    for (let i = 0; i + 1 < runs.length; i += 2) {
      const first = runs[i]
      const crcs = runs[i + 1]
      if (typeof first !== 'number' || !(crcs instanceof Uint8Array)) continue
      const view = new DataView(crcs.buffer, crcs.byteOffset, crcs.byteLength)
      for (let n = 0; n * 4 + 4 <= crcs.byteLength; n++) this.set(first + n, view.getUint32(n * 4, true))
    }
    for (let i = 0; i + 2 < fragments.length; i += 3) {
      const [start, end, crc] = [fragments[i], fragments[i + 1], fragments[i + 2]]
      if (typeof start !== 'number' || typeof end !== 'number' || typeof crc !== 'number') continue
      this.setFragment({ start, end, crc })
    }
  }
}

/** The pieces that a committed resource's checksums speak of: whole blocks and the short last one. */
export function* checksumPieces(checksums: Uint8Array, length: number): Generator<Fragment> {
  const view = new DataView(checksums.buffer, checksums.byteOffset, checksums.byteLength)
  for (let block = 0; block * BLOCK_BYTES < length; block++) {
    yield {
      start: block * BLOCK_BYTES,
      end: Math.min(length, (block + 1) * BLOCK_BYTES),
      crc: view.getUint32(block * 4, true),
    }
  }
}

/** Consecutive blocks share one run: [first, bytes of CRCs, first, …]. */
export function encodeRuns(blocks: readonly (readonly [block: number, crc: number])[]): (number | Uint8Array)[] {
  const runs: (number | Uint8Array)[] = []
  for (let i = 0; i < blocks.length; ) {
    let next = i + 1
    while (next < blocks.length && blocks[next]?.[0] === (blocks[next - 1]?.[0] ?? 0) + 1) next++
    const run = new Uint8Array((next - i) * 4)
    const view = new DataView(run.buffer)
    for (let n = i; n < next; n++) view.setUint32((n - i) * 4, blocks[n]?.[1] ?? 0, true)
    runs.push(blocks[i]?.[0] ?? 0, run)
    i = next
  }
  return runs
}
