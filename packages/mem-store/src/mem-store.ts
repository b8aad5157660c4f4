import {
  type AssetStore,
  checkOptions,
  DEFAULTS,
  type OptionSpec,
  openStore,
  STORE_OPTIONS,
  type StoreOptions,
  volatileIndex,
} from '@cistern/assets'
import type { Fault } from './fault.js'
import { MEM_ASSETS_OPTIONS, memAssets } from './mem-assets.js'

export type { Fault, FaultPoint } from './fault.js'

/** Options of {@link MemStore}.open. */
export interface MemStoreOptions extends StoreOptions {
  /** Fails or slows what would be operations of a disk. */
  readonly fault?: Fault | undefined
}

const MEM_STORE_OPTIONS: OptionSpec<MemStoreOptions> = { ...STORE_OPTIONS, ...MEM_ASSETS_OPTIONS }

async function open(options: MemStoreOptions = {}): Promise<AssetStore> {
  const { fault, ...rest } = checkOptions('MemStore.open', options, MEM_STORE_OPTIONS)
  const index = volatileIndex({
    onWrite: fault && (() => fault({ op: 'index', key: undefined, position: 0, bytes: 0 })),
  })
  return openStore(memAssets({ fault }), index, { maxBytes: DEFAULTS.memoryMaxBytes, ...rest })
}

/**
 * An `AssetStore` with nothing on disk: the same layers, the same behaviour, for tests and small hosts. `maxBytes` is
 * 256 MiB unless said otherwise; what it held is gone when it closes.
 */
export const MemStore: {
  /** Rejects with `InvalidOptionError` for options that it does not know. */
  open(options?: MemStoreOptions): Promise<AssetStore>
} = { open }
