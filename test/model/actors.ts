import assert from 'node:assert/strict'
import { type AcquireMode, type Acquisition, type AssetStore, type Backend, ResourceKey } from '@cistern/assets'
import type { ResourceReader, ResourceWriter } from '@cistern/storage'
import { complaint, contentOf } from './content.js'
import type { Step } from './stepped-store.js'

const KEY = ResourceKey.of('a', 'x')
const PIECE = 24

/** What others may do to somebody who is at work on a key. */
const EXPECTED = ['REMOVED', 'ABANDONED', 'NOT_FOUND', 'STORE_CLOSED', 'WRITER_CLOSED', 'NOT_SUPPORTED']

export const ACTIONS = [
  'fill',
  'fillAndRelease',
  'fillAndFail',
  'discardAndFill',
  'rewrite',
  'rewriteAndRelease',
  'extend',
  'put',
  'read',
  'wait',
  'remove',
  'evict',
  'flush',
  'close',
] as const
export type Action = (typeof ACTIONS)[number]

/** Actors on one key of one store, and what must hold whoever comes first. */
export class Stage {
  readonly #store: AssetStore
  readonly #backend: Backend
  readonly #nonces = new Map<string, number>()
  readonly #writing = new Set<string>()
  /** Generations that were seen when a removal hid them. */
  readonly #removed = new Set<string>()
  #commits = 0
  /** Commits and puts that were under way, or done, since the last removal was asked for. */
  #begunCommits = 0
  #mayBeThere = true
  #isClosed = false

  constructor(store: AssetStore, backend: Backend) {
    this.#store = store
    this.#backend = backend
  }

