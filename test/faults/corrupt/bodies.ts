import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type AssetStore, type Processor, ResourceKey } from '@cistern/assets'
import { decrypting, encrypted } from '../../assets/processing/staged.js'
import { contentOf } from '../content.js'
import { BLOCK } from './body-damage.js'

const NONCE = 7

/** One resource whose file is going to be damaged. */
export interface Body {
  readonly key: ResourceKey
  readonly isCommitted: boolean
  /** What its source becomes; a damaged one is dropped whole, because its source is not there any more. */
  readonly processor: Processor | undefined
  /** What can be read of it once it is whole. */
  readonly content: Uint8Array
  /** What a writer of it writes. */
  readonly source: Uint8Array
  /** [0, stored) of the source was written. */
  readonly stored: number
}

export const BODIES: Readonly<Record<string, Body>> = {
  committed: body('a.ts', { isCommitted: true, isProcessed: false }),
  unfinished: body('b.ts', { isCommitted: false, isProcessed: false }),
  processed: body('c.ts', { isCommitted: true, isProcessed: true }),
  'raw in flight': body('d.ts', { isCommitted: false, isProcessed: true }),
}

/** What nothing happens to. */
export const BYSTANDER: Body = body('bystander.ts', { isCommitted: true, isProcessed: false })

function body(path: string, is: { readonly isCommitted: boolean; readonly isProcessed: boolean }): Body {
  const key = ResourceKey.of('film', path)
  const content = contentOf(key.id, NONCE, 0, 3 * BLOCK - 100_000)
  const source = is.isProcessed ? encrypted(content) : content
  return {
    key,
    isCommitted: is.isCommitted,
    processor: is.isProcessed ? decrypting() : undefined,
    content,
    source,
    stored: is.isCommitted ? source.length : 2 * BLOCK + 5_000,
  }
}

export async function store(into: AssetStore, { key, processor, source, stored, isCommitted }: Body): Promise<void> {
  if (isCommitted) {
    await into.put(key, source, { processor })
    return
  }
  await using got = await into.acquire(key, { processor })
  await got.writer?.declare({ length: source.length, validator: '"7"' })
  await got.writer?.writeAt(0, source.subarray(0, stored))
}

/** Writes what is missing, and gives what was: pairs of start and end; `undefined` where nothing was to be written. */
export async function refill(into: AssetStore, { key, processor, source }: Body): Promise<Gaps | undefined> {
  await using got = await into.acquire(key, { processor })
  const { writer } = got
  if (!writer) return undefined
  const gaps = [...writer.coverage.gaps(0, source.length)]
  for (const { start, end } of gaps) await writer.writeAt(start, source.subarray(start, end))
  await writer.commit(source.length)
  return gaps.map(({ start, end }) => [start, end])
}

export type Gaps = readonly (readonly [start: number, end: number])[]

/** The file of it that is damaged: what is on record of it. */
export function fileOf(root: string, { key, isCommitted, processor }: Body): string {
  if (isCommitted) return join(root, key.id)
  const suffix = processor ? '.raw.part' : '.part'
  const name = readdirSync(join(root, key.asset)).find((one) => one.startsWith(key.path) && one.endsWith(suffix))
  if (!name) throw new Error(`${key.id} has no file`)
  return join(root, key.asset, name)
}
