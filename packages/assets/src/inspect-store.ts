import { realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CisternError, mapIoError, NotFoundError, NotSupportedError } from '@cistern/storage'
import { Verification } from './base/verification.js'
import { DiskBackend } from './disk/disk-backend.js'
import type { IndexState } from './index/index-state.js'
import { VolatileLog } from './index/log.js'
import { readLastOwner } from './index/ownership.js'
import { recover } from './index/recovery.js'
import { MainIndex } from './index/store-index.js'
import { INDEX_FOLDER } from './open-disk-store.js'
import { checkOptions, VERIFY_OPTIONS } from './options.js'
import type { AssetStat, IndexView, VerifyOptions, VerifyReport } from './types.js'

/** A look at a store from outside: what was on record when it was taken. */
export interface StoreInspection extends IndexView {
  /** Compares files and checksums with the record, which is read again where they differ. Never repairs. */
  verify(options?: VerifyOptions): Promise<VerifyReport>
  /** Lets go of what was read. */
  close(): Promise<void>
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
    throw new NotFoundError(`${root}: there is no such folder`, { cause: error })
  })
  return new Inspection(folder, await read(folder))
}

async function read(root: string): Promise<IndexState> {
  const dir = join(root, INDEX_FOLDER)
  for (let attempt = 1; ; attempt++) {
    try {
      const last = await readLastOwner(dir)
      const { state, isNew } = await recover(dir, last?.owner.session)
      if (isNew && last === undefined)
        throw new NotFoundError(`${root} is not a store: it has no readable ${INDEX_FOLDER}/`)
      return state
    } catch (error) {
      const code = (error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined)?.code
      if (code === 'ENOENT' && attempt < ATTEMPTS) continue
      if (code === 'ENOENT' && !CisternError.is(error))
        throw new NotFoundError(`${root} is not a store`, { cause: error })
      throw mapIoError(error, dir, 'read')
    }
  }
}

class Inspection implements StoreInspection {
  readonly #root: string
  readonly #state: IndexState
  readonly #view: MainIndex

  constructor(root: string, state: IndexState) {
    this.#root = root
    this.#state = state
    this.#view = new MainIndex({
      state,
      log: new VolatileLog(),
      session: '',
      storeId: new Uint8Array(16),
      durability: 'ordered',
      flushMs: 0,
      recovery: { resources: state.resourceCount, droppedRecords: 0, suspect: state.suspect, ms: 0 },
      check: () => undefined,
      close: () => Promise.resolve(),
    })
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
    const look = async (state: IndexState) => {
      const verification = new Verification(
        {
          backend: new DiskBackend(this.#root),
          assets: () => [...state.rows.keys()],
          entries: (asset) => state.under(asset, ''),
          strays: (asset) => state.straysOf(asset),
          totalBytes: state.totalBytes,
          isPresent: () => true,
        },
        rest,
      )
      return { verification, report: await verification.run() }
    }
    const first = await look(this.#state)
    if (first.report.badBlocks + first.report.missing + first.report.orphans === 0) return first.report
    // What differs may have changed beside us: a finding is what the record as it is now says, too.
    const second = await look(await read(this.#root))
    return { ...second.report, ...second.verification.foundBy(first.verification) }
  }

  async close(): Promise<void> {}
}
