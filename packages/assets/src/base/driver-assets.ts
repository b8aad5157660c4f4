import { NotSupportedError, type ResourceReader } from '@cistern/storage'
import type { BaseContext } from '../index/records.js'
import type { ResourceKey } from '../key.js'
import type {
  AcquireOptions,
  Acquisition,
  Assets,
  Base,
  OpenOptions,
  RemoveAssetOptions,
  VerifyOptions,
  VerifyReport,
} from '../types.js'
import { Acquiring } from './acquiring.js'
import type { Backend } from './backend.js'
import { BaseCore } from './base-core.js'
import { hideAsset } from './hiding.js'
import { Moving } from './moving.js'
import { Repairing } from './repairing.js'

/** Makes a base of a place for bytes: keys, generations and records on top of its drivers. */
export const driverAssets =
  (backend: Backend): Base =>
  (context) =>
    new DriverAssets(context, backend)

/** The end of a chain: key → resource, one open generation a key, everything on record that others may see. */
export class DriverAssets implements Assets {
  readonly #core: BaseCore
  readonly #acquiring: Acquiring
  readonly #moving: Moving
  readonly #verifying = new Set<Promise<unknown>>()

  constructor(context: BaseContext, backend: Backend) {
    this.#core = new BaseCore(context, backend)
    this.#acquiring = new Acquiring(this.#core)
    this.#moving = new Moving(this.#core, this.#acquiring)
    // What a crash left of removals and of generations that never committed. A suspect index is no ground to delete on.
    if (!this.#core.records.suspect) this.#core.sweep([...this.#core.records.strays()])
  }

  async acquire(key: ResourceKey, options: AcquireOptions = {}): Promise<Acquisition> {
    this.#core.assertOpen()
    if (options.processor !== undefined) {
      throw new NotSupportedError(
        'a processor was given, but no layer of this store runs processors: put `processing` into its layers',
      )
    }
    return this.#acquiring.acquire(key, options)
  }

  async open(key: ResourceKey, options: OpenOptions = {}): Promise<ResourceReader> {
    this.#core.assertOpen()
    return this.#acquiring.open(key, options)
  }

  async move(from: ResourceKey, to: ResourceKey): Promise<void> {
    this.#core.assertOpen()
    await this.#moving.move(from, to)
  }

  async remove(key: ResourceKey): Promise<boolean> {
    this.#core.assertOpen()
    this.#core.records.check()
    const strays = this.#core.hide(key)
    if (strays === undefined) return this.#nothing()
    this.#core.context.events.emit('remove', { asset: key.asset, key })
    await this.#core.sweeper.sweep(strays)
    return true
  }

  async removeAsset(asset: string, options: RemoveAssetOptions = {}): Promise<boolean> {
    this.#core.assertOpen()
    this.#core.records.check()
    if (options.unless?.()) return false
    const strays = hideAsset(this.#core, asset)
    if (strays === undefined) return this.#nothing()
    this.#core.context.events.emit('remove', { asset, key: undefined })
    await this.#core.sweeper.sweep(await strays)
    return true
  }

  /** Nothing to see may be what a removal hid that is not on record: who asks is told when it is gone for good. */
  async #nothing(): Promise<false> {
    await this.#core.records.durable()
    return false
  }

  /** Free bytes where the backend lives; `Infinity` where that has no meaning. */
  async freeBytes(): Promise<number> {
    return (await this.#core.backend.freeBytes?.()) ?? Number.POSITIVE_INFINITY
  }

  /** Resolves when the next removal under way has freed its bytes. */
  freed(): Promise<void> | undefined {
    return this.#core.sweeper.next()
  }

  verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#core.assertOpen()
    const { signal: closing } = this.#core.context
    const signal = options.signal ? AbortSignal.any([options.signal, closing]) : closing
    const report = new Repairing(this.#core).verify({ ...options, signal })
    const done: Promise<unknown> = report.then(
      () => this.#verifying.delete(done),
      () => this.#verifying.delete(done), // told to whoever asked for it
    )
    this.#verifying.add(done)
    return report
  }

  async close(): Promise<void> {
    await Promise.all(this.#verifying)
    await this.#core.close()
  }
}
