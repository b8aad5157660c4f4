import { encodeFrames, type Frame } from '#assets/index/frame.js'
import { encodeHeader } from '#assets/index/header.js'
import { encodeRecord } from '#assets/index/record.js'
import { RecordsOfALife } from '../../assets/index/records-of-a-life.js'
import { randomBytes, randomInteger, randomNumbers } from '../../helpers/bytes.js'
import type { IndexFiles } from './memory-index.js'

/** The last owner of all of them. */
export const SESSION = 'session'

/** A store's journals, with all that is needed to make frames that its CRCs accept. */
export interface SmallJournals {
  readonly storeId: Uint8Array
  readonly files: IndexFiles
  readonly numbers: readonly number[]
}

/** One to three journals, one going on from the other, of a store that nothing happened to yet. */
export function smallJournals(seed: number): SmallJournals {
  const random = randomNumbers(seed)
  const storeId = randomBytes(seed + 1, 16)
  const life = new RecordsOfALife(seed, { assets: 2, paths: 6 })
  const files = new Map<string, Uint8Array>()
  const numbers = Array.from({ length: randomInteger(random, 1, 4) }, (_, index) => index + 1)
  let sequence = 0
  for (const number of numbers) {
    const predecessor = number === 1 ? undefined : { number: number - 1, sequence }
    const header = { kind: 'journal', storeId, number, session: SESSION, sequence, predecessor } as const
    const frames: Frame[] = []
    for (let steps = randomInteger(random, 3, 16); steps > 0; steps--)
      for (const record of life.next()) frames.push({ sequence: ++sequence, payload: encodeRecord(record, SESSION) })
    files.set(nameOf(number), Buffer.concat([encodeHeader(header), encodeFrames({ storeId, number }, frames)]))
  }
  return { storeId, files, numbers }
}

export const nameOf = (number: number): string => `journal-${number}.log`
