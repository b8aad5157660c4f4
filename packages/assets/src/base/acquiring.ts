import {
  mapIoError,
  NotFoundError,
  NotSupportedError,
  ProcessorMismatchError,
  RangeSet,
  type ResourceReader,
  ResourceRemovedError,
  WriterClosedError,
} from '@cistern/storage'
import { checksumPieces } from '../index/blocks.js'
import type { ResourceKey } from '../key.js'
import { encodeMetadata } from '../metadata.js'
import type { AcquireOptions, Acquisition, OpenOptions } from '../types.js'
import type { StoredDriver } from './backend.js'
import type { BaseCore } from './base-core.js'
import { HeldAcquisition } from './held-acquisition.js'
import type { KeyState } from './key-state.js'
import { LazyDriver } from './lazy-driver.js'
import { LiveGeneration, type LiveOptions, type Purpose, rawGeneration } from './live-generation.js'
import { Opening } from './opening.js'
import { RunningIntegrity } from './running-integrity.js'
import { SpillDriver } from './spill-driver.js'

type BegunName = Omit<LiveOptions, 'output' | 'raw'>

interface BeginOptions {
  readonly staged?: boolean | undefined
  readonly metadata?: object | undefined
  /** Whose bytes it begins with. */
  readonly copy?: LiveGeneration | undefined
}

/** Hands out readers and writers: one open generation per key and purpose, shared by all who ask for it. */
export class Acquiring {
  readonly #core: BaseCore
  readonly opening: Opening

  constructor(core: BaseCore) {
    this.#core = core
    this.opening = new Opening(core)
    core.begin = (live) => this.#renew(live)
  }

  async open(key: ResourceKey, options: OpenOptions): Promise<ResourceReader> {
    const present = this.#core.keys.known(key)
    // Open already and nothing queued: no need to wait for a turn.
    // Opened in the turn itself: what has no handle may be closed as soon as the turn is over.
    const { live, reader } =
      present?.isIdle && present.committed
        ? reading(present.committed)
        : await this.#core.keys.queue(key, async (state) => reading(await this.#find(state)))
    try {
      if (options.verify && live.isCommitted && !(await this.#isWhole(live, options.signal))) {
        reader.close()
        if (live.stage === 'gone') return await this.open(key, options) // a newer one was committed meanwhile, or none is left
        this.#core.damaged(live)
        throw new NotFoundError(`${key.id} is damaged and was dropped: fetch it again`)
      }
      if (options.committed) await reader.waitCommit({ signal: options.signal })
      return reader
    } catch (error) {
      reader.close()
      throw error
    }
  }

  async acquire(key: ResourceKey, options: AcquireOptions): Promise<Acquisition> {
    await this.#core.makeRoom()
    const got = await this.#core.keys.queue(key, (state) => this.#acquire(state, options))
    if (got.writer === undefined) return got
    try {
      if (options.metadata) got.writer.setMetadata(options.metadata)
      if (options.length !== undefined)
        await got.writer.declare({ length: options.length, validator: got.writer.validator ?? null })
      return got
    } catch (error) {
      await got[Symbol.asyncDispose]()
      throw error
    }
  }

  async #find(state: KeyState): Promise<LiveGeneration> {
    this.#core.assertOpen()
    const live = await this.#newest(state)
    if (live) return live
    throw new NotFoundError(`${state.key.id} is not in the store: acquire it to fill it`)
  }

