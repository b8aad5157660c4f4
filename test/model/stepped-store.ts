import {
  type AssetStore,
  type Backend,
  type BackendFile,
  driverAssets,
  openStore,
  type StoredDriver,
} from '@cistern/assets'
import { IndexState } from '#assets/index/index-state.js'
import { MainIndex } from '#assets/index/store-index.js'
import { MemBackend } from '#mem-store/mem-backend.js'

/** Awaited before each step that would be I/O: whoever gives it decides which of the pending ones goes next. */
export type Step = (label: string) => Promise<void>

/** A store in memory whose every step of I/O, of the backend and of the index, is a point where others may come between. */
export async function openStepped(step: Step): Promise<{ readonly store: AssetStore; readonly backend: Backend }> {
  const backend = new SteppedBackend(step)
  let pushed = 0
  const index = new MainIndex({
    state: new IndexState(),
    log: {
      get pushed() {
        return pushed
      },
      push: () => ++pushed,
      appended: () => step('append'),
      durable: () => step('sync index'),
    },
    session: 'session',
    storeId: new Uint8Array(16),
    durability: 'ordered',
    flushMs: 2 ** 30, // flushes come when they are asked for: a timer would make runs differ
    recovery: { resources: 0, droppedRecords: 0, suspect: false, ms: 0 },
    check: () => undefined,
    close: () => Promise.resolve(),
  })
  return { store: await openStore(driverAssets(backend), index, { minFreeBytes: 0 }), backend }
}

class SteppedBackend implements Backend {
  readonly #inner = new MemBackend(undefined, () => Number.POSITIVE_INFINITY)
  readonly #step: Step

  constructor(step: Step) {
    this.#step = step
  }

  async open(file: BackendFile): Promise<StoredDriver> {
    await this.#step(`open ${file.state}`)
    return stepped(await this.#inner.open(file), this.#step)
  }

  async publish(name: string, generation: string): Promise<string> {
    await this.#step('publish')
    return this.#inner.publish(name, generation)
  }

  async remove(name: string, generation: string, published: boolean): Promise<void> {
    await this.#step('remove')
    await this.#inner.remove(name, generation, published)
  }

  list(): AsyncGenerator<{ readonly name: string; readonly generation: string | undefined }> {
    return this.#inner.list()
  }
}

function stepped(driver: StoredDriver, step: Step): StoredDriver {
  return {
    read: (position, target) => step('read').then(() => driver.read(position, target)),
    write: (position, parts) => step('write').then(() => driver.write(position, parts)),
    sync: () => step('sync').then(() => driver.sync()),
    truncate: (length) => step('truncate').then(() => driver.truncate(length)),
    close: () => step('close').then(() => driver.close()),
  }
}
