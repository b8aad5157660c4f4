import { lstat, readdir, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { mapIoError, NotFoundError, NotSupportedError } from '@cistern/storage'
import { type Finding, foundTwice, Verification, type VerifySource } from './base/verification.js'
import { reportOn } from './base/verify-report.js'
import { DiskBackend } from './disk/disk-backend.js'
import { isAbsent } from './disk/entries.js'
import { errnoOf } from './index/file.js'
import type { IndexState } from './index/index-state.js'
import { VolatileLog } from './index/log.js'
import { readLastOwner } from './index/ownership.js'
import { recover } from './index/recovery.js'
import { MainIndex } from './index/store-index.js'
import { holdsFiles, INDEX_FOLDER } from './open-disk-store.js'
import { checkOptions, VERIFY_OPTIONS } from './options.js'
import type { AssetStat, IndexView, Recovery, VerifyOptions, VerifyReport } from './types.js'

/** A look at a store from outside: what was on record when it was taken. */
export interface StoreInspection extends IndexView {
  /** What reading the index found. */
  readonly recovery: Recovery
  /**
   * Compares files and checksums with the record, which is read again where they differ: `onProgress` then begins anew,
   * for those alone. Never repairs.
   */
  verify(options?: VerifyOptions): Promise<VerifyReport>
  /** Lets go of what was read. */
  close(): Promise<void>
}

interface Read {
  readonly state: IndexState
  readonly recovery: Recovery
}

/** A snapshot or journal may be replaced while it is read: then it is read again. */
const ATTEMPTS = 5

/**
 * Read-only look at a root that another process may own: takes no lock, writes nothing.
 *
 * Rejects with `NotFoundError` where there is no store, `IndexVersionError`, `StorageIoError`.
 */
export async function inspectStore(root: string): Promise<StoreInspection> {
  const folder = await realpath(resolve(root)).catch((error: unknown) => {
    if (isAbsent(error)) throw new NotFoundError(`${root}: there is no such folder`, { cause: error })
    throw mapIoError(error, root, 'look at')
  })
  const index = await lstat(join(folder, INDEX_FOLDER)).catch((error: unknown) => {
    if (!isAbsent(error)) throw mapIoError(error, folder, 'look at')
  })
  if (!index?.isDirectory()) throw new NotFoundError(`${root} is not a store: it has no ${INDEX_FOLDER}/`)
  return new Inspection(folder, await read(folder))
}

async function read(root: string): Promise<Read> {
  const dir = join(root, INDEX_FOLDER)
  const started = performance.now()
  for (let attempt = 1; ; attempt++) {
    try {
      const last = await readLastOwner(dir)
      const files = holdsFiles(await readdir(root))
      const { state, isNew, dropped, suspect } = await recover(dir, last?.owner.session, files)
      if (isNew && !suspect && last === undefined)
        throw new NotFoundError(`${root} is not a store: it has no readable ${INDEX_FOLDER}/`)
      // Files that are replaced one after the other while they are read may not fit together.
      if (dropped > 0 && attempt === 1) continue
      const recovery = {
        resources: state.resourceCount,
        droppedRecords: dropped,
        suspect: suspect || state.suspect,
        ms: performance.now() - started,
      }
      return { state, recovery }
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' && attempt < ATTEMPTS) continue
      throw mapIoError(error, dir, 'read')
    }
  }
}

class Inspection implements StoreInspection {
  readonly recovery: Recovery
  readonly #root: string
  readonly #state: IndexState
  readonly #view: MainIndex

  constructor(root: string, { state, recovery }: Read) {
    this.#root = root
    this.#state = state
    this.#view = viewOf(state, recovery)
    this.recovery = recovery
  }

  stat: IndexView['stat'] = (key) => this.#view.stat(key)
  assetStat: IndexView['assetStat'] = (asset) => this.#view.assetStat(asset)
  assets(): Iterable<AssetStat> {
    return this.#view.assets()
  }
  resources: IndexView['resources'] = (asset) => this.#view.resources(asset)

  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const { repair, ...rest } = checkOptions('verify', options, VERIFY_OPTIONS)
    if (repair) throw new NotSupportedError('repairing needs the store itself: open it, and verify that')
    const first = await new Verification(this.#source(this.#state, this.#view), rest).run()
    if (first.findings.length + first.orphans.length === 0) return reportOn(first, rest)
    // What differs may have changed beside us: a finding is what the record as it is now says, too.
    const now = await read(this.#root)
    const paths = pathsOf(first.findings)
    const source: VerifySource = {
      ...this.#source(now.state, viewOf(now.state, now.recovery)),
      assets: () => paths.keys(),
      wants: (asset, { path }) => paths.get(asset)?.has(path) ?? false,
      totalBytes: 0,
    }
    const second = await new Verification(source, rest).run()
    return reportOn({ ...first, ...foundTwice(first, second) }, rest)
  }

  #source(state: IndexState, view: MainIndex): VerifySource {
    return {
      backend: new DiskBackend(this.#root),
      records: view,
      assets: () => state.rows.keys(),
      totalBytes: state.totalBytes,
      isPresent: () => true,
    }
  }

  async close(): Promise<void> {}
}

/** Looks at a state as an open store does; nothing is ever recorded. */
const viewOf = (state: IndexState, recovery: Recovery): MainIndex =>
  new MainIndex({
    state,
    log: new VolatileLog(),
    session: '',
    storeId: new Uint8Array(16),
    durability: 'ordered',
    flushMs: 0,
    recovery,
    check: () => undefined,
    close: () => Promise.resolve(),
  })

function pathsOf(findings: readonly Finding[]): ReadonlyMap<string, ReadonlySet<string>> {
  const paths = new Map<string, Set<string>>()
  for (const { asset, entry } of findings) paths.set(asset, (paths.get(asset) ?? new Set()).add(entry.path))
  return paths
}
