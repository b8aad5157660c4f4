import type { Resource, ResourceHooks } from '@cistern/storage'
import type { IndexRecords } from '../index/records.js'
import { encodeMetadata } from '../metadata.js'
import type { BaseCore } from './base-core.js'
import type { LiveGeneration } from './live-generation.js'
import type { Part } from './part.js'
import { SpillDriver } from './spill-driver.js'

/**
 * What the resources of an open generation tell the base of their life. Classes, one for each role a resource may have:
 * the same as objects made anew for each resource took longer than all else that opening one takes.
 */
abstract class PartHooks implements ResourceHooks {
  protected readonly core: BaseCore
  protected readonly live: LiveGeneration

  constructor(core: BaseCore, live: LiveGeneration) {
    this.core = core
    this.live = live
  }

  /** Whose bytes these are; known once the generation is made. */
  protected abstract get part(): Part

  protected get records(): IndexRecords {
    return this.core.records
  }

  failed(error: Error): void {
    this.core.failed(this.live, error)
  }

  setMetadata(metadata: object): void {
    this.live.setMetadata(encodeMetadata(metadata))
    this.live.writersMetadata = this.live.metadata
  }

  unused(): void {
    this.core.unused(this.live)
  }

  leaked(what: 'reader' | 'writer'): void {
    this.core.leaked(this.live, what)
  }

  beforeWrite(start: number, end: number): void | Promise<void> {
    this.records.check()
    const claimed = this.live.claim()
    return claimed ? claimed.then(() => this.#guard(start, end)) : this.#guard(start, end)
  }

  writing(position: number, parts: readonly Uint8Array[]): void {
    this.part.tracker.writing(position, parts)
  }

  written(position: number, parts: readonly Uint8Array[], added: number): void {
    this.part.tracker.written(position, parts)
    if (added > 0) this.records.occupy(this.live.key.asset, added)
    this.live.flushing.written()
  }

  cut(bytes: number): void {
    this.records.occupy(this.live.key.asset, -bytes)
  }

  lost(start: number, end: number, error: Error, bytes: number): void {
    this.part.tracker.lost(start, end)
    this.core.lost(this.live, this.part, start, end, error, bytes)
  }

  #guard(start: number, end: number): void | Promise<void> {
    return this.part.tracker.guard(start, end, (from, to) => this.live.unrecord(from, to))
  }
}

/** Of the resource that readers read: its commit is the generation's. */
export class OutputHooks extends PartHooks {
  protected override get part(): Part {
    return this.live.output
  }

  override writing(position: number, parts: readonly Uint8Array[]): void {
    super.writing(position, parts)
    this.live.integrity?.follow(position, parts)
  }

  async committing(length: number): Promise<void> {
    await this.core.checkIntegrity(this.live, length)
    this.records.check()
  }

  committed(length: number): void {
    this.core.committed(this.live, length)
  }

  durable(): Promise<void> | undefined {
    return this.records.durability === 'strict' ? this.live.flushing.durable() : undefined
  }
}

/** Of the one resource that writers write and readers read. */
export class PlainHooks extends OutputHooks {
  declared(): void {
    this.live.record()
  }

  renew(): Promise<Resource> {
    return renewed(this.core, this.live)
  }

  released(cause: Error | undefined): void {
    this.core.released(this.live, cause)
  }
}

/** Of the resource that takes source bytes, beside the one that readers read. */
export class RawHooks extends PartHooks {
  protected override get part(): Part {
    return this.live.source
  }

  /** What is held in memory is mostly committed, decrypted, before it would be recorded. */
  override writing(position: number, parts: readonly Uint8Array[]): void {
    const { driver, tracker } = this.part
    if (driver instanceof SpillDriver && !driver.hasSpilled) tracker.passing(position, parts)
    else tracker.writing(position, parts)
  }

  declared(): void {
    this.live.record()
  }

  renew(): Promise<Resource> {
    return renewed(this.core, this.live)
  }

  released(cause: Error | undefined): void {
    this.core.released(this.live, cause)
  }
}

const renewed = async (core: BaseCore, live: LiveGeneration): Promise<Resource> =>
  (await core.renew(live)).source.resource
