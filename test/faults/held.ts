import type { ResourceReader } from '@cistern/assets'
import { complaint } from './content.js'

/**
 * Content of a nonce at a length, as it stands in the metadata. While it is unfinished, bytes may still be those of the
 * nonce `under` it, which were written and recorded first, to be overwritten.
 */
export interface Content {
  readonly nonce: number
  readonly length: number
  readonly under?: number | undefined
  /** The key that the bytes were written under, where they were moved. */
  readonly of?: string | undefined
}

/** A validator, from which whoever goes on with it knows what it is. */
export function validatorOf({ nonce, length, under }: Content): string {
  return [nonce, length, ...(under === undefined ? [] : [under])].join('-')
}

export function contentIn(validator: string | undefined): Content | undefined {
  const match = /^(\d+)-(\d+)(?:-(\d+))?$/.exec(validator ?? '')
  if (!match) return undefined
  const [nonce, length] = [Number(match[1]), Number(match[2])]
  return match[3] === undefined ? { nonce, length } : { nonce, length, under: Number(match[3]) }
}

/** Reads [start, end) as far as it is there, and says what is wrong with it. */
export async function wrongIn(
  reader: ResourceReader,
  name: string,
  content: Content,
  start: number,
  end: number,
): Promise<string | undefined> {
  const { nonce, under } = content
  const isFinished = reader.status.state === 'committed' // before it is read: what was overwritten is gone by then
  const target = new Uint8Array(end - start)
  let read = 0
  while (read < target.length) {
    const count = await reader.readAt(start + read, target.subarray(read))
    if (count === 0) break
    read += count
  }
  return complaint(name, nonce, start, target.subarray(0, read), isFinished ? undefined : under)
}
