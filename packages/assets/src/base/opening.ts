import { CisternError, type Driver, mapIoError, RangeSet, SpareChunks } from '@cistern/storage'
import { BLOCK_BYTES, checksumPieces, type Fragment } from '../index/blocks.js'
import type { ActiveSlot, CommittedSlot } from '../index/entry.js'
import { Pace } from '../index/pace.js'
import type { BackendFile, StoredDriver } from './backend.js'
import type { BaseCore } from './base-core.js'
import { readBack } from './block-tracker.js'
import type { KeyState } from './key-state.js'
import { LazyDriver } from './lazy-driver.js'
import { LiveGeneration, rawGeneration } from './live-generation.js'
import { copyPieces } from './piece-copy.js'

/** Opens what is on record, and nothing else: a file alone proves nothing. Runs in the key's queue. */
export class Opening {
  readonly #core: BaseCore
  /** Generations of a suspect store whose checksums held. */
  readonly #checked = new Set<string>()

  constructor(core: BaseCore) {
    this.#core = core
  }

  /** The committed generation; `undefined` when there is none, or its file is not what the record says. */
  async committed(state: KeyState): Promise<LiveGeneration | undefined> {
    if (state.committed) return state.committed
    const slot = this.#core.records.entry(state.key)?.committed
    if (slot === undefined) return undefined
    const { generation, name } = slot
    // A power cut may have undone the rename that is on record: the part's name is the other place to look.
    const found =
      (await this.#prove(state, slot)) ?? (slot.fingerprint && (await this.#prove(state, unpublished(slot))))
    // A commit waits for no turn: there may have been one while this waited, which is not on record yet.
    if (state.committed) {
      await (found || undefined)?.driver.close()
      return state.committed
    }
    if (!found) {
      this.#forget(state, generation)
      return undefined
    }
    const { driver, present } = found
    // While this waited, the key may have been removed or replaced.
    if (this.#core.records.entry(state.key)?.committed?.generation !== generation) {
      await driver.close()
      return this.committed(state)
    }
    const live = new LiveGeneration(this.#core, {
      key: state.key,
      generation,
      name,
      purpose: 'fill',
      stage: present.fingerprint === undefined ? 'recorded' : 'published',
      output: { driver, coverage: whole(slot.length), length: slot.length, validator: slot.validator, committed: true },
      processor: slot.processor,
      metadata: slot.metadata,
      committedAt: slot.committedAt,
    })
    live.replaces.push(...this.#core.takeReplaced(generation))
    state.committed = live
    this.#core.show(state)
    if (live.stage === 'recorded') this.#core.records.dirty(live.flushing) // a rename that a crash or an error left undone
    return live
  }

  /** The unfinished generation on record. Without a processor at hand, readers of a processed one see nothing yet. */
  async active(state: KeyState): Promise<LiveGeneration | undefined> {
    if (state.filling) return state.filling
    const { records } = this.#core
    const slot = records.entry(state.key)?.active
    // Committed, but not on record as such yet.
    if (slot === undefined || slot.generation === state.committed?.generation) return undefined
    const isProcessed = slot.processor !== undefined
    const generation = isProcessed ? rawGeneration(slot.generation) : slot.generation
    const name = `${state.key.asset}/${slot.name}`
    if (records.unproven(slot.writer)) {
      await this.#copyUnproven(state, slot, { name, generation, fingerprint: undefined, state: 'active' })
      return this.active(state)
    }
    const driver = await this.#openStored({ name, generation, fingerprint: undefined, state: 'active' })
    const pieces = [...slot.source.pieces()]
    const bad = driver && (await this.#badPieces(slot, pieces, driver))
    const isPresent = records.entry(state.key)?.active?.generation === slot.generation
    if (driver === undefined || bad === undefined || (bad.length > 0 && bad.length === pieces.length)) {
      await driver?.close()
      if (isPresent) this.#dropActive(state, driver !== undefined)
      return undefined
    }
    if (!isPresent) {
      await driver.close()
      return this.active(state)
    }
    this.#uncover(state, slot, bad)
    const recorded = records.entry(state.key)?.active?.source
    const part = { driver, recorded, length: slot.length, validator: slot.validator }
    const output = new LazyDriver(() => this.#core.openNew(name, slot.generation, true))
    const live = new LiveGeneration(this.#core, {
      key: state.key,
      generation: slot.generation,
      name: slot.name,
      purpose: 'fill',
      stage: 'filling',
      output: isProcessed ? { driver: output } : part,
      raw: isProcessed ? part : undefined,
      processor: slot.processor,
      metadata: slot.metadata,
      unsynced: slot.unsynced,
    })
    state.filling = live
    this.#core.show(state)
    return live
  }

  /** Checks every block against its checksum; `true` when all hold. */
  async holds(driver: Driver, pieces: Iterable<Fragment>, signal?: AbortSignal): Promise<boolean> {
    for await (const { ok } of checkPieces(driver, pieces, signal)) if (!ok) return false
    return true
  }

  /** Opens a committed generation and makes sure that it is the one on record. */
  async #prove(
    state: KeyState,
    slot: CommittedSlot,
  ): Promise<{ readonly driver: StoredDriver; readonly present: CommittedSlot } | undefined> {
    const { generation, name, fingerprint } = slot
    const file = { name: `${state.key.asset}/${name}`, generation, fingerprint, state: 'committed' } as const
    const driver = await this.#openStored(file)
    try {
      const present = driver && (await this.#proveCommitted(state, slot, driver))
      if (driver && present) return { driver, present }
    } catch (error) {
      await driver?.close()
      throw error
    }
    await driver?.close()
    return undefined
  }

  async #proveCommitted(
    state: KeyState,
    slot: CommittedSlot,
    driver: StoredDriver,
  ): Promise<CommittedSlot | undefined> {
    const { records } = this.#core
    const stat = driver.stat?.()
    if (stat && stat.length !== slot.length) return undefined
    const differs = stat !== undefined && slot.fingerprint !== undefined && stat.fingerprint !== slot.fingerprint
    // Without a fingerprint, what has the final name may be what was there before.
    const isUnproven = records.suspect || slot.fingerprint === undefined || slot.unsynced
    if (!differs && (!isUnproven || this.#checked.has(slot.generation))) return slot
    // Backups, copies and some file systems change what a file looks like: its checksums decide.
    if (!(await this.holds(driver, checksumPieces(slot.checksums, slot.length)))) return undefined
    this.#checked.add(slot.generation)
    if (!differs && !slot.unsynced) return slot
    const isSynced =
      slot.unsynced &&
      records.durability !== 'relaxed' &&
      (await driver.sync().then(
        () => true,
        () => false,
      ))
    const renewed = {
      ...slot,
      fingerprint: slot.fingerprint === undefined ? undefined : stat?.fingerprint,
      unsynced: slot.unsynced && !isSynced,
    }
    const { asset, path } = state.key
    const entry = records.entry(state.key)
    if (entry?.committed?.generation === slot.generation)
      records.record({ type: 'entry', asset, path, committed: renewed, active: entry.active })
    return renewed
  }

  /** Recorded pieces of an unfinished generation that are not what was written. */
  async #badPieces(slot: ActiveSlot, pieces: readonly Fragment[], driver: StoredDriver): Promise<Fragment[]> {
    const stat = driver.stat?.()
    const isTrusted =
      slot.fingerprint !== undefined &&
      stat?.fingerprint === slot.fingerprint &&
      !slot.unsynced &&
      !this.#core.records.suspect
    const isLongEnough = stat === undefined || stat.length >= (pieces.at(-1)?.end ?? 0)
    if (isLongEnough && (isTrusted || this.#checked.has(slot.generation))) return []
    const bad: Fragment[] = []
    for await (const { ok, ...piece } of checkPieces(driver, pieces)) if (!ok) bad.push(piece)
    return bad
  }

  /** Only what is bad is to be fetched again. */
  #uncover({ key }: KeyState, { generation }: ActiveSlot, pieces: readonly Fragment[]): void {
    for (const { start, end } of pieces) {
      this.#core.records.occupy(key.asset, start - end)
      this.#core.records.record({ type: 'uncover', asset: key.asset, path: key.path, generation, start, end })
    }
  }

  /** Whoever wrote it last may be suspended, not dead, and go on writing: what is on record is copied where he cannot. */
  async #copyUnproven(state: KeyState, slot: ActiveSlot, file: BackendFile): Promise<void> {
    const { key } = state
    const holds = await this.#openStored(file).then(async (driver) => {
      try {
        return driver && (await this.holds(driver, slot.source.pieces()))
      } finally {
        await driver?.close()
      }
    })
    if (!holds) return this.#dropActive(state, holds === false)
    const copy = await copyPieces(this.#core, key, slot.name, file, [...slot.source.pieces()])
    if (this.#core.records.entry(key)?.active?.generation !== slot.generation) return copy.drop()
    const stray = { asset: key.asset, path: key.path, name: slot.name, generation: slot.generation, published: false }
    const strays = [stray, { ...stray, generation: rawGeneration(slot.generation) }]
    copy.record(
      { length: slot.length, validator: slot.validator, processor: slot.processor, metadata: slot.metadata },
      strays,
    )
    this.#core.sweep(strays)
  }

  /** Where its file is gone, what else is of it goes too; not on the word of a suspect index. What is damaged stays. */
  #dropActive({ key }: KeyState, isDamaged: boolean): void {
    if (isDamaged || this.#core.records.suspect) this.#core.forgetActive(key)
    else this.#core.dropActive(key)
  }

  /** `undefined` when there is no such file any more; other failures reject. */
  async #openStored(file: BackendFile): Promise<StoredDriver | undefined> {
    try {
      return await this.#core.relieved(() => this.#core.backend.open(file))
    } catch (error) {
      if (CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) return undefined
      throw mapIoError(error, file.name, 'open')
    }
  }

  /** The record is dropped, never the file: it may be somebody's. */
  #forget(state: KeyState, generation: string): void {
    const { key } = state
    const { records } = this.#core
    const entry = records.entry(key)
    if (entry?.committed?.generation !== generation) return
    records.occupy(key.asset, -entry.committed.length)
    for (const replaced of this.#core.takeReplaced(generation)) this.#core.freed(replaced)
    records.record({ type: 'entry', asset: key.asset, path: key.path, committed: undefined, active: entry.active })
    this.#core.show(state)
    records.gone(key, generation)
  }
}

const unpublished = (slot: CommittedSlot): CommittedSlot => ({ ...slot, fingerprint: undefined })

/** As large as the largest piece: a check of a small file would take most of its time to get one. */
const spareBlocks = new SpareChunks(BLOCK_BYTES, 4)

/** Every piece, with whether its bytes are what its checksum says; a piece that cannot be read is not. */
export async function* checkPieces(
  driver: Driver,
  pieces: Iterable<Fragment>,
  signal?: AbortSignal,
): AsyncGenerator<Fragment & { readonly ok: boolean }> {
  const block = spareBlocks.take()
  try {
    const pace = new Pace()
    for (const piece of pieces) {
      signal?.throwIfAborted()
      const ok = await readBack(driver, piece.start, piece.end, block).then(
        (crc) => crc === piece.crc,
        () => false,
      )
      yield { ...piece, ok }
      if (pace.due) await pace.rest()
    }
  } finally {
    spareBlocks.giveBack(block)
  }
}

function whole(length: number): RangeSet {
  const covered = new RangeSet()
  if (length > 0) covered.insert(0, length)
  return covered
}
