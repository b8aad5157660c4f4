import { CisternError, mapIoError } from '@cistern/storage'
import { checksumPieces, type Fragment } from '../index/blocks.js'
import type { Entry } from '../index/entry.js'
import { Pace } from '../index/pace.js'
import type { Stray } from '../index/record.js'
import type { VerifyOptions, VerifyReport } from '../types.js'
import type { Backend, BackendFile, StoredDriver } from './backend.js'
import { rawGeneration } from './live-generation.js'
import { checkPieces } from './opening.js'

/** What a verification looks at; both an open store and one that is only looked at from outside are. */
export interface VerifySource {
  readonly backend: Backend
  assets(): Iterable<string>
  entries(asset: string): Iterable<Entry>
  strays(asset: string): Iterable<Stray>
  /** Bytes in all, for progress. */
  readonly totalBytes: number
  /** The entry has not changed since it was looked at: what was found counts. */
  isPresent(asset: string, entry: Entry): boolean
}

/** What was found wrong with one slot of an entry. */
export interface Finding {
  readonly asset: string
  readonly entry: Entry
  readonly slot: 'committed' | 'active'
  /** Its file is gone, or of another length than the record says. */
  readonly missing: boolean
  readonly bad: readonly Fragment[]
  readonly good: readonly Fragment[]
}
export interface Orphan {
  readonly name: string
  /** `undefined`: under a final name. */
  readonly generation: string | undefined
}

/** Walks index and files, and compares them. Changes nothing. */
export class Verification {
  readonly #source: VerifySource
  readonly #options: VerifyOptions
  readonly #report = { resources: 0, bytes: 0, badBlocks: 0, orphans: 0, missing: 0 }
  readonly findings: Finding[] = []
  readonly orphans: Orphan[] = []

  constructor(source: VerifySource, options: VerifyOptions) {
    this.#source = source
    this.#options = options
  }

