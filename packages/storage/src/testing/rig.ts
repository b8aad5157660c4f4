import type { Driver } from '../driver.js'
import { StoreClosedError } from '../errors.js'
import { RangeSet } from '../range-set.js'
import { Resource } from '../resource.js'
import type { ResourceHooks } from '../resource-hooks.js'
import type { ResourceReader, ResourceWriter } from '../types.js'

/** Makes the drivers under test. */
export interface DriverFactory {
  /** Begins the titles of the tests. */
  readonly name: string
  /** A driver over empty storage. */
  create(): Driver | Promise<Driver>
  /** Opens again what `driver`, closed by now, has left. Absent where bytes do not outlive their driver. */
  reopen?(driver: Driver): Driver | Promise<Driver>
  /** A write past this must be NoSpaceError. Absent: sparse, so that a byte at 4 GiB is no matter. */
  readonly maxBytes?: number | undefined
}

/** Any test runner's `test`: node:test, vitest, mocha's `it`. */
export type TestFunction = (title: string, body: () => Promise<void>) => unknown

/** What {@link testResource} takes. */
export interface ResourceSuite {
  /** Called once for each test of the suite. */
  readonly test: TestFunction
  /** Makes a driver for each of them. */
  readonly factory: DriverFactory
}

/** A driver that can be slowed down, and made to fail, between the resource and the one under test. */
export class GatedDriver implements Driver {
  /** The one under test. */
  readonly inner: Driver
  /** Present where the driver under test has it. Passes no gate. */
  readonly readSync?: (position: number, target: Uint8Array) => number
  /** Awaited before each write; throw to fail it. */
  beforeWrite: ((position: number, bytes: number) => void | Promise<void>) | undefined
  /** Awaited before each asynchronous read; throw to fail it. */
  beforeRead: (() => void | Promise<void>) | undefined
  /** Writes asked for so far, failed ones included. */
  writes = 0

  constructor(inner: Driver) {
    this.inner = inner
    if (inner.readSync !== undefined) this.readSync = inner.readSync.bind(inner)
  }

  get path(): string | undefined {
    return this.inner.path
  }

  async read(position: number, target: Uint8Array): Promise<number> {
    await this.beforeRead?.()
    return this.inner.read(position, target)
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    this.writes++
    await this.beforeWrite?.(
      position,
      parts.reduce((bytes, part) => bytes + part.length, 0),
    )
    return this.inner.write(position, parts)
  }

  sync(): Promise<void> {
    return this.inner.sync()
  }

  /** As the driver under test does. */
  truncate(length: number): Promise<void> {
    return this.inner.truncate(length)
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}

/** The least owner a resource can have: new generations on new drivers, and all of them closed in the end. */
export class Rig implements AsyncDisposable {
  /** Makes the driver of each generation. */
  readonly factory: DriverFactory
  /** All that were begun, in order; the last is the present one. */
  readonly generations: Resource[] = []
  readonly #hooks: ResourceHooks
  #number = 0

  private constructor(factory: DriverFactory, hooks: ResourceHooks) {
    this.factory = factory
    this.#hooks = hooks
  }

  /** Begins the first generation. */
  static async open(factory: DriverFactory, hooks: ResourceHooks = {}): Promise<Rig> {
    const rig = new Rig(factory, hooks)
    await rig.begin()
    return rig
  }

  /** The present generation. */
  get resource(): Resource {
    return this.generations.at(-1) as Resource // open() began one
  }

  /** That of the present generation. */
  get driver(): GatedDriver {
    return this.resource.driver as GatedDriver
  }

  /** A reader of the present generation. */
  reader(): ResourceReader {
    return this.resource.openReader()
  }

  /** The writer of the present generation. */
  writer(): ResourceWriter {
    return this.resource.openWriter()
  }

  /** Begins another generation on a new driver. */
  async begin(): Promise<Resource> {
    const driver = new GatedDriver(await this.factory.create())
    const resource = new Resource({
      generation: `rig-${++this.#number}`,
      driver,
      hooks: { renew: () => this.begin(), ...this.#hooks },
    })
    this.generations.push(resource)
    return resource
  }

  /** What a later process would have: another resource over the same bytes. */
  async reopen(options: { readonly committed: boolean }): Promise<Resource> {
    const { resource } = this
    const { inner } = resource.driver as GatedDriver
    let driver = inner
    if (this.factory.reopen !== undefined) {
      resource.shutdown(new StoreClosedError('reopening'))
      await resource.drained()
      await inner.close()
      driver = await this.factory.reopen(inner)
    }
    const reopened = new Resource({
      generation: resource.generation,
      driver: new GatedDriver(driver),
      coverage: RangeSet.fromFlat(resource.coverage.toFlat()),
      length: resource.length,
      validator: resource.validator,
      committed: options.committed,
      hooks: { renew: () => this.begin(), ...this.#hooks },
    })
    this.generations.push(reopened)
    return reopened
  }

  /** Ends all handles and closes all drivers. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.generations) {
      resource.shutdown(new StoreClosedError('the test is over'))
      await resource.drained()
      await resource.driver.close()
    }
  }
}
