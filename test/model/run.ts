import assert from 'node:assert/strict'
import type { AssetStore, Durability, Lease, Limits } from '@cistern/assets'
import type { ResourceReader, ResourceWriter } from '@cistern/storage'
import { eventLoopTurn } from '../helpers/deferred.js'
import { contentOf, difference } from './content.js'
import { type Generation, isAnotherSource, Model, Reader, Writer } from './model.js'
import { ASSETS, assetOf, KEYS, keyOf, type Operation, type Sequence, type Squeeze } from './operations.js'
import { PendingWaits } from './pending-waits.js'
import { assertSettled, assertShown, untilGone } from './shown.js'
import { type Coming, reasonOf, squeeze } from './squeezing.js'
import { Survivors } from './survivors.js'

/** A place for stores: reopening gives what the last one left, or nothing where it forgets. */
export interface Place {
  open(options: PlaceOptions): Promise<AssetStore>
  readonly keeps: boolean
  /** After a close: nothing of the store is open any more, and nothing lies around. `unfinished`: parts that should. */
  assertClosed(unfinished: number): void
  /** Opens for `use` what a kill would leave now, and leaves the open store alone. Absent where nothing would be left. */
  afterKill?(use: (store: AssetStore) => Promise<void>): Promise<void>
}

interface PlaceOptions {
  readonly durability: Durability
  readonly flushMs: number
}

interface Evicted {
  readonly asset: string
  readonly bytes: number
  readonly reason: string
}

interface HeldReader {
  readonly handle: ResourceReader
  readonly model: Reader
  readonly group: Group
}
interface HeldWriter {
  readonly handle: ResourceWriter
  readonly model: Writer
  readonly group: Group
}
type Put = Omit<Operation & { op: 'put' }, 'op'>
/** Handles that share one lease. */
interface Group {
  readonly asset: string
}

/** What was met on the way: says whether a run was worth anything. */
export interface Tally {
  operations: number
  evictions: number
  refusals: number
  kills: number
}

export const emptyTally = (): Tally => ({ operations: 0, evictions: 0, refusals: 0, kills: 0 })

/** Runs a sequence against a store and against the model, and compares all that can be seen after each step. */
export async function runSequence(place: Place, sequence: Sequence, tally: Tally = emptyTally()): Promise<void> {
  const run = new Run(place, sequence, tally)
  await run.start()
  try {
    for (const operation of sequence.operations) await run.step(operation)
    await run.end()
  } finally {
    await run.abandon()
  }
}

class Run {
  readonly #place: Place
  readonly #scale: number
  #store!: AssetStore // opened before the first step
  #model = new Model()
  #readers: HeldReader[] = []
  #writers: HeldWriter[] = []
  #leases: { readonly handle: Lease; readonly asset: string }[] = []
  readonly #waits = new PendingWaits()
  readonly #options: PlaceOptions
  readonly #survivors: Survivors
  readonly #tally: Tally
  #evicted: Evicted[] = []
  #nonce = 0

  constructor(place: Place, { scale, durability = 'ordered', flushMs = 1 }: Sequence, tally: Tally) {
    this.#tally = tally
    this.#place = place
    this.#scale = scale
    this.#options = { durability, flushMs }
    this.#survivors = new Survivors(durability)
    this.#survivors.note(this.#model, true)
  }

  async start(): Promise<void> {
    this.#store = await this.#place.open(this.#options)
    this.#store.on('evict', (event) => this.#evicted.push(event))
  }

