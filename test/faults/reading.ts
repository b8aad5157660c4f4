import { CisternError, type ResourceReader } from '@cistern/assets'
import { randomChoice, randomInteger, randomNumbers } from '../helpers/bytes.js'
import { KEYS } from './keys.js'
import { isExpected, type Workshop } from './workshop.js'
import { pause } from './writing.js'

const MOST = 50_000

/** One who plays: opens what is there at random, also while it is written, and reads here and there. */
export function reading(shop: Workshop, seed: number): () => Promise<void> {
  const random = randomNumbers(seed)
  return async () => {
    const key = randomChoice(random, KEYS)
    if (!shop.store.stat(key)) return await pause(1)
    try {
      using reader = await shop.store.open(key)
      for (let reads = randomInteger(random, 1, 8); reads > 0; reads--) {
        const [start, end] = somewhere(reader, random)
        if (random() < 0.3) await reader.waitRange(start, end, { signal: AbortSignal.timeout(15) })
        // An acquirer's own content is known before its first byte; by the time that one is read, so is whose it is.
        const first = await reader.readAt(start, new Uint8Array(1))
        const content = first === 0 ? undefined : shop.contentOf(key, reader)
        if (content) await shop.compare(key, reader, content, start, Math.min(end, reader.coverage.coveredEnd(start)))
        else await pause(1)
      }
    } catch (error) {
      if (!isExpected(error) && !isUsual(error)) throw error
      await pause(1)
    }
  }
}

function somewhere(reader: ResourceReader, random: () => number): readonly [start: number, end: number] {
  const last = reader.length ?? [...reader.coverage].at(-1)?.end ?? 0
  const start = randomInteger(random, 0, Math.max(1, last))
  return [start, start + randomInteger(random, 1, MOST)]
}

/** Where nothing was written yet, and where nobody writes any more. */
function isUsual(error: unknown): boolean {
  return (
    CisternError.is(error, 'ERR_CISTERN_RANGE_NOT_AVAILABLE') ||
    CisternError.is(error, 'ERR_CISTERN_ABANDONED') ||
    (error instanceof Error && error.name === 'TimeoutError')
  )
}
