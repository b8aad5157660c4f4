import { type TestContext, test } from 'node:test'
import { AssetStore, type StoreOptions } from '@cistern/assets'
import { type Fault, MemStore } from '@cistern/mem-store'
import { tempFolder } from '../../helpers/temp-folder.js'

export type OpenStore = (options?: StoreOptions) => Promise<AssetStore>

/** Runs `run` as a test over a store on disk, and over one in memory. `open` again opens the same one, where it lasts. */
export function onBoth(title: string, run: (open: OpenStore, t: TestContext) => Promise<void>): void {
  onDisk(`${title} (disk)`, run)
  test(`${title} (memory)`, (t) => run((options) => MemStore.open(options), t))
}

export function onDisk(title: string, run: (open: OpenStore, t: TestContext) => Promise<void>): void {
  test(title, (t) => {
    const root = tempFolder(t)
    return run((options) => AssetStore.open({ root, minFreeBytes: 0, ...options }), t)
  })
}

export function inMemory(title: string, run: (open: (fault?: Fault) => Promise<AssetStore>) => Promise<void>): void {
  test(title, () => run((fault) => MemStore.open({ fault })))
}

export const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()
