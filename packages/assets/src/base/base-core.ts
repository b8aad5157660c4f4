import {
  CisternError,
  mapIoError,
  NoSpaceError,
  ResourceRemovedError,
  StorageIoError,
  StoreClosedError,
} from '@cistern/storage'
import { checksumPieces, type Fragment } from '../index/blocks.js'
import type { CommittedSlot } from '../index/entry.js'
import type { Stray } from '../index/record.js'
import type { BaseContext, IndexRecords } from '../index/records.js'
import type { ResourceKey } from '../key.js'
import type { Backend, StoredDriver } from './backend.js'
import { hideCommitted, hideKeys } from './hiding.js'
import type { KeyState } from './key-state.js'
import { KeyStates } from './key-states.js'
import { type LiveGeneration, rawGeneration } from './live-generation.js'
import type { Part } from './part.js'
import { salvage } from './salvage.js'
import { SpillDriver } from './spill-driver.js'
import { Sweeper } from './sweeper.js'

/** What is open, and what happens to it: the transitions that the index is told of. */
export class BaseCore {
  readonly records: IndexRecords
  readonly backend: Backend
  readonly context: BaseContext
  readonly sweeper: Sweeper
  readonly keys: KeyStates = new KeyStates()
  /** Generations whose descriptors are open: those of the states, gone ones that readers hold, and those being closed. */
  readonly opened: Set<LiveGeneration> = new Set()
  /** Without handles, but not durable yet. */
  readonly #unflushedIdle = new Set<LiveGeneration>()
  /** Begins the generation that takes over from a discarded one; set by whoever can begin one. */
  begin: (live: LiveGeneration) => Promise<LiveGeneration> = () =>
    Promise.reject(new TypeError('nobody begins generations'))
  /** Assets that are hidden already and still on their way out of the index: until then, nothing begins in them. */
  readonly leaving: Map<string, Promise<unknown>> = new Map()
  closed: CisternError | undefined
  /** Generations at rest that could not be given their final name, with those that were to lose it to them. */
  readonly #unpublished = new Map<string, readonly string[]>()

  constructor(context: BaseContext, backend: Backend) {
    this.context = context
    this.records = context.records
    this.backend = backend
    this.sweeper = new Sweeper(this.records, backend, (key, step) => this.keys.queue(key, step))
  }

  /** The index shows what others see, and nothing else. */
  show(state: KeyState): void {
    // A committed generation that is on record hides the unfinished one beside it, open or not.
    const isShown = state.committed ?? (state.filling && !this.records.entry(state.key)?.committed)
    if (isShown) this.records.attach(state.key, state)
    else this.records.detach(state.key, state)
  }

  // ── what its handles tell of a generation ────────────────────────────────────────────────────────────────────────

  committed(live: LiveGeneration, length: number): void {
    const state = this.keys.state(live.key)
    const before = state.committed
    live.stage = 'committed'
    live.committedAt = Date.now()
    // One that never got on record leaves its place in a flush under way: a checkpoint is owed what it was called for.
    this.records.dirty(live.flushing, before?.stage === 'committed' ? before.flushing : undefined)
    if (before) this.#replaced(state, before, live)
    else this.#hideOnRecord(live)
    if (live.raw) this.sweeper.hide(live.key.asset, rawGeneration(live.generation), live.raw.resource.coverage.size)
    state.forget(live)
    state.committed = live
    this.show(state)
    if (live.handles === 0) this.#unflushedIdle.add(live)
    this.context.events.emit('commit', { key: live.key, generation: live.generation, length })
  }

  /** A generation that shares the bytes of one on record takes its place under another key. */
  arrived(state: KeyState, live: LiveGeneration, slot: CommittedSlot): void {
    const before = state.committed
    this.records.occupy(live.key.asset, slot.length)
    if (before) this.#replaced(state, before, live)
    else this.#hideOnRecord(live)
    state.committed = live
    live.flushing.recordCommitted(slot.length)
    this.show(state)
    this.records.dirty(live.flushing)
    this.unused(live)
  }

