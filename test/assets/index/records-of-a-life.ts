import { BLOCK_BYTES } from '#assets/index/blocks.js'
import type { IndexState } from '#assets/index/index-state.js'
import type { ActiveFields, CommittedFields, IndexRecord, Stray } from '#assets/index/record.js'
import { randomChoice, randomInteger, randomNumbers } from '../../helpers/bytes.js'

interface Filling {
  readonly generation: string
  readonly length: number
  readonly recorded: Set<number>
}

/** Records in an order in which a store writes them: begin, blocks, declare, commit, put, discard, remove, use, pin. */
export class RecordsOfALife {
  readonly #random: () => number
  readonly #paths: readonly string[]
  readonly #assets: readonly string[]
  readonly #active = new Map<string, Filling>()
  readonly #committed = new Map<string, CommittedFields>()
  readonly #putting = new Map<string, Filling[]>()
  readonly #strays: string[] = []
  #generations = 0
  #clock = 0

  constructor(seed: number, { assets = 2, paths = 12 } = {}) {
    this.#random = randomNumbers(seed)
    this.#assets = Array.from({ length: assets }, (_, i) => `asset-${i}`)
    this.#paths = Array.from({ length: paths }, (_, i) => `${i % 3 === 0 ? 'B/' : 'a/'}${(i * 7919) % 1000}.ts`)
  }

