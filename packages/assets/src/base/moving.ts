import { mapIoError, NotFoundError, NotSupportedError, RangeSet } from '@cistern/storage'
import { BlockMap } from '../index/blocks.js'
import { blockRecords } from '../index/entry-records.js'
import type { ResourceKey } from '../key.js'
import type { Acquiring } from './acquiring.js'
import type { BaseCore } from './base-core.js'
import type { KeyState } from './key-state.js'
import { LiveGeneration } from './live-generation.js'

/** Gives a committed resource another key: a new generation there that shares its bytes, then the removal here. */
export class Moving {
  readonly #core: BaseCore
  readonly #acquiring: Acquiring

  constructor(core: BaseCore, acquiring: Acquiring) {
    this.#core = core
    this.#acquiring = acquiring
  }

  async move(from: ResourceKey, to: ResourceKey): Promise<void> {
    const { records } = this.#core
    if (from.id === to.id) {
      if (this.#core.context.index.stat(from) !== undefined) return
      throw new NotFoundError(`${from.id} is not in the store: there is nothing to move`)
    }
    records.check()
    // Outside of the queues: a commit that is not on record yet goes there first.
    if (this.#core.keys.known(from)?.committed?.stage === 'committed') await records.flush(false)
    // Always in the same order, whoever moves what where: two moves cannot wait for each other.
    const [first, second] = from.id < to.id ? [from, to] : [to, from]
    await this.#core.keys.queue(first, () =>
      this.#core.keys.queue(second, () => this.#moveIn(this.#core.keys.state(from), this.#core.keys.state(to))),
    )
    await (records.durability === 'strict' ? records.flush(false) : records.durable())
  }

  async #moveIn(from: KeyState, to: KeyState): Promise<void> {
    this.#core.assertOpen()
    const { records } = this.#core
    const source = await this.#acquiring.opening.committed(from)
    const slot = records.entry(from.key)?.committed
    if (source === undefined) {
      const isActive = from.filling !== undefined || records.entry(from.key)?.active !== undefined
      if (isActive) throw new NotSupportedError(`${from.key.id} is not committed: only finished resources can be moved`)
      throw new NotFoundError(`${from.key.id} is not in the store: there is nothing to move`)
    }
    if (slot?.generation !== source.generation)
      throw new NotSupportedError(`${from.key.id} is not on record yet: try again once the index can be written`)
    await this.#core.leaving.get(to.key.asset)
    const target = await this.#share(source, to)
    await this.#core.leaving.get(to.key.asset)
    if (source.stage === 'gone' || this.#core.closed) {
      await target.close()
      this.#core.dropNamed(to.key, target.generation, target.name)
      throw this.#core.closed ?? new NotFoundError(`${from.key.id} was removed while it was moved`)
    }
    const { asset, path } = to.key
    const blocks = BlockMap.fromChecksums(slot.checksums, slot.length)
    for (const record of blockRecords(asset, path, target.generation, 'source', blocks)) records.record(record)
    this.#core.arrived(to, target, slot)
    this.#core.sweep(this.#core.hide(from.key) ?? [])
  }

  /** A generation of `to` over the same bytes, not seen by anybody yet. */
  async #share(source: LiveGeneration, { key }: KeyState): Promise<LiveGeneration> {
    const { records, backend } = this.#core
    const generation = records.nextGeneration()
    const name = this.#acquiring.chooseName(key)
    const file = `${key.asset}/${name}`
    const length = source.output.resource.length ?? 0
    await records.appended(
      records.record({
        type: 'stray',
        stray: { asset: key.asset, path: key.path, name, generation, published: false },
      }),
    )
    try {
      if (!(await this.#core.clone(source, file, generation, true))) {
        const driver = await this.#core.openCopy(source, file, generation)
        await driver.sync()
        await driver.close()
      }
      const driver = await this.#core.relieved(() =>
        backend.open({ name: file, generation, fingerprint: undefined, state: 'committed' }),
      )
      // No news where they share one file; where the medium has no links, it is a copy.
      if (records.durability !== 'relaxed') await driver.sync()
      const coverage = new RangeSet()
      if (length > 0) coverage.insert(0, length)
      return new LiveGeneration(this.#core, {
        key,
        generation,
        name,
        purpose: 'replace',
        stage: 'filling',
        output: { driver, coverage, length, validator: source.source.resource.validator, committed: true },
        processor: source.processor,
        metadata: source.metadata,
        committedAt: source.committedAt,
      })
    } catch (error) {
      this.#core.dropNamed(key, generation, name)
      throw mapIoError(error, file, 'move')
    }
  }
}