  /** An open committed generation has been superseded. */
  #replaced(state: KeyState, before: LiveGeneration, by: LiveGeneration): void {
    this.sweeper.hide(before.key.asset, before.generation, before.stored)
    const wasOnRecord = before.stage === 'recorded' || before.stage === 'published'
    state.forget(before)
    before.stage = 'gone'
    before.flushing.giveUp(new ResourceRemovedError(`${before.key.id}: a newer generation was committed`))
    this.records.gone(before.key, before.generation)
    // On record, it is displaced by the new one's commit record; before that, nothing but a stray names it.
    if (!wasOnRecord) this.#dropUnrecorded(before)
    else if (by.name === before.name) by.replaces.push(before.generation)
    // What it was to take the name of, its successor takes it of.
    by.replaces.push(...before.replaces.splice(0))
    this.unused(before)
  }

  /** A committed generation that is not open has been superseded. */
  #hideOnRecord(live: LiveGeneration): void {
    const slot = this.records.entry(live.key)?.committed
    if (slot === undefined || slot.generation === live.generation) return
    live.replaces.push(...this.takeReplaced(slot.generation))
    this.sweeper.hide(live.key.asset, slot.generation, slot.length)
    this.records.gone(live.key, slot.generation)
  }

  failed(live: LiveGeneration, error: Error): void {
    for (const resource of live.resources()) if (resource.status.state === 'active') resource.fail(error)
    if (this.#drop(live, error)) this.context.events.emit('fail', { key: live.key, error })
  }

  released(live: LiveGeneration, cause: Error | undefined): void {
    if (live.stage !== 'filling') return
    live.writersMetadata = undefined
    if (live.purpose === 'fill') this.records.dirty(live.flushing)
    else
      this.#drop(
        live,
        cause ?? new ResourceRemovedError(`${live.key.id}: a ${live.purpose} that was not committed is discarded`),
      )
    this.context.events.emit('abandon', { key: live.key, error: cause })
  }

  leaked(live: LiveGeneration, what: 'reader' | 'writer'): void {
    this.context.events.emit('leak', { key: live.key, what })
  }

  /** The writer discards what is there: a new generation takes over. */
  renew(live: LiveGeneration): Promise<LiveGeneration> {
    return this.begin(live)
  }

  /** Nobody may be told of a generation whose bytes never reached the medium. */
  unsynced(live: LiveGeneration, cause: unknown): void {
    const error = mapIoError(cause, live.source.driver.path, `sync ${live.key.id}`)
    live.flushing.giveUp(error)
    // Held in memory still: a full disk may have room at the next flush. After any other failure nothing tells what
    // the medium has, and trying again would only hide that.
    if (
      error instanceof NoSpaceError &&
      live.stage === 'filling' &&
      live.raw?.driver instanceof SpillDriver &&
      !live.raw.driver.hasSpilled
    ) {
      this.records.dirty(live.flushing)
    } else this.#fail(live, error)
  }

  /** An I/O error took bytes: nothing may name them any more. */
  lost(live: LiveGeneration, part: Part, start: number, end: number, error: Error, bytes: number): void {
    const { asset, path } = live.key
    if (live.stage === 'gone') return // its bytes were taken off when it was hidden
    this.records.occupy(asset, -bytes)
    if (live.isCommitted) {
      this.#fail(live, error, (piece) => piece.end <= start || piece.start >= end)
      return
    }
    // What came out of a processor is on no record before its commit.
    if (live.purpose !== 'fill' || part !== live.source) return
    this.records.record({ type: 'uncover', asset, path, generation: live.generation, start, end })
    live.flushing.written() // the record of whole blocks went: what is left of them goes on it anew
  }

  /**
   * Readers of what was committed keep what can be read. What is `good` of it becomes an unfinished generation, and the
   * rest is asked for again; without that, the next acquire begins anew.
   */
  #fail(live: LiveGeneration, error: Error, good?: (piece: Fragment) => boolean): void {
    if (live.stage === 'gone') return
    if (!live.isCommitted) {
      this.failed(live, error)
      return
    }
    if (live.stage === 'committed') {
      this.#retract(live, error)
      this.context.events.emit('fail', { key: live.key, error })
      return
    }
    const slot = this.records.entry(live.key)?.committed
    if (good && slot?.generation === live.generation && slot.processor === undefined) this.#salvage(live, slot, good)
    else this.sweep(hideCommitted(this, live.key))
    this.context.events.emit('fail', { key: live.key, error })
  }

  /** A commit that never reached the medium: what it was to take the place of is on record still, and shows again. */
  #retract(live: LiveGeneration, error: Error): void {
    const files = live.files
    const state = this.keys.state(live.key)
    live.stage = 'gone'
    for (const resource of live.resources())
      resource.remove(new ResourceRemovedError(`${live.key.id} never reached the medium`, { cause: error }))
    this.sweeper.hide(live.key.asset, live.generation, live.stored)
    state.forget(live)
    const slot = this.records.entry(live.key)?.committed
    if (slot) {
      this.sweeper.reveal(live.key.asset, slot.generation, slot.length)
      // What it was to lose its name to this one, it still loses to that one.
      const replaced = live.replaces.splice(0).filter((generation) => generation !== slot.generation)
      if (replaced.length > 0) this.#unpublished.set(slot.generation, replaced)
    }
    this.unname(live, files)
    this.show(state)
    this.records.gone(live.key, live.generation)
    this.sweep(files)
    this.unused(live)
    this.keys.forgetEmpty(state)
  }

  #salvage(live: LiveGeneration, slot: CommittedSlot, good: (piece: Fragment) => boolean): void {
    const pieces = [...checksumPieces(slot.checksums, slot.length)].filter(good)
    this.keys
      .queue(live.key, async () => {
        const present = this.records.entry(live.key)?.committed // recorded anew, say, with its final name
        if (present?.generation === slot.generation) await salvage(this, live.key, present, pieces)
      })
      // More of it cannot be read, or there is no room for a copy: it is fetched whole.
      .catch(() => live.stage !== 'gone' && this.sweep(hideCommitted(this, live.key)))
  }

  /** Forgets an unfinished generation; its files are swept. `false` when that has happened already. */
  #drop(live: LiveGeneration, error: Error): boolean {
    if (live.stage !== 'filling') return false
    const files = live.files
    const state = this.keys.state(live.key)
    const wasVisible = state.visible === live
    live.stage = 'gone'
    for (const resource of live.resources()) {
      if (resource.status.state === 'active') resource.remove(error instanceof ResourceRemovedError ? error : undefined)
    }
    this.sweeper.hide(live.key.asset, live.generation, live.stored)
    state.forget(live)
    this.unname(live, files)
    this.show(state)
    if (wasVisible) this.records.gone(live.key, live.generation)
    this.sweep(files)
    this.unused(live)
    this.keys.forgetEmpty(state)
    return true
  }

  /** An unfinished generation makes room for another, which its handles go over to. */
  discard(live: LiveGeneration): void {
    const files = live.files
    live.stage = 'gone'
    this.sweeper.hide(live.key.asset, live.generation, live.stored)
    const state = this.keys.state(live.key)
    state.forget(live)
    this.unname(live, files)
    this.show(state)
    this.records.gone(live.key, live.generation)
    this.sweep(files)
  }

  /** Drops the unfinished generation that nobody writes: open or at rest. */
  dropActive(key: ResourceKey): void {
    const filling = this.keys.known(key)?.filling
    if (filling) this.#drop(filling, new ResourceRemovedError(`${key.id}: what was there was discarded`))
    const slot = this.records.entry(key)?.active
    if (slot === undefined) return
    this.sweeper.hide(key.asset, slot.generation, slot.source.size)
    this.dropNamed(key, slot.generation, slot.name)
    this.records.gone(key, slot.generation)
  }

  /** Its unfinished generation is not what the record says: the record goes, its files stay, and `verify` tells of them. */
  forgetActive(key: ResourceKey): void {
    const slot = this.records.entry(key)?.active
    if (slot === undefined) return
    this.records.occupy(key.asset, -slot.source.size)
    this.unname({ key, generation: slot.generation }, [])
    this.records.gone(key, slot.generation)
  }

  /** Takes back the name of a generation that is not open. */
  dropNamed(key: ResourceKey, generation: string, name: string): void {
    const stray = { asset: key.asset, path: key.path, name, generation, published: false }
    const strays = [stray, { ...stray, generation: rawGeneration(generation) }]
    this.unname({ key, generation }, strays)
    this.sweep(strays)
  }

  /** What is committed under a key, on record or not yet. */
  committedGeneration(key: ResourceKey): string | undefined {
    return this.keys.known(key)?.committed?.generation ?? this.records.entry(key)?.committed?.generation
  }

  /** The index still knows of it: as the active slot of its key, or as a stray. */
  isNamed({ key, generation, purpose }: LiveGeneration): boolean {
    return purpose !== 'fill' || this.records.entry(key)?.active?.generation === generation
  }

  /** Begun since this process opened the store: no crash lies between what is on record of its files and now. */
  isOfSession(generation: string): boolean {
    return generation.startsWith(`${this.records.session}-`)
  }

  /** Bytes do not match their checksums: the record goes, the file stays for whoever wants to look at it. */
  damaged(live: LiveGeneration): void {
    for (const { generation } of hideCommitted(this, live.key, false)) this.freed(generation)
    this.context.events.emit('fail', {
      key: live.key,
      error: new StorageIoError(`${live.key.id}: bytes on disk are not what was written`),
    })
  }

  #dropUnrecorded(live: LiveGeneration): void {
    const files = live.files
    this.unname(live, files)
    this.sweep(files)
  }

  /** Takes a generation out of the index's active slot, where it is in it. */
  unname(
    { key, generation }: { readonly key: ResourceKey; readonly generation: string },
    strays: readonly Stray[],
  ): void {
    const entry = this.records.entry(key)
    if (entry?.active?.generation !== generation) return
    this.records.record({
      type: 'entry',
      asset: key.asset,
      path: key.path,
      committed: entry.committed,
      active: undefined,
      strays,
    })
  }

  async checkIntegrity(live: LiveGeneration, length: number): Promise<void> {
    try {
      await live.integrity?.verify(live.output.driver, length)
    } catch (cause) {
      const error =
        cause instanceof CisternError ? cause : mapIoError(cause, live.output.driver.path, `check ${live.key.id}`)
      this.failed(live, error)
      throw error
    }
  }

  // ── hiding ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Hides all of a key in this very step, and records it. Returns what is to be swept; `undefined` when nothing was there. */
  hide(key: ResourceKey): Stray[] | undefined {
    return hideKeys(this, [key])
  }

  /** What is open of a hidden key ends. */
  end(state: KeyState, live: LiveGeneration): void {
    state.forget(live)
    const error = new ResourceRemovedError(`${live.key.id} was removed`)
    for (const resource of live.resources()) resource.remove(error)
    live.flushing.giveUp(error)
    this.unused(live)
  }

  /** Sweeps in the background: what fails stays on record. */
  sweep(strays: readonly Stray[]): void {
    this.sweeper.sweep(strays).catch(() => undefined)
  }

  freed(generation: string): void {
    this.sweeper.freed(generation)
  }

  // ── the backend ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Tries once more after asking the layers to let go of idle descriptors. */
  async relieved<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      const code = (error instanceof Error ? (error.cause ?? error) : error) as NodeJS.ErrnoException
      if (code?.code !== 'EMFILE' && code?.code !== 'ENFILE') throw error
      this.context.relieve()
      return await step()
    }
  }

  /** `instead`: what a crash left under that name is of no use. */
  async openNew(name: string, generation: string, instead = false): Promise<StoredDriver> {
    this.records.check()
    if (instead) await this.backend.remove(name, generation, false)
    return this.relieved(() => this.backend.open({ name, generation, fingerprint: undefined, state: 'new' }))
  }

  /** Lets the backend make a part of the committed `from`; `false` where all that can be done is to read and write. */
  async clone(from: LiveGeneration, name: string, generation: string, share: boolean): Promise<boolean> {
    const { backend } = this
    if (!backend.clone) return false
    const { file, generation: source, output } = from
    const { fingerprint } = output.driver.stat?.() ?? {}
    try {
      await this.relieved(async () =>
        backend.clone?.({ name: file, generation: source, fingerprint }, { name, generation }, share),
      )
      return true
    } catch (error) {
      // What is open here has lost its name, or another file has it: the bytes of this one can still be read.
      if (!CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) throw error
      return false
    }
  }

  /** A new part that begins with all the bytes of the committed `from`. */
  async openCopy(from: LiveGeneration, name: string, generation: string): Promise<StoredDriver> {
    this.records.check()
    if (await this.clone(from, name, generation, false)) {
      // Opened once it is whole: a driver that made the part itself would take it for empty.
      return this.relieved(() => this.backend.open({ name, generation, fingerprint: undefined, state: 'active' }))
    }
    const driver = await this.openNew(name, generation)
    try {
      await copyAll(from, driver)
      return driver
    } catch (error) {
      await driver.close()
      throw error
    }
  }

  // ── descriptors ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Closes what nobody holds and nothing is owed to. */
  unused(live: LiveGeneration): void {
    if (!this.#mayClose(live)) return
    const state = this.keys.known(live.key)
    if (state === undefined || state.isIdle) this.#letGo(live)
    // Whoever has the turn may be about to hand it out: asked again in a turn of its own.
    else void this.keys.queue(live.key, async () => void (this.#mayClose(live) && this.#letGo(live)))
  }

  #mayClose(live: LiveGeneration): boolean {
    if (this.closed) return false // close() sees to all of them, after the last flush
    const isHeld = live.handles > 0 || live.isClosed
    const { isOwed } = live.flushing
    if (isOwed && !isHeld) this.#unflushedIdle.add(live)
    else this.#unflushedIdle.delete(live)
    // While a flush has hold of its descriptor: it asks again when it is done.
    return !isHeld && !isOwed && !live.flushing.isRunning
  }

  #letGo(live: LiveGeneration): void {
    // A suspect index may have lost the records of what was written.
    if (isNothing(live) && !this.records.suspect)
      this.#drop(live, new ResourceRemovedError(`${live.key.id}: nothing was written`))
    else this.#close(live)
  }

  #close(live: LiveGeneration): void {
    this.records.clean(live.flushing)
    const hasOutput = live.stage === 'filling' && live.raw !== undefined
    // Nothing is lost by a descriptor that would not close cleanly after its sync.
    const close = async (): Promise<void> => {
      await live.close().catch(() => undefined)
      if (hasOutput) await this.#forgetOutput(live)
    }
    // Its file may still be in the making: whoever opens it again has the next turn.
    void (live.stage === 'published' ? close() : this.keys.queue(live.key, close))
    if (live.stage === 'recorded' && live.replaces.length > 0)
      this.#unpublished.set(live.generation, live.replaces.splice(0))
    const state = this.keys.known(live.key)
    if (state === undefined) return
    // At rest, what is on record counts, bytes included that could not be read while it was open.
    if (state.committed === live) this.records.occupy(live.key.asset, (live.output.resource.length ?? 0) - live.stored)
    state.forget(live)
    this.show(state)
    this.keys.forgetEmpty(state)
  }

  /** Generations that lose their file to this one's final name, where it went to rest without it. Told once. */
  takeReplaced(generation: string): readonly string[] {
    const replaced = this.#unpublished.get(generation) ?? []
    this.#unpublished.delete(generation)
    return replaced
  }

  /** What came out of unfinished source bytes is on no record: whoever goes on with them makes it anew. */
  async #forgetOutput(live: LiveGeneration): Promise<void> {
    this.records.occupy(live.key.asset, -live.output.resource.coverage.size)
    if (this.keys.known(live.key)?.filling?.generation === live.generation) return // he has begun, with a file of his own
    try {
      this.records.check()
      await this.backend.remove(live.file, live.generation, false)
    } catch {
      // It stays for him to replace, or for the sweep when the generation goes.
    }
  }

  /** Never more than 64 files are kept open for the sake of a sync alone. Await it outside of any queue. */
  async makeRoom(): Promise<void> {
    if (this.#unflushedIdle.size >= 64) await this.records.flush(false).catch(() => undefined) // reported as `degraded`
  }

  assertOpen(): void {
    if (this.closed) throw this.closed
  }

  /** Ends all handles, makes what they wrote durable, closes the descriptors. */
  async close(): Promise<void> {
    this.closed ??= new StoreClosedError('the store is closed')
    const error = this.closed
    await Promise.all(this.keys.all.map((state) => state.run(() => Promise.resolve())))
    await Promise.allSettled(this.leaving.values()) // what fails is told to whoever removes
    const lives = [...this.opened]
    for (const live of lives) for (const resource of live.resources()) resource.shutdown(error)
    await Promise.all(lives.flatMap((live) => live.resources().map((resource) => resource.drained())))
    for (const live of lives) {
      if (live.stage !== 'filling' || live.isClosed) continue
      if (live.purpose !== 'fill' || (isNothing(live) && !this.records.suspect)) this.#drop(live, error)
      else this.records.dirty(live.flushing)
    }
    await this.records.flush(true).catch(() => undefined) // a journal that fails is reported as `degraded`
    await this.sweeper.idle()
    for (const live of lives) this.records.clean(live.flushing)
    await Promise.all(lives.map((live) => live.close().catch(() => undefined)))
    for (const state of this.keys.all) {
      for (const live of state.generations()) state.forget(live)
      this.show(state)
    }
    this.keys.clear()
  }
}

async function copyAll({ key, output }: LiveGeneration, to: StoredDriver): Promise<void> {
  const length = output.resource.length ?? 0
  const buffer = new Uint8Array(Math.min(length, 1024 * 1024))
  for (let at = 0; at < length; ) {
    const read = await output.driver.read(at, buffer.subarray(0, Math.min(buffer.byteLength, length - at)))
    if (read === 0) throw new StorageIoError(`${key.id} ends at ${at}, before ${length}`)
    await to.write(at, [buffer.subarray(0, read)])
    at += read
  }
}

/** Nothing came of it: an entry without a byte would only look like something to go on with. */
function isNothing({ stage, source: { resource } }: LiveGeneration): boolean {
  return stage === 'filling' && resource.coverage.size === 0 && resource.length === undefined
}