  /** The records of one step: those of one array are applied without anything in between. */
  next(): IndexRecord[] {
    const asset = randomChoice(this.#random, this.#assets)
    const path = randomChoice(this.#random, this.#paths)
    const id = `${asset}/${path}`
    const filling = this.#active.get(id)
    const putting = this.#putting.get(id) ?? []
    const dice = this.#random()
    if (dice < 0.08) return [{ type: 'use', uses: [[asset, ++this.#clock]] }]
    if (dice < 0.11) return [{ type: 'pin', asset, pinned: this.#random() < 0.5 }]
    if (dice < 0.15) return this.#sweep()
    if (dice < 0.22) return this.#remove(asset, path, id)
    if (dice < 0.35) return this.#beginPut(asset, path, id, putting)
    if (dice < 0.5 && putting.length > 0) return this.#commitPut(asset, path, id, putting)
    if (filling === undefined) return this.#begin(asset, path, id)
    if (dice < 0.7) return [this.#blocks(asset, path, filling, randomInteger(this.#random, 0, 4))]
    if (dice < 0.78) return [this.#entry(asset, path, this.#committed.get(id), filling)]
    if (dice < 0.82) return [this.#uncover(asset, path, filling)]
    return this.#commit(asset, path, id, filling)
  }

  #fresh(): Filling {
    const length = randomInteger(this.#random, 0, 3 * BLOCK_BYTES)
    return { generation: `session-${(++this.#generations).toString(36)}`, length, recorded: new Set() }
  }

  #begin(asset: string, path: string, id: string): IndexRecord[] {
    const filling = this.#fresh()
    this.#active.set(id, filling)
    return [this.#entry(asset, path, this.#committed.get(id), filling)]
  }

  #beginPut(asset: string, path: string, id: string, putting: Filling[]): IndexRecord[] {
    const filling = this.#fresh()
    this.#putting.set(id, [...putting, filling])
    return [{ type: 'stray', stray: stray(asset, path, filling.generation, false) }]
  }

  #commitPut(asset: string, path: string, id: string, putting: Filling[]): IndexRecord[] {
    const filling = randomChoice(this.#random, putting)
    this.#putting.set(
      id,
      putting.filter((one) => one !== filling),
    )
    return [this.#blocks(asset, path, filling, 4), this.#take(asset, path, id, filling, this.#active.get(id))]
  }

  #commit(asset: string, path: string, id: string, filling: Filling): IndexRecord[] {
    this.#active.delete(id)
    return [this.#blocks(asset, path, filling, 4), this.#take(asset, path, id, filling, undefined)]
  }

  #take(asset: string, path: string, id: string, by: Filling, active: Filling | undefined): IndexRecord {
    const before = this.#committed.get(id)
    const committed = committedFields(path, by)
    this.#committed.set(id, committed)
    if (before) this.#strays.push(before.generation)
    return this.#entry(asset, path, committed, active, before ? [stray(asset, path, before.generation, true)] : [])
  }

  #entry(
    asset: string,
    path: string,
    committed: CommittedFields | undefined,
    active: Filling | undefined,
    strays: Stray[] = [],
  ): IndexRecord {
    return { type: 'entry', asset, path, committed, active: active && activeFields(path, active), strays }
  }

  /** Up to `count` blocks that are not on record yet; 4: all. */
  #blocks(asset: string, path: string, filling: Filling, count: number): IndexRecord {
    const runs: (number | Uint8Array)[] = []
    const fragments: number[] = []
    for (let block = 0; block * BLOCK_BYTES < filling.length && (count === 4 || runs.length / 2 < count); block++) {
      if (filling.recorded.has(block)) continue
      filling.recorded.add(block)
      const crc = Number.parseInt(filling.generation.slice(8), 36) * 8 + block
      const end = Math.min(filling.length, (block + 1) * BLOCK_BYTES)
      if (end % BLOCK_BYTES === 0) runs.push(block, littleEndian(crc))
      else fragments.push(block * BLOCK_BYTES, end, crc)
    }
    return { type: 'blocks', asset, path, generation: filling.generation, part: 'source', runs, fragments }
  }

  #uncover(asset: string, path: string, filling: Filling): IndexRecord {
    const block = randomInteger(this.#random, 0, 3)
    filling.recorded.delete(block)
    const [start, end] = [block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES]
    return { type: 'uncover', asset, path, generation: filling.generation, start, end }
  }

  #remove(asset: string, path: string, id: string): IndexRecord[] {
    const strays: Stray[] = []
    const committed = this.#committed.get(id)
    const active = this.#active.get(id)
    if (committed) strays.push(stray(asset, path, committed.generation, true))
    if (active) strays.push(stray(asset, path, active.generation, false))
    if (strays.length === 0) return []
    this.#committed.delete(id)
    this.#active.delete(id)
    this.#strays.push(...strays.map(({ generation }) => generation))
    return [{ type: 'remove', asset, paths: [path], strays }]
  }

  #sweep(): IndexRecord[] {
    return this.#strays.length === 0 ? [] : [{ type: 'swept', generations: this.#strays.splice(0) }]
  }
}

function stray(asset: string, path: string, generation: string, published: boolean): Stray {
  return { asset, path, name: path, generation, published }
}

function committedFields(path: string, { generation, length }: Filling): CommittedFields {
  const fields = { processor: undefined, validator: undefined, metadata: undefined, unsynced: false }
  return { ...fields, generation, name: path, length, committedAt: 1, fingerprint: 'seen' }
}

function activeFields(path: string, { generation, length }: Filling): ActiveFields {
  const fields = { processor: undefined, validator: '"v"', metadata: undefined, unsynced: false }
  return { ...fields, generation, name: path, length, writer: 'session', fingerprint: undefined }
}

function littleEndian(crc: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, crc, true)
  return bytes
}

/** All that a state says, for comparing. */
export function told(state: IndexState): unknown {
  const assets = [...state.rows.keys()].sort().map((asset) => {
    const row = state.rows.get(asset)
    const entries = [...state.under(asset, '')].map(({ path, committed, active }) => ({
      path,
      committed: committed && { ...committed, checksums: Buffer.from(committed.checksums).toString('hex') },
      active: active && { ...active, source: [...active.source.pieces()] },
    }))
    const first = row?.leaves.map((leaf) => leaf.first)
    const isInOrder = first?.every((key, at) => at === 0 || key > (first[at - 1] as string))
    const counted = row?.leaves.every((leaf) => leaf.count === leaf.entries.size)
    return { asset, pinned: row?.pinned, use: row?.use, resources: row?.resources, entries, isInOrder, counted }
  })
  return {
    assets,
    recency: [...state.recency].map(({ name }) => name),
    strays: [...state.strays.keys()].sort(),
    counts: [state.assetCount, state.resourceCount],
    refused: state.refused,
  }
}

/** What the asset's resources occupy by what is on record. */
export function storedIn(state: IndexState): number {
  let bytes = 0
  for (const asset of state.rows.keys())
    for (const { committed, active } of state.under(asset, ''))
      bytes += (committed?.length ?? 0) + (active?.source.size ?? 0)
  return bytes
}
