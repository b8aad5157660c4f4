import { type AssetStore, CisternError, type ResourceKey, type ResourceReader } from '@cistern/assets'
import { type Content, wrongIn } from './held.js'
import { contentName } from './keys.js'
import { say } from './report.js'

/** What all who work on one store share: the store, and what the generations that were begun here are made of. */
export class Workshop {
  readonly store: AssetStore
  readonly #begun = new Map<string, Content>()

  constructor(store: AssetStore) {
    this.store = store
  }

  /** Before its first byte is written. */
  begun(generation: string, content: Content): void {
    this.#begun.set(generation, content)
  }

  /** What a reader is to see: known to who writes it, or from the metadata of an earlier life. */
  contentOf(key: ResourceKey, reader: ResourceReader): Content | undefined {
    const known = this.#begun.get(reader.generation)
    if (known) return known
    const stat = this.store.stat(key)
    return stat?.generation === reader.generation ? (stat.metadata as Content | undefined) : undefined
  }

  /** Every byte that is there. */
  async check(key: ResourceKey, reader: ResourceReader): Promise<void> {
    const content = this.contentOf(key, reader)
    if (!content) return // a removal came between, or it is declared and nothing was written yet
    for (const { start, end } of [...reader.coverage]) await this.compare(key, reader, content, start, end)
  }

  async compare(key: ResourceKey, reader: ResourceReader, content: Content, start: number, end: number): Promise<void> {
    const wrong = await wrongIn(reader, contentName(key), content, start, end)
    if (wrong) say({ is: 'violation', what: `while it lived: ${key.id}: ${wrong}` })
  }
}

/** What writers fail with on purpose, and readers then see. */
export const BROKEN = 'the source turned out to be broken'

/**
 * Others remove whole assets, fail what is read and evict what is not in use at any moment, and a store that is full
 * refuses: what that ends is told so, and this is not a fault.
 */
export function isExpected(error: unknown): boolean {
  if (error instanceof Error && error.message === BROKEN) return true
  if (CisternError.is(error, 'ERR_CISTERN_QUOTA_EXCEEDED')) say({ is: 'met', what: 'refused for the quota' })
  return (
    CisternError.is(error, 'ERR_CISTERN_QUOTA_EXCEEDED') ||
    CisternError.is(error, 'ERR_CISTERN_REMOVED') ||
    CisternError.is(error, 'ERR_CISTERN_NOT_FOUND') ||
    CisternError.is(error, 'ERR_CISTERN_WRITER_CLOSED')
  )
}
