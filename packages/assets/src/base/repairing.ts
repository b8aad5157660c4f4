import { ResourceKey } from '../key.js'
import type { VerifyOptions, VerifyRepair, VerifyReport } from '../types.js'
import type { BaseCore } from './base-core.js'
import { hideCommitted } from './hiding.js'
import { assetOf, fileId, NamedFiles } from './named-files.js'
import { salvage } from './salvage.js'
import { type Finding, type Orphan, Verification } from './verification.js'
import { type Repairs, reportOn } from './verify-report.js'

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
        records,
        assets: () => namesOf(context.index.assets()),
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
    const found = await verification.run()
    const report = await reportOn(found, options, options.repair ? this.#repairs() : undefined)
    if (records.suspect && (options.repair || found.findings.length === 0)) {
      await records.durable(records.record({ type: 'suspect', suspect: false }))
    }
    return report
  }

  #repairs(): Repairs {
    const named = new NamedFiles(this.#core.records)
    let known: { readonly asset: string; readonly files: ReadonlySet<string> } | undefined
    return {
      finding: (finding) => this.#repair(finding),
      orphan: async (orphan) => {
        const asset = assetOf(orphan.name)
        if (known?.asset !== asset) known = { asset, files: await named.of(asset) }
        if (known.files.has(fileId(orphan))) return 'none'
        // Asked again in the very step that unlinks it: it may have been named since.
        return named.names(orphan) ? 'none' : this.#sweepOrphan(orphan)
      },
    }
  }

  #repair(finding: Finding): Promise<VerifyRepair> {
    const key = ResourceKey.of(finding.asset, finding.entry.path)
    return this.#core.keys.queue(key, async () => {
      const entry = this.#core.records.entry(key)
      const slot = entry?.[finding.slot]
      if (slot === undefined || slot.generation !== finding.entry[finding.slot]?.generation) return 'none'
      // A commit waits for no turn: a newer one takes its place anyway, or it is the committed one itself by now.
      if ((this.#core.committedGeneration(key) === slot.generation) !== (finding.slot === 'committed')) return 'none'
      if (finding.slot === 'active') return this.#forgetBad(key, finding)
      const isProcessed = slot.processor !== undefined
      if (finding.missing || isProcessed || finding.good.length === 0) {
        this.#core.sweep(hideCommitted(this.#core, key))
        return 'dropped'
      }
      return finding.entry.committed ? salvage(this.#core, key, finding.entry.committed, finding.good) : 'none'
    })
  }

  /** An unfinished generation loses its bad blocks, and is asked for them again. */
  #forgetBad(key: ResourceKey, { entry, bad, missing }: Finding): VerifyRepair {
    if (missing) {
      this.#core.dropActive(key)
      return 'dropped'
    }
    const { records } = this.#core
    const generation = entry.active?.generation ?? ''
    const present = records.entry(key)?.active?.source
    let repair: VerifyRepair = 'none'
    for (const piece of bad) {
      if (!present?.has(piece)) continue // overwritten since
      const { start, end } = piece
      records.record({ type: 'uncover', asset: key.asset, path: key.path, generation, start, end })
      const filling = this.#core.keys.known(key)?.filling
      filling?.source.tracker.lost(start, end) // a flush under way must not put it on record again
      filling?.source.resource.drop(start, end)
      filling?.flushing.written()
      records.occupy(key.asset, start - end)
      repair = 'reopened'
    }
    return repair
  }

  async #sweepOrphan({ name, generation }: Orphan): Promise<VerifyRepair> {
    this.#core.records.check()
    await this.#core.backend.remove(name, generation ?? '', generation === undefined)
    return 'deleted'
  }
}

function* namesOf(assets: Iterable<{ readonly asset: string }>): Generator<string> {
  for (const { asset } of assets) yield asset
}