  async step(operation: Operation): Promise<void> {
    await this.#perform(operation)
    this.#tally.operations++
    await eventLoopTurn()
    this.#waits.check()
    this.#model.forgetEmpty()
    await untilGone(this.#store, this.#model)
    assertShown(this.#store, this.#model, (asset) => this.#leaseCount(asset))
    assert.deepEqual(this.#evicted, [], 'evicted though there was room')
    this.#survivors.note(this.#model, false)
  }

  /** Everything settles, is checked byte by byte, and comes back after a restart. */
  async end(): Promise<void> {
    await this.#checkpoint()
    await this.#reopen()
    for (const key of KEYS) await this.#checkWhole(key)
    await this.#checkpoint()
    await this.#verify()
    await this.#close()
  }

  async abandon(): Promise<void> {
    await this.#store.close()
  }

  async #perform(operation: Operation): Promise<void> {
    switch (operation.op) {
      case 'acquire':
        return this.#acquire(operation)
      case 'write':
        return this.#write(operation.at, operation.pieces)
      case 'declare':
        return this.#declare(operation)
      case 'commit':
        return this.#commit(operation)
      case 'fail':
      case 'release':
      case 'discard':
      case 'describe':
        return this.#settle(operation.op, operation.at)
      case 'put':
        return this.#put(operation)
      case 'get':
        return this.#get(KEYS[operation.key] as string)
      case 'open':
        return this.#open(operation)
      case 'read':
        return this.#read(operation.at)
      case 'readAt':
        return this.#readAt(operation)
      case 'wait':
      case 'waitCommit':
        return this.#wait(operation)
      case 'clone':
        return this.#clone(operation.at)
      case 'close':
        return this.#closeReader(operation.at)
      case 'remove':
        return this.#remove(KEYS[operation.key] as string)
      case 'removeAsset':
        return this.#removeAsset(operation)
      case 'move':
        return this.#move(KEYS[operation.key] as string, KEYS[operation.to] as string)
      case 'setMetadata':
        return this.#setMetadata(KEYS[operation.key] as string)
      case 'lease':
        return this.#lease(ASSETS[operation.asset] as string)
      case 'unlease':
        return this.#unlease(operation.at)
      case 'letGo':
        return this.#letGo(ASSETS[operation.asset] as string)
      case 'pin':
      case 'unpin':
        return this.#pin(ASSETS[operation.asset] as string, operation.op)
      case 'checkpoint':
        return this.#checkpoint()
      case 'verify':
        return this.#verify()
      case 'pause':
        for (let turn = 0; turn < 5; turn++) await eventLoopTurn()
        return
      case 'reopen':
        return this.#reopen()
      case 'squeeze':
        return this.#squeeze(operation)
      case 'crash':
        return this.#crash(operation)
    }
  }

  // ── filling ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #acquire({ key: at, mode, length, meta }: Operation & { op: 'acquire' }): Promise<void> {
    const key = KEYS[at] as string
    const metadata = meta ? { nonce: ++this.#nonce } : undefined
    const declared = length === undefined ? undefined : this.#position(length)
    const expected = this.#model.acquire(key, mode)
    const got = await this.#store.acquire(keyOf(key), { mode, metadata, length: declared })
    this.#model.touch(assetOf(key))
    assert.equal(got.writer !== undefined, expected.fills, `${key}: acquire '${mode}' gives the writer`)
    const group: Group = { asset: assetOf(key) }
    const reader = new Reader(expected.life)
    if (got.writer) {
      const writer = new Writer(expected.life)
      this.#writers.push({ handle: got.writer, model: writer, group })
      if (metadata) writer.life.metadata = writer.metadata = metadata
      if (declared !== undefined) this.#declared(writer, declared, expected.life.validator ?? null)
    }
    this.#readers.push({ handle: got.reader, model: reader, group })
    this.#named(reader.life, got.reader.generation)
  }

  #named(life: Generation, id: string): void {
    if (life.id !== '') assert.equal(id, life.id, `${life.key}: generation`)
    life.id = id
  }

  async #write(at: number, pieces: readonly (readonly [slot: number, size: number])[]): Promise<void> {
    const held = pick(this.#writers, at)
    if (!held) return
    const { handle, model } = held
    await Promise.all(
      pieces.map(([slot, size]) => {
        const position = this.#position(slot)
        const bytes = contentOf(model.life.key, ++this.#nonce, position, position + this.#size(size))
        const past = model.life.length !== undefined && position + bytes.length > model.life.length
        const code = model.settled ?? (past ? 'INVALID_RANGE' : undefined)
        if (code === undefined) {
          model.wrote = true
          model.life.write(position, bytes)
        }
        return outcome(handle.writeAt(position, bytes), code)
      }),
    )
  }

  async #declare({ at, length: slot, validator }: Operation & { op: 'declare' }): Promise<void> {
    const held = pick(this.#writers, at)
    if (!held) return
    const length = slot === undefined ? undefined : this.#position(slot)
    const code = held.model.settled ?? this.#declared(held.model, length, validator)
    await outcome(held.handle.declare({ length, validator }), code)
    if (held.model.settled === undefined) this.#named(held.model.life, held.handle.generation)
  }

  #declared(writer: Writer, length: number | undefined, validator: string | null | undefined): string | undefined {
    if (isAnotherSource(writer, length, validator)) this.#model.discard(writer.life)
    const { life } = writer
    if (length !== undefined && ((life.length ?? length) !== length || length < life.end)) return 'INVALID_RANGE'
    life.length = length ?? life.length
    writer.declaredLength ||= length !== undefined
    if (typeof validator === 'string') {
      life.validator = validator
      writer.declaredValidator = true
    }
    return undefined
  }

  async #commit({ at, length: slot }: Operation & { op: 'commit' }): Promise<void> {
    const held = pick(this.#writers, at)
    if (!held) return
    const { handle, model } = held
    const { life } = model
    const length = slot === undefined ? undefined : this.#position(slot)
    const total = length ?? life.length ?? life.end
    const tooLong = life.length !== undefined && total > life.length
    const short = !life.has(0, total) || total < (life.length ?? 0)
    const code = model.settled ?? (tooLong ? 'INVALID_RANGE' : short ? 'INCOMPLETE' : undefined)
    assert.equal(await outcome(handle.commit(length), code), code ?? total)
    if (code === undefined) {
      this.#model.commit(life, total)
      model.settled = 'WRITER_CLOSED'
    }
  }

  async #settle(how: 'fail' | 'release' | 'discard' | 'describe', at: number): Promise<void> {
    const held = pick(this.#writers, at)
    if (!held) return
    const { handle, model } = held
    const { settled, life } = model
    if (how === 'discard') {
      if (settled === undefined) this.#model.discard(life)
      await outcome(handle.discard(), settled)
      if (settled === undefined) this.#named(model.life, handle.generation)
    } else if (how === 'describe') {
      const metadata = { nonce: ++this.#nonce }
      if (settled === undefined) life.metadata = model.metadata = metadata
      await outcome((async () => handle.setMetadata(metadata))(), settled)
    } else {
      const error = new Error(`given up: ${++this.#nonce}`)
      if (settled === undefined) {
        if (how === 'fail') this.#model.fail(life, error)
        else {
          // Those who wait are told that it was given up, also where that is the end of it.
          life.writer = undefined
          this.#waits.foresee()
          this.#model.release(life)
        }
        model.settled = 'WRITER_CLOSED'
      }
      await (how === 'fail' ? handle.fail(error) : handle.release(error))
    }
  }

  async #put({ key: at, size, meta }: Put, refusal?: string): Promise<void> {
    const key = KEYS[at] as string
    const metadata = meta ? { nonce: ++this.#nonce } : undefined
    this.#model.touch(assetOf(key))
    const { life } = this.#model.acquire(key, 'replace')
    const bytes = contentOf(key, ++this.#nonce, 0, this.#size(size))
    life.write(0, bytes)
    life.metadata = metadata
    const stat = await outcome(this.#store.put(keyOf(key), bytes, { metadata }), refusal)
    if (typeof stat === 'string') return this.#model.release(life)
    this.#model.commit(life, bytes.length)
    this.#named(life, stat.generation)
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #get(key: string): Promise<void> {
    const { committed } = this.#model.slots(key)
    const got = await this.#store.get(keyOf(key))
    assert.equal(got === undefined, committed === undefined, `${key}: get gives bytes`)
    if (committed) this.#model.touch(assetOf(key))
    if (got && committed) assertBytes(committed, 0, got, committed.length)
  }

  async #open({ key: at, verify }: Operation & { op: 'open' }): Promise<void> {
    const key = KEYS[at] as string
    const life = this.#model.visible(key)
    const handle = await outcome(this.#store.open(keyOf(key), { verify }), life ? undefined : 'NOT_FOUND')
    if (typeof handle === 'string' || !life) return
    this.#model.touch(assetOf(key))
    this.#readers.push({ handle, model: new Reader(life), group: { asset: assetOf(key) } })
    this.#named(life, handle.generation)
  }

  async #checkWhole(key: string): Promise<void> {
    const life = this.#model.visible(key)
    if (!life) return
    using reader = await this.#store.open(keyOf(key))
    this.#model.touch(assetOf(key))
    assert.deepEqual(reader.coverage.toFlat(), life.coverage, `${key}: coverage`)
    for (const { start, end } of [...reader.coverage])
      assertBytes(life, start, await reader.bytes({ start, end }), end - start)
  }

  /** All that is covered. */
  async #read(at: number): Promise<void> {
    const held = pick(this.#readers, at)
    if (!held) return
    const { handle, model } = held
    const flat = model.life.coverage
    for (let run = 0; run < flat.length; run += 2) {
      const [start, end] = [flat[run] as number, flat[run + 1] as number]
      const expected = model.refusal ?? model.life.failure
      const got = await outcome(handle.bytes({ start, end }), expected)
      if (!(got instanceof Uint8Array)) continue
      model.touch.touched = true
      assertBytes(model.life, start, got, end - start)
    }
  }

  async #readAt({ at, slot, size }: Operation & { op: 'readAt' }): Promise<void> {
    const held = pick(this.#readers, at)
    if (!held) return
    const { handle, model } = held
    const { life } = model
    const start = this.#position(slot)
    const wanted = this.#size(size)
    const there = life.coveredEnd(start) - start
    const isEnd = life.length !== undefined && start >= life.length
    const target = new Uint8Array(wanted)
    const expected = model.refusal ?? life.failure ?? (there === 0 && !isEnd ? 'RANGE_NOT_AVAILABLE' : undefined)
    const got = await outcome(handle.readAt(start, target), expected)
    if (typeof got !== 'number') return
    if (got > 0) model.touch.touched = true
    assertBytes(life, start, target.subarray(0, got), Math.min(there, wanted))
  }

  #wait(operation: Operation & { op: 'wait' | 'waitCommit' }): void {
    const held = pick(this.#readers, operation.at)
    if (!held) return
    const patient = operation.patient === true
    const options = { whenAbandoned: patient ? ('wait' as const) : undefined }
    if (operation.op === 'waitCommit') {
      this.#waits.add(held.model, { kind: 'commit', start: 0, end: 0, patient }, held.handle.waitCommit(options))
    } else {
      const start = this.#position(operation.slot)
      const end = start + this.#size(operation.size)
      this.#waits.add(held.model, { kind: 'range', start, end, patient }, held.handle.waitRange(start, end, options))
    }
  }

  async #clone(at: number): Promise<void> {
    const held = pick(this.#readers, at)
    if (!held) return
    const handle = await outcome((async () => held.handle.clone())(), held.model.refusal)
    if (typeof handle === 'string') return
    this.#readers.push({ handle, model: new Reader(held.model.life, { ...held.model.touch }), group: held.group })
  }

  #closeReader(at: number): void {
    const held = pick(this.#readers, at)
    if (!held) return
    held.handle.close()
    held.model.life.readers.delete(held.model)
    held.model.refusal ??= 'READER_CLOSED'
    this.#readers.splice(this.#readers.indexOf(held), 1)
  }

  // ── keeping and letting go ───────────────────────────────────────────────────────────────────────────────────────

  async #remove(key: string): Promise<void> {
    const before = this.#model.remove(key)
    assert.equal(await this.#store.remove(keyOf(key)), before, `${key}: remove found something`)
  }

  async #removeAsset({ asset: at, unless }: Operation & { op: 'removeAsset' }): Promise<void> {
    const asset = ASSETS[at] as string
    const keys = KEYS.filter((key) => assetOf(key) === asset)
    const removed = unless ? [] : keys.filter((key) => this.#model.remove(key))
    if (!unless) this.#model.pins.delete(asset)
    assert.equal(await this.#store.removeAsset(asset, { unless: () => unless === true }), removed.length > 0)
  }

  async #move(from: string, to: string): Promise<void> {
    if (from === to) return
    const { committed, filling } = this.#model.slots(from)
    const code = committed ? undefined : filling ? 'NOT_SUPPORTED' : 'NOT_FOUND'
    await outcome(this.#store.move(keyOf(from), keyOf(to)), code)
    if (!committed) return
    const { life } = this.#model.acquire(to, 'replace')
    life.write(0, committed.bytes)
    life.metadata = committed.metadata
    life.validator = committed.validator
    this.#model.commit(life, committed.length ?? 0)
    this.#named(life, this.#store.stat(keyOf(to))?.generation ?? '')
    this.#model.remove(from)
    this.#model.touch(assetOf(to))
  }

  async #setMetadata(key: string): Promise<void> {
    const metadata = { nonce: ++this.#nonce }
    const life = this.#model.visible(key)
    if (life) life.metadata = metadata
    await outcome(this.#store.setMetadata(keyOf(key), metadata), life ? undefined : 'NOT_FOUND')
  }

  #lease(asset: string): void {
    this.#model.touch(asset)
    this.#leases.push({ handle: this.#store.lease(asset), asset })
  }

  #unlease(at: number): void {
    const held = pick(this.#leases, at)
    if (!held) return
    held.handle.release()
    this.#leases.splice(this.#leases.indexOf(held), 1)
  }

  /** Of every handle and lease. */
  async #letGo(asset: string): Promise<void> {
    for (let at = this.#leases.length - 1; at >= 0; at--) if (this.#leases[at]?.asset === asset) this.#unlease(at)
    for (let at = this.#readers.length - 1; at >= 0; at--)
      if (this.#readers[at]?.group.asset === asset) this.#closeReader(at)
    for (const [at, { model, group }] of this.#writers.entries())
      if (group.asset === asset && model.settled === undefined) await this.#settle('release', at)
  }

  async #pin(asset: string, how: 'pin' | 'unpin'): Promise<void> {
    if (how === 'pin') this.#model.pins.add(asset)
    else this.#model.pins.delete(asset)
    await this.#store[how](asset)
  }

  /** Of explicit leases, and of handles that share one: it ends when none of them can be used any more. */
  #leaseCount(asset: string): number {
    const groups = new Set<Group>()
    for (const { model, group } of this.#readers) if (model.refusal === undefined) groups.add(group)
    for (const { model, group } of this.#writers) if (model.settled === undefined) groups.add(group)
    const open = [...groups].filter((group) => group.asset === asset).length
    return open + this.#leases.filter((lease) => lease.asset === asset).length
  }

  // ── the store as a whole ─────────────────────────────────────────────────────────────────────────────────────────

  /** What is put while the limit is in force is leased: it would go again before the limit is lifted. */
  async #squeeze({ limit, eighths, before = [], put }: Squeeze): Promise<void> {
    for (const small of before) await this.#put(small)
    await this.#checkpoint() // what was replaced counts until a flush
    const key = put && KEYS[put.key]
    const comes = key && !(limit === 'assets' && this.#isWritten(assetOf(key))) ? put : undefined
    const coming = comes && key ? { asset: assetOf(key), bytes: this.#size(comes.size) } : undefined
    const total = this.#store.stats().bytes + (coming?.bytes ?? 0)
    const limits =
      limit === 'assets' ? { maxAssets: 1 + (eighths % 3) } : { maxBytes: Math.floor((total * eighths) / 8) }
    await this.#withEvictions(limits, undefined, () => this.#store.setLimits(limits))
    if (comes && coming) {
      this.#lease(coming.asset)
      await this.#withEvictions(limits, coming, (refused) => this.#put(comes, refused ? 'QUOTA_EXCEEDED' : undefined))
      await eventLoopTurn()
    }
    await this.#store.setLimits({ maxAssets: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY })
    if (comes) this.#leases.pop()?.handle.release()
  }

  /** Runs `act` under `limits`, and looks whether what is to go for it goes, and nothing else. */
  async #withEvictions(
    limits: Limits,
    coming: Coming | undefined,
    act: (refused: boolean) => Promise<void>,
  ): Promise<void> {
    const sizes = new Map<string, number>(ASSETS.map((asset) => [asset, this.#model.bytesOf(asset)]))
    const keeps = (asset: string): boolean => this.#model.pins.has(asset) || this.#leaseCount(asset) > 0
    const { victims, refused } = squeeze(this.#model, limits, keeps, coming)
    await act(refused)
    await eventLoopTurn()
    const expected = victims.map((asset) => ({ asset, bytes: sizes.get(asset) ?? 0, reason: reasonOf(limits) }))
    assert.deepEqual(this.#evicted.sort(byAsset), expected.sort(byAsset), 'evicted')
    this.#evicted = []
    this.#survivors.note(this.#model, false) // a kill may leave what was there between two steps of one operation
    this.#tally.evictions += victims.length
    if (refused) this.#tally.refusals++
  }

  #isWritten(asset: string): boolean {
    return this.#writers.some(({ model, group }) => model.settled === undefined && group.asset === asset)
  }

  async #crash({ checkpoint = false }: Operation & { op: 'crash' }): Promise<void> {
    if (!this.#place.afterKill) return
    if (checkpoint) await this.#checkpoint()
    this.#tally.kills++
    await this.#place.afterKill((store) => this.#survivors.check(store, this.#model, checkpoint))
  }

  async #checkpoint(): Promise<void> {
    await this.#store.checkpoint()
    this.#survivors.note(this.#model, true)
    await assertSettled(this.#store, this.#model)
  }

  async #verify(): Promise<void> {
    const report = await this.#store.verify()
    const lives = KEYS.flatMap((key) => {
      const { committed, filling } = this.#model.slots(key)
      return [committed, filling].filter((life) => life !== undefined)
    })
    const resources = KEYS.filter((key) => this.#model.visible(key)).length
    const bytes = lives.reduce((sum, life) => sum + life.size, 0)
    assert.deepEqual([report.resources, report.bytes, report.findings], [resources, bytes, []], 'verify')
  }

  async #reopen(): Promise<void> {
    await this.#close()
    await this.start()
    if (!this.#place.keeps) this.#model = new Model()
    this.#readers = []
    this.#writers = []
    this.#leases = []
    assert.deepEqual(
      { ...this.#store.recovery, ms: 0, resources: 0 },
      { resources: 0, droppedRecords: 0, suspect: false, ms: 0 },
    )
    this.#survivors.note(this.#model, true)
    assertShown(this.#store, this.#model, () => 0)
    await assertSettled(this.#store, this.#model)
  }

  async #close(): Promise<void> {
    await this.#store.close()
    for (const { model } of this.#readers) model.refusal ??= 'STORE_CLOSED'
    await eventLoopTurn()
    this.#waits.check()
    for (const { handle, model } of this.#readers) await outcome(handle.readAt(0, new Uint8Array(1)), model.refusal)
    for (const { handle, model } of this.#writers)
      await outcome(handle.writeAt(0, new Uint8Array(1)), model.settled ?? 'STORE_CLOSED')
    const { readers, writers } = this.#store.stats()
    assert.deepEqual({ readers, writers }, { readers: 0, writers: 0 }, 'handles after close')
    this.#model.close()
    const unfinished = KEYS.map((key) => this.#model.slots(key).filling).filter((life) => life !== undefined)
    this.#place.assertClosed(unfinished.length)
  }

  // A few bytes off the slots, so that ranges do not always meet.
  #position(slot: number): number {
    return slot * this.#scale + (slot % 3)
  }

  #size(size: number): number {
    return Math.ceil((size * this.#scale) / 2)
  }
}

const byAsset = (one: Evicted, other: Evicted): number => one.asset.localeCompare(other.asset)

function pick<T>(held: readonly T[], at: number): T | undefined {
  return held[at % held.length]
}

/** The value, or the code (or the error itself) that was expected instead. */
async function outcome<T>(promise: Promise<T>, expected: string | Error | undefined): Promise<T | string> {
  try {
    const value = await promise
    assert.equal(undefined, expected, `resolved where ${String(expected)} was expected`)
    return value
  } catch (error) {
    if (expected instanceof Error) assert.equal(error, expected)
    else if (expected !== undefined)
      assert.equal((error as { code?: string }).code, `ERR_CISTERN_${expected}`, String(error))
    else throw error
    return String(expected)
  }
}

function assertBytes(life: Generation, start: number, got: Uint8Array, length: number | undefined): void {
  const expected = life.bytes.subarray(start, start + (length ?? life.bytes.length))
  assert.equal(difference(expected, start, got), undefined, life.key)
}