  async act(action: Action, step: Step): Promise<void> {
    await step(`begin ${action}`)
    try {
      await this.#act(action)
    } catch (error) {
      const code = (error as { code?: string }).code?.replace('ERR_CISTERN_', '') ?? ''
      if (!EXPECTED.includes(code)) throw error
      if (code === 'STORE_CLOSED' && !this.#isClosed) throw error
    }
    this.#checkNotResurrected()
  }

  /** Everybody is done: the key works, nothing lies around, what is counted is what is there. */
  async end(): Promise<void> {
    if (this.#isClosed) return this.#store.close()
    this.#checkNotResurrected()
    const stat = this.#store.stat(KEY)
    if (stat?.state === 'committed') assert.ok(this.#mayBeThere, 'nothing was committed since the removal')
    assert.equal(stat?.writing ?? false, false, 'nobody writes any more')
    await this.#fill('fill', 'commit')
    await this.#store.checkpoint()
    const report = await this.#store.verify()
    assert.deepEqual([report.resources, report.findings], [1, []])
    assert.equal(this.#store.stats().bytes, report.bytes, 'bytes in all')
    assert.equal(this.#store.assetStat('a')?.bytes, report.bytes, 'bytes of the asset')
    assert.equal(this.#store.assetStat('a')?.leases, 0, 'leases')
    await this.#store.remove(KEY)
    await this.#store.checkpoint()
    const files = []
    for await (const file of this.#backend.list()) files.push(file)
    assert.deepEqual(files, [], 'no file is left')
    assert.equal(this.#store.stats().bytes, 0, 'bytes in all')
    assert.equal(this.#store.assetStat('a'), undefined, 'the asset is forgotten')
    await this.#store.close()
    const { readers, writers } = this.#store.stats()
    assert.deepEqual({ readers, writers }, { readers: 0, writers: 0 })
  }

  #act(action: Action): Promise<void> {
    switch (action) {
      case 'fill':
        return this.#fill('fill', 'commit')
      case 'fillAndRelease':
        return this.#fill('fill', 'release')
      case 'fillAndFail':
        return this.#fill('fill', 'fail')
      case 'discardAndFill':
        return this.#fill('fill', 'commit', true)
      case 'rewrite':
        return this.#fill('rewrite', 'commit')
      case 'rewriteAndRelease':
        return this.#fill('rewrite', 'release')
      case 'extend':
        return this.#extend()
      case 'put':
        return this.#fill('replace', 'commit')
      case 'read':
        return this.#read()
      case 'wait':
        return this.#wait()
      case 'remove':
        return this.#remove()
      case 'evict':
        return this.#evict()
      case 'flush':
        return this.#store.checkpoint()
      case 'close':
        this.#isClosed = true
        return this.#store.close()
    }
  }

  async #fill(mode: AcquireMode, end: 'commit' | 'release' | 'fail', discards = false): Promise<void> {
    await using got = await this.#acquire(mode)
    const { reader, writer } = got
    if (!writer) return await this.#readWhole(reader)
    try {
      await this.#writePiece(writer, 0)
      if (discards) {
        this.#writing.delete(writer.generation)
        await writer.discard()
        this.#began(writer)
        await this.#writePiece(writer, 0)
      }
      if (end !== 'commit') {
        this.#writing.delete(writer.generation)
        return await (end === 'fail' ? writer.fail(new NotWanted()) : writer.release())
      }
      await this.#writePiece(writer, 1)
      await this.#commit(writer)
      await this.#readWhole(reader)
    } finally {
      this.#writing.delete(writer.generation)
    }
  }

  /** Keeps what is there; the copy is of one generation, and what is added of another. */
  async #extend(): Promise<void> {
    await using got = await this.#acquire('extend')
    const { writer, reader } = got
    if (!writer) return await this.#readWhole(reader)
    try {
      // Over the copy: from here on it is a generation like another.
      await this.#writePiece(writer, 0)
      await this.#writePiece(writer, 1)
      await this.#commit(writer)
    } finally {
      this.#writing.delete(writer.generation)
    }
  }

  async #acquire(mode: AcquireMode): Promise<Acquisition> {
    const got = await this.#store.acquire(KEY, { mode })
    if (got.writer) this.#began(got.writer)
    // Nobody was writing what it was given, so the writer was its.
    else if (got.reader.status.state === 'active') assert.ok(got.reader.status.writing, 'a lost writer')
    return got
  }

  #began(writer: ResourceWriter): void {
    assert.ok(!this.#writing.has(writer.generation), 'two writers of one generation')
    this.#writing.add(writer.generation)
  }

  async #commit(writer: ResourceWriter): Promise<void> {
    const { generation } = writer
    this.#mayBeThere = true
    this.#begunCommits++
    this.#writing.delete(generation)
    await writer.commit(2 * PIECE)
    this.#commits++
    assert.ok(!this.#removed.has(generation), 'what was removed was committed')
  }

  async #writePiece(writer: ResourceWriter, piece: number): Promise<void> {
    const nonce = this.#nonceOf(writer.generation)
    await writer.writeAt(piece * PIECE, contentOf(KEY.id, nonce, piece * PIECE, (piece + 1) * PIECE))
  }

  #nonceOf(generation: string): number {
    const nonce = this.#nonces.get(generation) ?? this.#nonces.size + 1
    this.#nonces.set(generation, nonce)
    return nonce
  }

  async #read(): Promise<void> {
    using reader = await this.#store.open(KEY)
    await this.#readWhole(reader)
  }

  async #readWhole(reader: ResourceReader): Promise<void> {
    try {
      const bytes = await reader.bytes()
      const wrong = complaint(KEY.id, this.#nonceOf(reader.generation), 0, bytes)
      assert.equal(wrong, undefined, 'readers see one generation')
      assert.equal(bytes.length, 2 * PIECE)
    } catch (error) {
      if (!(error instanceof NotWanted)) throw error
    }
  }

  /** Joins whoever writes; ends with him, however he does. */
  async #wait(): Promise<void> {
    using reader = await this.#store.open(KEY)
    try {
      await reader.waitRange(PIECE, 2 * PIECE)
      await reader.waitCommit()
    } catch (error) {
      if (!(error instanceof NotWanted)) throw error
    }
  }

  async #remove(): Promise<void> {
    this.#hiding()
    await this.#store.remove(KEY)
  }

  async #evict(): Promise<void> {
    await this.#store.removeAsset('a', {
      unless: () => {
        if ((this.#store.assetStat('a')?.leases ?? 0) > 0) return true
        this.#hiding()
        return false
      },
    })
  }

  /** The step that hides: what is there now must never be seen again. */
  #hiding(): void {
    const generation = this.#store.stat(KEY)?.generation
    if (generation) this.#removed.add(generation)
    this.#mayBeThere = this.#begunCommits > this.#commits
  }

  #checkNotResurrected(): void {
    if (this.#isClosed) return
    const stat = this.#store.stat(KEY)
    assert.ok(!stat || !this.#removed.has(stat.generation), 'a removed generation came back')
  }
}

/** A writer's failure, as his readers get it. */
class NotWanted extends Error {}
