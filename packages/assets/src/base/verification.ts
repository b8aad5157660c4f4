import { CisternError, mapIoError } from '@cistern/storage'
import { checksumPieces, type Fragment } from '../index/blocks.js'
import type { Entry } from '../index/entry.js'
import { Pace } from '../index/pace.js'
import type { IndexRecords } from '../index/records.js'
import type { VerifyOptions } from '../types.js'
import type { Backend, BackendFile, StoredDriver } from './backend.js'
import { rawGeneration } from './live-generation.js'
import { assetOf, batches, fileId, NamedFiles, type StoredName } from './named-files.js'
import { checkPieces } from './opening.js'

/** What a verification looks at; both an open store and one that is only looked at from outside are. */
export interface VerifySource {
  readonly backend: Backend
  readonly records: Pick<IndexRecords, 'entries' | 'entriesNaming' | 'strays'>
  /** Those whose entries are checked. */
  assets(): Iterable<string>
  /** Whether this entry is to be checked; all are by default. */
  wants?(asset: string, entry: Entry): boolean
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
  readonly missing: { readonly expected: number; readonly found: number | undefined } | undefined
  readonly bad: readonly Fragment[]
  readonly good: readonly Fragment[]
}
export interface Orphan extends StoredName {
  readonly bytes: number | undefined
}

/** All that a verification found. */
export interface Found {
  readonly resources: number
  readonly bytes: number
  readonly findings: readonly Finding[]
  readonly orphans: readonly Orphan[]
}

/** Walks index and files, and compares them. Changes nothing. */
export class Verification {
  readonly #source: VerifySource
  readonly #options: VerifyOptions
  readonly #named: NamedFiles
  readonly #findings: Finding[] = []
  readonly #orphans: Orphan[] = []
  #resources = 0
  #bytes = 0

  constructor(source: VerifySource, options: VerifyOptions) {
    this.#source = source
    this.#options = options
    this.#named = new NamedFiles(source.records)
  }

  /** Rejects with the signal's reason, and with `StorageIoError` where a folder or file cannot be read at all. */
  async run(): Promise<Found> {
    const pace = new Pace()
    for (const asset of this.#source.assets()) {
      this.#options.signal?.throwIfAborted()
      for await (const entries of batches(this.#source.records, asset)) await this.#check(asset, entries)
      if (pace.due) await pace.rest()
    }
    await this.#findOrphans()
    return {
      resources: this.#resources,
      bytes: this.#bytes,
      findings: this.#findings,
      orphans: this.#orphans,
    }
  }

  async #check(asset: string, entries: readonly Entry[]): Promise<void> {
    const pace = new Pace()
    for (const entry of entries) {
      if (this.#source.wants?.(asset, entry) === false) continue
      this.#options.signal?.throwIfAborted()
      this.#resources++
      if (entry.committed) await this.#checkSlot(asset, entry, 'committed')
      if (entry.active) await this.#checkSlot(asset, entry, 'active')
      if (pace.due) await pace.rest()
    }
  }

  async #checkSlot(asset: string, entry: Entry, slot: 'committed' | 'active'): Promise<void> {
    const { file, pieces, length } = expectation(asset, entry, slot)
    const driver = await this.#open(file)
    const bad: Fragment[] = []
    const good: Fragment[] = []
    let found: number | undefined
    let isMissing = driver === undefined && (slot === 'committed' || length > 0)
    if (driver) {
      found = driver.stat?.().length
      isMissing = found !== undefined && (slot === 'committed' ? found !== length : found < length)
      try {
        for await (const { ok, ...piece } of checkPieces(driver, pieces, this.#options.signal)) {
          const list = ok ? good : bad
          list.push(piece)
          this.#bytes += piece.end - piece.start
          this.#options.onProgress?.(this.#bytes, Math.max(this.#source.totalBytes, this.#bytes))
        }
      } finally {
        await driver.close()
      }
    }
    if ((!isMissing && bad.length === 0) || !this.#source.isPresent(asset, entry)) return
    // What is overwritten leaves the record first: a piece that is not on it any more was not damaged.
    const lasting = slot === 'active' ? bad.filter((piece) => entry.active?.source.has(piece)) : bad
    if (!isMissing && lasting.length === 0) return
    const missing = isMissing ? { expected: length, found } : undefined
    this.#findings.push({ asset, entry, slot, missing, bad: lasting, good })
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
    const pace = new Pace()
    for await (const file of this.#source.backend.list()) {
      this.#options.signal?.throwIfAborted()
      const asset = assetOf(file.name)
      if (known?.asset !== asset) known = { asset, files: await this.#named.of(asset) }
      if (!known.files.has(fileId(file))) await this.#judge(file)
      if (pace.due) await pace.rest()
    }
  }

  /** A file may have been made since its asset was looked at: its name is on record before it is there, and after. */
  async #judge(file: StoredName): Promise<void> {
    if (this.#named.names(file)) return
    const seen = await this.#lookAt(file)
    if (seen && !this.#named.names(file)) this.#orphans.push({ ...file, ...seen })
  }

  /** `undefined`: it is not there any more. What cannot be opened is there, as far as one can tell. */
  async #lookAt({ name, generation }: StoredName): Promise<{ readonly bytes: number | undefined } | undefined> {
    const { backend } = this.#source
    const part = { generation: generation ?? '', fingerprint: undefined, state: 'active', readOnly: true } as const
    // Under its final name, whatever it looks like.
    const final = { generation: '', fingerprint: '', state: 'committed' } as const
    try {
      const driver = await backend.open({ name, ...(generation === undefined ? final : part) })
      const bytes = driver.stat?.().length
      await driver.close()
      return { bytes }
    } catch (error) {
      const isGone =
        generation === undefined ? backend.exists?.(name) === false : CisternError.is(error, 'ERR_CISTERN_NOT_FOUND')
      return isGone ? undefined : { bytes: undefined }
    }
  }
}

/** What both found, of the same generations and checksums: the first of them is of an earlier record. */
export function foundTwice(before: Found, now: Found): Pick<Found, 'findings' | 'orphans'> {
  const known = new Set([...before.findings.flatMap(findingIds), ...before.orphans.map(fileId)])
  const findings = now.findings.flatMap((finding) => {
    if (finding.missing) return known.has(missingId(finding)) ? [finding] : []
    const bad = finding.bad.filter((piece) => known.has(badId(finding, piece)))
    return bad.length > 0 ? [{ ...finding, bad }] : []
  })
  return { findings, orphans: now.orphans.filter((orphan) => known.has(fileId(orphan))) }
}

const findingIds = (finding: Finding): string[] =>
  finding.missing ? [missingId(finding)] : finding.bad.map((piece) => badId(finding, piece))

const missingId = (finding: Finding): string => `missing\0${slotId(finding)}`

const badId = (finding: Finding, { start, end, crc }: Fragment): string =>
  `bad\0${slotId(finding)}\0${start}\0${end}\0${crc}`

const slotId = ({ asset, entry, slot }: Finding): string => `${asset}\0${entry.path}\0${entry[slot]?.generation}`

function expectation(
  asset: string,
  { committed, active }: Entry,
  slot: 'committed' | 'active',
): { readonly file: BackendFile; readonly pieces: Iterable<Fragment>; readonly length: number } {
  if (slot === 'committed' && committed) {
    const { name, generation, fingerprint, length } = committed
    const file = { name: `${asset}/${name}`, generation, fingerprint, state: 'committed' } as const
    return { file, pieces: checksumPieces(committed.checksums, length), length }
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