  /** What is committed, else what is unfinished. A commit waits for no turn: there may be one while the other is opened. */
  async #newest(state: KeyState): Promise<LiveGeneration | undefined> {
    const committed = await this.opening.committed(state)
    if (committed) return committed
    const filling = await this.opening.active(state)
    if (state.committed === undefined) return filling
    if (filling) this.#core.unused(filling) // opened here, perhaps, and held by nobody
    return state.committed
  }

  async #isWhole(live: LiveGeneration, signal: AbortSignal | undefined): Promise<boolean> {
    const slot = this.#core.records.entry(live.key)?.committed
    if (slot?.generation !== live.generation) return true // not on record yet: nothing has been able to damage it unnoticed
    return this.opening.holds(live.output.driver, checksumPieces(slot.checksums, slot.length), signal)
  }

  #acquire(state: KeyState, options: AcquireOptions): Promise<Acquisition> {
    this.#core.assertOpen()
    switch (options.mode ?? 'fill') {
      case 'fill':
        return this.#fill(state, options)
      case 'replace':
        return this.#replace(state, options)
      default:
        return this.#rewrite(state, options)
    }
  }

  async #fill(state: KeyState, options: AcquireOptions): Promise<Acquisition> {
    const filling = await this.#newest(state)
    if (filling?.isCommitted) return HeldAcquisition.reading(filling)
    if (filling === undefined) return this.#hand(await this.#begin(state, 'fill', options), options)
    if (isAskedFor(filling, options) && filling.isUsable) return this.#hand(filling, options)
    if (filling.source.resource.writing) throw otherwiseWritten(filling)
    // Half of it was stored another way: cipher text is never taken for plain.
    this.#core.dropActive(state.key)
    return this.#fill(state, options)
  }

  /** The first rewriter writes; others join it as readers. */
  async #rewrite(state: KeyState, options: AcquireOptions): Promise<Acquisition> {
    if (state.rewriting?.isUsable) {
      if (!isAskedFor(state.rewriting, options)) throw otherwiseWritten(state.rewriting)
      return this.#hand(state.rewriting, options)
    }
    const from = await this.opening.committed(state)
    if (options.mode === 'extend' && options.staged) {
      throw new NotSupportedError(
        `${state.key.id} cannot be extended through a processor: what is there has been through one already`,
      )
    }
    const copy = options.mode === 'extend' ? from : undefined
    try {
      return this.#hand(await this.#begin(state, 'rewrite', { ...options, copy }), options)
    } finally {
      if (from) this.#core.unused(from) // opened here, perhaps, and held by nobody
    }
  }

  async #replace(state: KeyState, options: AcquireOptions): Promise<Acquisition> {
    return this.#hand(await this.#begin(state, 'replace', options), options)
  }

  #hand(live: LiveGeneration, options: AcquireOptions): Acquisition {
    if (live.source.resource.writing) return HeldAcquisition.reading(live)
    if (live.stage === 'gone') throw new ResourceRemovedError(`${live.key.id} was removed while it was acquired`)
    if (options.integrity !== undefined) live.integrity = new RunningIntegrity(options.integrity)
    return HeldAcquisition.writing(live, (of, processor) => this.#identify(latest(of), processor))
  }

  /** Source bytes that went in under another processor are of no use to this one. */
  async #identify(live: LiveGeneration, processor: string): Promise<void> {
    let present = live
    if (live.processor !== processor && live.source.resource.coverage.size > 0) {
      present = await this.#core.renew(live)
    }
    present.processor = processor
    present.record()
  }

  // ── beginning ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #begin(state: KeyState, purpose: Purpose, options: BeginOptions): Promise<LiveGeneration> {
    const { records, leaving } = this.#core
    const { key } = state
    await leaving.get(key.asset)
    records.check()
    const generation = records.nextGeneration()
    const name = this.chooseName(key)
    const metadata = options.metadata ? encodeMetadata(options.metadata) : options.copy?.metadata
    const sequence = this.#name(key, generation, name, purpose, metadata)
    const named = { key, generation, name, purpose, stage: 'filling', metadata } as const
    try {
      const live = options.copy
        ? await this.#beginWithCopy(named, sequence, options.copy)
        : this.#beginEmpty(named, sequence, options.staged === true)
      if (options.copy) await leaving.get(key.asset)
      if (this.#core.closed || !this.#core.isNamed(live)) {
        await live.close()
        throw this.#core.closed ?? new ResourceRemovedError(`${key.id} was removed while it was begun`)
      }
      this.#place(state, live)
      if (live.stored > 0) records.occupy(key.asset, live.stored)
      return live
    } catch (error) {
      this.#core.dropNamed(key, generation, name)
      throw mapIoError(error, `${key.asset}/${name}`, 'begin')
    }
  }

  /** Its files are made beside whatever the caller does next, or with the first byte that must go there. */
  #beginEmpty(named: BegunName, sequence: number, staged: boolean): LiveGeneration {
    const { key, name, generation, purpose } = named
    const isGone = () => live.stage === 'gone'
    const output = new LazyDriver(() => this.#openPart(named, generation, sequence, isGone))
    const raw = staged && {
      driver: new SpillDriver(() => this.#openRaw(key, name, rawGeneration(generation), purpose, isGone)),
    }
    const live: LiveGeneration = new LiveGeneration(this.#core, {
      ...named,
      output: { driver: output },
      raw: raw || undefined,
    })
    if (!staged) output.begin()
    return live
  }

  async #beginWithCopy(named: BegunName, sequence: number, copy: LiveGeneration): Promise<LiveGeneration> {
    const { key, name, generation } = named
    await this.#named(sequence)
    const driver = await this.#core.openCopy(copy, `${key.asset}/${name}`, generation)
    const { resource } = copy.output
    const coverage = RangeSet.fromFlat(resource.coverage.toFlat())
    return new LiveGeneration(this.#core, { ...named, output: { driver, coverage, validator: resource.validator } })
  }

  /** The name goes on record before the file is made: a crash leaves no stray that nobody knows of. */
  async #named(sequence: number): Promise<void> {
    await this.#core.records.appended(sequence).catch(() => undefined) // a journal that fails is reported as `degraded`
  }

  async #openPart(
    { key, name }: BegunName,
    generation: string,
    sequence: number,
    isGone: () => boolean,
  ): Promise<StoredDriver> {
    await this.#named(sequence)
    return this.#make(`${key.asset}/${name}`, generation, isGone)
  }

  /** What was dropped while its file was made has been swept before: the file goes at once. */
  async #make(file: string, generation: string, isGone: () => boolean): Promise<StoredDriver> {
    const refuse = () => {
      throw new ResourceRemovedError(`${file} was removed before it was written`)
    }
    if (isGone()) return refuse()
    const driver = await this.#core.openNew(file, generation)
    if (!isGone()) return driver
    await driver.close()
    await this.#core.backend.remove(file, generation, false)
    return refuse()
  }

  /** Only what is on record as processed is known to have a raw part: that is to be there before the file is. */
  async #openRaw(
    key: ResourceKey,
    name: string,
    generation: string,
    purpose: Purpose,
    isGone: () => boolean,
  ): Promise<StoredDriver> {
    const { records } = this.#core
    const { asset, path } = key
    if (purpose !== 'fill')
      records.record({ type: 'stray', stray: { asset, path, name, generation, published: false } })
    await records.appended().catch(() => undefined) // a journal that fails is reported as `degraded`
    return this.#make(`${asset}/${name}`, generation, isGone)
  }

  #place(state: KeyState, live: LiveGeneration): void {
    if (live.purpose === 'fill') state.filling = live
    else if (live.purpose === 'rewrite') state.rewriting = live
    else state.replacing.add(live)
    this.#core.show(state)
  }

  #name(
    key: ResourceKey,
    generation: string,
    name: string,
    purpose: Purpose,
    metadata: Uint8Array | undefined,
  ): number {
    const { records } = this.#core
    const { asset, path } = key
    if (purpose !== 'fill')
      return records.record({ type: 'stray', stray: { asset, path, name, generation, published: false } })
    const active = {
      generation,
      name,
      writer: records.session,
      metadata,
      length: undefined,
      validator: undefined,
      processor: undefined,
      unsynced: records.durability === 'relaxed',
      fingerprint: undefined,
    }
    return records.record({ type: 'entry', asset, path, committed: records.entry(key)?.committed, active })
  }

  /** The file that a key's bytes get: its path where that is free, else its path with `~<n>` in it. */
  chooseName(key: ResourceKey): string {
    const { records, backend } = this.#core
    const own = records.entry(key)?.committed?.name
    if (own !== undefined) return own
    for (const name of namesFor(key.path)) {
      if (records.isNameFree(key, name) && (!backend.exists?.(`${key.asset}/${name}`) || this.#isLeaving(key, name)))
        return name
    }
    throw new TypeError(`${key.id} has no name that is free`) // there is no last one
  }

  /** What has the name is a removed generation of the same key, about to be unlinked. */
  #isLeaving(key: ResourceKey, name: string): boolean {
    for (const stray of this.#core.records.strays(key.asset)) {
      if (stray.published && stray.path === key.path && stray.name === name) return true
    }
    return false
  }

  /** The writer discards: the same place, a new generation. */
  #renew(live: LiveGeneration): Promise<LiveGeneration> {
    return this.#core.keys.queue(live.key, async (state) => {
      this.#core.assertOpen()
      if (live.stage !== 'filling')
        throw new WriterClosedError(`${live.key.id}: the generation is ${live.stage}, there is nothing to discard`)
      this.#core.discard(live)
      try {
        const next = await this.#begin(state, live.purpose, { staged: live.raw !== undefined })
        next.integrity = live.integrity?.anew()
        if (live.writersMetadata) next.setMetadata(live.writersMetadata)
        next.writersMetadata = live.writersMetadata
        next.processor = live.processor
        if (next.processor !== undefined) next.record()
        // In this very turn: to whoever comes next, the new generation has a writer.
        live.successor = next
        live.output.resource.supersede(next.output.resource)
        if (live.raw && next.raw) live.raw.resource.supersede(next.raw.resource)
        return next
      } catch (error) {
        for (const resource of live.resources()) resource.remove()
        throw error
      }
    })
  }
}

/** At the end if that will do (`a~1` beside `a/b`), else in a folder (`a~1/b` beside `a`). Endless. */
function* namesFor(path: string): Generator<string> {
  yield path
  const components = path.split('/')
  for (let n = 1; ; n++) {
    for (let at = components.length - 1; at >= 0; at--) yield components.with(at, `${components[at]}~${n}`).join('/')
  }
}

const reading = (live: LiveGeneration): { readonly live: LiveGeneration; readonly reader: ResourceReader } => ({
  live,
  reader: live.output.resource.openReader(),
})

/** Through a processor, or without one. */
const isAskedFor = (live: LiveGeneration, { staged = false }: AcquireOptions): boolean =>
  (live.raw !== undefined) === staged

const otherwiseWritten = ({ key, raw }: LiveGeneration): ProcessorMismatchError =>
  new ProcessorMismatchError(
    `${key.id} is being written ${raw ? 'through a processor' : 'without a processor'}: ask for it the same way, or wait for its commit`,
  )

const latest = (live: LiveGeneration): LiveGeneration => (live.successor ? latest(live.successor) : live)
