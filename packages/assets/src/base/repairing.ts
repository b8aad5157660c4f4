import { Pace } from '../index/pace.js'
import { ResourceKey } from '../key.js'
import type { VerifyOptions, VerifyReport } from '../types.js'
import type { BaseCore } from './base-core.js'
import { salvage } from './salvage.js'
import { type Finding, type Orphan, Verification } from './verification.js'

/** Verifies an open store, and, when asked to, keeps what is good of what was found damaged. */
export class Repairing {
  readonly #core: BaseCore

  constructor(core: BaseCore) {
    this.#core = core
  }

  async verify(options: VerifyOptions): Promise<VerifyReport> {
    const { records, context, backend } = this.#core
    // What is on record is what can be checked.
    await records.flush(true)
    const verification = new Verification(
      {
        backend,
        assets: () => [...context.index.assets()].map(({ asset }) => asset),
        entries: (asset) => records.entries(asset),
        strays: (asset) => records.strays(asset),
        totalBytes: context.index.totalBytes,
        isPresent: (asset, entry) => {
          const present = records.entry(ResourceKey.of(asset, entry.path))
          return (
            present?.committed?.generation === entry.committed?.generation &&
            present?.active?.generation === entry.active?.generation
          )
        },
      },
      options,
    )
    const report = await verification.run()
    if (options.repair) {
      for (const finding of verification.findings) await this.#repair(finding)
      const pace = new Pace()
      for (const orphan of verification.orphans) {
        if (verification.isOrphan(orphan)) await this.#sweepOrphan(orphan)
        if (pace.due) await pace.rest()
      }
    }
    if (records.suspect && (options.repair || verification.findings.length === 0)) {
      await records.durable(records.record({ type: 'suspect', suspect: false }))
    }
    return report
  }

  #repair(finding: Finding): Promise<void> {
    const key = ResourceKey.of(finding.asset, finding.entry.path)
    return this.#core.keys.queue(key, async () => {
      const entry = this.#core.records.entry(key)
      const slot = entry?.[finding.slot]
      if (slot === undefined || slot.generation !== finding.entry[finding.slot]?.generation) return
      if (finding.slot === 'active') return this.#forgetBad(key, finding)
      const isProcessed = slot.processor !== undefined
      if (finding.missing || isProcessed || finding.good.length === 0) this.#core.sweep(this.#core.hide(key) ?? [])
      else if (finding.entry.committed) await salvage(this.#core, key, finding.entry.committed, finding.good)
    })
  }

  /** An unfinished generation loses its bad blocks, and is asked for them again. */
  #forgetBad(key: ResourceKey, { entry, bad, missing }: Finding): void {
    if (missing) return this.#core.dropActive(key)
    const { records } = this.#core
    const generation = entry.active?.generation ?? ''
    const present = records.entry(key)?.active?.source
    for (const piece of bad) {
      if (!present?.has(piece)) continue // overwritten since
      const { start, end } = piece
      records.record({ type: 'uncover', asset: key.asset, path: key.path, generation, start, end })
      this.#core.keys.known(key)?.filling?.source.resource.drop(start, end)
      records.occupy(key.asset, start - end)
    }
  }

  async #sweepOrphan({ name, generation }: Orphan): Promise<void> {
    this.#core.records.check()
    await this.#core.backend.remove(name, generation ?? '', generation === undefined)
  }
}
