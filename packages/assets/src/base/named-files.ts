import type { Entry } from '../index/entry.js'
import { Pace } from '../index/pace.js'
import type { Stray } from '../index/record.js'
import type { IndexRecords } from '../index/records.js'
import { rawGeneration } from './live-generation.js'

/** A file as a backend lists it. */
export interface StoredName {
  /** `asset/file`. */
  readonly name: string
  /** `undefined`: under its final name. */
  readonly generation: string | undefined
}

/** Entries that are looked at in one go. */
const AT_ONCE = 64

/** Which files the records name. */
export class NamedFiles {
  readonly #records: Pick<IndexRecords, 'entries' | 'entriesNaming' | 'strays'>

  constructor(records: Pick<IndexRecords, 'entries' | 'entriesNaming' | 'strays'>) {
    this.#records = records
  }

  /**
   * Ids of all files that are named while this runs. It lets others have their turn, so that a file which is not
   * among them has to be asked for with {@link names}.
   */
  async of(asset: string): Promise<ReadonlySet<string>> {
    const files = new Set<string>()
    for (const stray of this.#records.strays(asset)) for (const id of idsOfStray(stray)) files.add(id)
    for await (const entries of batches(this.#records, asset))
      for (const entry of entries) for (const id of idsOf(asset, entry)) files.add(id)
    return files
  }

  /** Whether something names it right now. Looks at what may, not at all of the asset: cheap enough for each unlink. */
  names(file: StoredName): boolean {
    const asset = assetOf(file.name)
    const id = fileId(file)
    for (const entry of this.#records.entriesNaming(asset, file.name.slice(asset.length + 1)))
      for (const named of idsOf(asset, entry)) if (named === id) return true
    for (const stray of this.#records.strays(asset))
      for (const named of idsOfStray(stray)) if (named === id) return true
    return false
  }
}

export const assetOf = (name: string): string => name.slice(0, name.indexOf('/'))

export const fileId = ({ name, generation }: StoredName): string => `${name}\0${generation ?? ''}`

/** An asset's entries bit by bit, each as it is when its turn comes; none is met twice, whatever happens in between. */
export async function* batches(
  records: Pick<IndexRecords, 'entries'>,
  asset: string,
): AsyncGenerator<readonly Entry[]> {
  const pace = new Pace()
  for (let after: string | undefined; ; ) {
    const batch: Entry[] = []
    for (const entry of records.entries(asset, after)) if (batch.push(entry) === AT_ONCE) break
    const last = batch.at(-1)
    if (last === undefined) return
    yield batch
    after = last.path
    if (pace.due) await pace.rest()
  }
}

function* idsOf(asset: string, { committed, active }: Entry): Generator<string> {
  if (committed) {
    const name = `${asset}/${committed.name}`
    yield fileId({ name, generation: undefined })
    // Its part, too: whoever listed the folder before the rename saw that.
    yield fileId({ name, generation: committed.generation })
  }
  if (active) yield* partIds(`${asset}/${active.name}`, active.generation)
}

function* idsOfStray({ asset, name, generation, published }: Stray): Generator<string> {
  yield* partIds(`${asset}/${name}`, generation)
  if (published) yield fileId({ name: `${asset}/${name}`, generation: undefined })
}

function* partIds(name: string, generation: string): Generator<string> {
  yield fileId({ name, generation })
  yield fileId({ name, generation: rawGeneration(generation) })
}
