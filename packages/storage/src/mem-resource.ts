import { randomUUID } from 'node:crypto'
import { NoSpaceError } from './errors.js'
import { MemDriver } from './mem-driver.js'
import { checkBytes, checkOptions } from './options.js'
import { RangeSet } from './range-set.js'
import { Resource } from './resource.js'
import { type StandaloneResource, standalone } from './standalone.js'

/** Options of {@link openMemResource}. */
export interface MemResourceOptions {
  /** No byte may lie at or past this position; 256 MiB by default. */
  readonly maxBytes?: number | undefined
  /** Finished bytes: the resource is committed with a copy of them, unless they are empty. */
  readonly initial?: Uint8Array | undefined
}

const defaultMaxBytes = 256 * 1024 * 1024

/** A resource in memory. Throws InvalidOptionError, and NoSpaceError for more `initial` bytes than `maxBytes`. */
export function openMemResource(options: MemResourceOptions = {}): StandaloneResource {
  checkOptions(options, ['maxBytes', 'initial'], 'openMemResource')
  const { maxBytes = defaultMaxBytes, initial } = options
  checkBytes(maxBytes, 'maxBytes')
  const bytes = initial?.length ?? 0
  if (bytes > maxBytes) throw new NoSpaceError(`${bytes} initial bytes are more than maxBytes ${maxBytes}`)
  const resource = fresh(maxBytes, initial)
  const reader = resource.openReader()
  const writer = bytes > 0 ? undefined : resource.openWriter()
  return standalone(reader, writer, () => undefined)
}

function fresh(maxBytes: number, initial: Uint8Array | undefined): Resource {
  const driver = new MemDriver({ maxBytes })
  const coverage = new RangeSet()
  const length = initial?.length ?? 0
  if (initial !== undefined && length > 0) {
    driver.writeSync(0, [initial])
    coverage.insert(0, length)
  }
  const letGo = (): void => void resource.drained().then(() => driver.close())
  const resource = new Resource({
    generation: randomUUID(),
    driver,
    coverage,
    committed: length > 0,
    hooks: {
      renew: async () => fresh(maxBytes, undefined),
      unused: letGo,
    },
  })
  return resource
}