  /** Rejects with the signal's reason, and with `StorageIoError` where a folder or file cannot be read at all. */
  async run(): Promise<VerifyReport> {
    const pace = new Pace()
    for (const asset of [...this.#source.assets()]) {
      for (const entry of [...this.#source.entries(asset)]) {
        this.#options.signal?.throwIfAborted()
        this.#report.resources++
        if (entry.committed) await this.#checkSlot(asset, entry, 'committed')
        if (entry.active) await this.#checkSlot(asset, entry, 'active')
        if (pace.due) await pace.rest()
      }
    }
    await this.#findOrphans()
    return this.#report
  }

  async #checkSlot(asset: string, entry: Entry, slot: 'committed' | 'active'): Promise<void> {
    const { file, pieces, length } = expectation(asset, entry, slot)
    const driver = await this.#open(file)
    const bad: Fragment[] = []
    const good: Fragment[] = []
    let missing = driver === undefined && pieces.length > 0
    if (driver) {
      const stat = driver.stat?.()
      missing = stat !== undefined && (slot === 'committed' ? stat.length !== length : stat.length < length)
      try {
        for await (const { ok, ...piece } of checkPieces(driver, pieces, this.#options.signal)) {
          const list = ok ? good : bad
          list.push(piece)
          this.#report.bytes += piece.end - piece.start
          this.#options.onProgress?.(this.#report.bytes, Math.max(this.#source.totalBytes, this.#report.bytes))
        }
      } finally {
        await driver.close()
      }
    }
    if ((!missing && bad.length === 0) || !this.#source.isPresent(asset, entry)) return
    // What is overwritten leaves the record first: a piece that is not on it any more was not damaged.
    const lasting = slot === 'active' ? bad.filter((piece) => entry.active?.source.has(piece)) : bad
    if (!missing && lasting.length === 0) return
    if (missing) this.#report.missing++
    else this.#report.badBlocks += lasting.length
    this.findings.push({ asset, entry, slot, missing, bad: lasting, good })
  }

  async #open(file: BackendFile): Promise<StoredDriver | undefined> {
    try {
      return await this.#source.backend.open(file)
    } catch (error) {
      if (CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')) return undefined
      throw mapIoError(error, file.name, 'verify')
    }
  }

  async #findOrphans(): Promise<void> {
    let known: { readonly asset: string; readonly files: ReadonlySet<string> } | undefined
    let unnamed: Orphan[] = []
    for await (const { name, generation } of this.#source.backend.list()) {
      this.#options.signal?.throwIfAborted()
      const asset = assetOf(name)
      if (known?.asset !== asset) {
        this.#judge(unnamed)
        unnamed = []
        known = { asset, files: this.#filesOf(asset) }
      }
      if (!known.files.has(fileId(name, generation))) unnamed.push({ name, generation })
    }
    this.#judge(unnamed)
  }

  /** Files of one asset may have been made since it was looked at: a name is on record before its file is there. */
  #judge(unnamed: readonly Orphan[]): void {
    const [first] = unnamed
    if (first === undefined) return
    const files = this.#filesOf(assetOf(first.name))
    const orphans = unnamed.filter(({ name, generation }) => !files.has(fileId(name, generation)))
    this.#report.orphans += orphans.length
    this.orphans.push(...orphans)
  }

  /** Counts of what `before` found as well, of the same generations and checksums. */
  foundBy(before: Verification): Pick<VerifyReport, 'badBlocks' | 'orphans' | 'missing'> {
    const known = new Set([...before.findings.flatMap(findingIds), ...before.orphans.map(orphanId)])
    const lasting = this.findings.flatMap(findingIds).filter((id) => known.has(id))
    const missing = lasting.filter((id) => id.startsWith('missing')).length
    const orphans = this.orphans.filter((orphan) => known.has(orphanId(orphan))).length
    return { badBlocks: lasting.length - missing, missing, orphans }
  }

  /** Nothing names it now, either: to be asked in the step that unlinks it. */
  isOrphan({ name, generation }: Orphan): boolean {
    return !this.#filesOf(assetOf(name)).has(fileId(name, generation))
  }

  #filesOf(asset: string): Set<string> {
    const files = new Set<string>()
    for (const { committed, active } of this.#source.entries(asset)) {
      if (committed) {
        files.add(fileId(`${asset}/${committed.name}`, undefined))
        if (committed.fingerprint === undefined) files.add(fileId(`${asset}/${committed.name}`, committed.generation))
      }
      if (active) {
        files.add(fileId(`${asset}/${active.name}`, active.generation))
        files.add(fileId(`${asset}/${active.name}`, rawGeneration(active.generation)))
      }
    }
    for (const { name, generation, published } of this.#source.strays(asset)) {
      files.add(fileId(`${asset}/${name}`, generation))
      files.add(fileId(`${asset}/${name}`, rawGeneration(generation)))
      if (published) files.add(fileId(`${asset}/${name}`, undefined))
    }
    return files
  }
}

const assetOf = (name: string): string => name.slice(0, name.indexOf('/'))

const fileId = (name: string, generation: string | undefined): string => `${name}\0${generation ?? ''}`

const orphanId = ({ name, generation }: Orphan): string => `orphan\0${fileId(name, generation)}`

function findingIds({ asset, entry, slot, missing, bad }: Finding): string[] {
  const of = `${asset}\0${entry.path}\0${entry[slot]?.generation}`
  return missing ? [`missing\0${of}`] : bad.map(({ start, end, crc }) => `bad\0${of}\0${start}\0${end}\0${crc}`)
}

function expectation(asset: string, { committed, active }: Entry, slot: 'committed' | 'active') {
  if (slot === 'committed' && committed) {
    const { name, generation, fingerprint, length } = committed
    const file = { name: `${asset}/${name}`, generation, fingerprint, state: 'committed' } as const
    return { file, pieces: [...checksumPieces(committed.checksums, length)], length }
  }
  const pieces = [...(active?.source.pieces() ?? [])]
  const generation = active?.processor === undefined ? (active?.generation ?? '') : rawGeneration(active.generation)
  const file = {
    name: `${asset}/${active?.name}`,
    generation,
    fingerprint: undefined,
    state: 'active',
    readOnly: true,
  } as const
  return { file, pieces, length: pieces.at(-1)?.end ?? 0 }
}
