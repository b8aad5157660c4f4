import type { ResourceHooks } from '@cistern/storage'
import { encodeMetadata } from '../metadata.js'
import type { BaseCore } from './base-core.js'
import type { LiveGeneration } from './live-generation.js'
import type { Part } from './part.js'

/** What an open generation tells the base of its life: both of its resources, whichever a handle is of. */
function lifeHooks(core: BaseCore, live: LiveGeneration): ResourceHooks {
  return {
    failed: (error) => core.failed(live, error),
    setMetadata: (metadata) => {
      live.setMetadata(encodeMetadata(metadata))
      live.writersMetadata = live.metadata
    },
    unused: () => core.unused(live),
    leaked: (what) => core.leaked(live, what),
  }
}

/** Of the resource that writers write. */
export function sourceHooks(core: BaseCore, live: LiveGeneration, part: () => Part | undefined): ResourceHooks {
  return {
    ...lifeHooks(core, live),
    ...writeHooks(core, live, part),
    declared: () => live.record(),
    renew: async () => (await core.renew(live)).source.resource,
    released: (cause) => core.released(live, cause),
  }
}

/** Of the resource that readers read: its commit is the generation's. */
export function outputHooks(core: BaseCore, live: LiveGeneration): ResourceHooks {
  return {
    ...lifeHooks(core, live),
    ...writeHooks(
      core,
      live,
      () => live.output,
      (position, parts) => live.integrity?.follow(position, parts),
    ),
    committing: async (length) => {
      await core.checkIntegrity(live, length)
      core.records.check()
    },
    committed: (length) => core.committed(live, length),
    durable: () => (core.records.durability === 'strict' ? live.flushing.durable() : undefined),
  }
}

function writeHooks(
  core: BaseCore,
  live: LiveGeneration,
  part: () => Part | undefined,
  follow?: (position: number, parts: readonly Uint8Array[]) => void,
): ResourceHooks {
  const { records } = core
  return {
    beforeWrite: (start, end) => {
      records.check()
      const guard = () => part()?.tracker.guard(start, end, (from, to) => live.unrecord(from, to))
      const claimed = live.claim()
      return claimed ? claimed.then(guard) : guard()
    },
    writing: (position, parts) => {
      part()?.tracker.writing(position, parts)
      follow?.(position, parts)
    },
    written: (position, parts, added) => {
      part()?.tracker.written(position, parts)
      if (added > 0) records.occupy(live.key.asset, added)
      live.flushing.written()
    },
    cut: (bytes) => records.occupy(live.key.asset, -bytes),
    lost: (start, end, error) => {
      part()?.tracker.lost(start, end)
      core.lost(live, start, end, error)
    },
  }
}
