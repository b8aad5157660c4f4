import { recover } from '#assets/index/recovery.js'
import { told } from '../../assets/index/records-of-a-life.js'
import { MemoryIndex } from './memory-index.js'
import { isJournal, type PristineIndex } from './pristine.js'
import { replayed } from './replay.js'

export interface Tried {
  readonly rounds: number
  readonly violations: readonly string[]
}

interface Damage {
  readonly what: string
  readonly bytes: Uint8Array
  /** Bytes that are not what they were. */
  readonly start: number
  readonly end: number
}

const ENOUGH = 10

/**
 * Each file of an index with each of its bytes flipped, and cut at each length (`stride` 1; else a share of them): what is
 * recovered is exactly what a replay gives without the records whose own frames were hit.
 */
export async function everyByte(index: PristineIndex, stride: number, first: number): Promise<Tried> {
  const violations: string[] = []
  const expected = new Expectation(index)
  let rounds = 0
  using memory = new MemoryIndex()
  for (const [name, bytes] of index.files) {
    for (const damage of damages(bytes, stride, first)) {
      rounds++
      memory.show(new Map(index.files).set(name, damage.bytes))
      const { state, suspect } = await recover(memory.dir, index.session)
      const { wanted, isMissing } = expected.without(name, damage)
      if (JSON.stringify(told(state)) !== wanted)
        violations.push(`${name} ${damage.what}: not what the other records give: ${JSON.stringify(told(state))}`)
      if (isMissing && !suspect) violations.push(`${name} ${damage.what}: a record is missing, and it is not suspect`)
      if (violations.length >= ENOUGH) return { rounds, violations }
    }
  }
  return { rounds, violations }
}

function* damages(bytes: Uint8Array, stride: number, first: number): Generator<Damage> {
  for (let at = first % stride; at < bytes.length; at += stride) {
    const flipped = Uint8Array.from(bytes)
    flipped[at] = (flipped[at] ?? 0) ^ (1 << ((at + first) % 8))
    yield { what: `with byte ${at} flipped`, bytes: flipped, start: at, end: at + 1 }
    yield { what: `cut at ${at}`, bytes: bytes.subarray(0, at), start: at, end: bytes.length }
  }
}

/** What there must be, from where the frames stood in the files. Snapshots have their predecessors: they may cost nothing. */
class Expectation {
  readonly #index: PristineIndex
  readonly #known = new Map<string, string>()

  constructor(index: PristineIndex) {
    this.#index = index
  }

  without(name: string, { start, end }: Damage): { readonly wanted: string; readonly isMissing: boolean } {
    const frames = this.#index.journals.get(name) ?? []
    const lost = new Set(
      frames.filter((frame) => frame.start < end && frame.end > start).map(({ sequence }) => sequence),
    )
    const kept = [...this.#index.journals.values()].flat().filter(({ sequence }) => !lost.has(sequence))
    const last = kept.at(-1)?.sequence ?? 0
    const isMissing = isJournal(name) && [...lost].some((sequence) => sequence > this.#index.floor && sequence < last)
    const id = [...lost].join()
    const wanted = this.#known.get(id) ?? JSON.stringify(told(replayed(this.#index.snapshots, kept)))
    this.#known.set(id, wanted)
    return { wanted, isMissing }
  }
}
