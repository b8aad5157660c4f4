import { abortSignal, integer, type OptionSpec, oneOf, type Rule, rule } from '@cistern/assets'
import type { ByteRange } from '@cistern/storage'
import { PRIORITIES } from './priority.js'
import type { FillerOptions, FillOptions, PrefetchOptions } from './types.js'

const KIB = 1024
const GIB = KIB ** 3

// What the store's acquire takes is checked by the store.
const anything: Rule<never> = rule('anything', () => true)
const store = { processor: anything, metadata: anything, integrity: anything } as const

const priority = oneOf(...PRIORITIES)
const lookahead = integer('chunks', 0, 10_000)
const whenLeft = oneOf('stop', 'finish')
const ranges: Rule<readonly ByteRange[]> = rule(
  'an array of half-open ranges { start, end } in bytes',
  (value) => Array.isArray(value) && value.every(isRange),
)

export const FILLER_OPTIONS: OptionSpec<FillerOptions> = {
  concurrency: integer('requests', 1, 1_000),
  perOrigin: integer('requests', 1, 1_000),
  chunkSize: integer('bytes', 16 * KIB, GIB),
  lookahead,
  maxBytesPerSecond: integer('bytes a second', 1),
  retries: integer('attempts', 0, 100),
  backoffMs: integer('milliseconds', 1, 60_000),
  windowBytes: integer('bytes', 64 * KIB),
  whenLeft,
  signal: abortSignal,
}

export const FILL_OPTIONS: OptionSpec<FillOptions> = { ...store, priority, lookahead, whenLeft, signal: abortSignal }

export const PREFETCH_OPTIONS: OptionSpec<PrefetchOptions> = { ...store, priority, ranges, signal: abortSignal }

function isRange(value: unknown): boolean {
  const { start, end } = (value ?? {}) as Partial<ByteRange>
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && Number(start) >= 0 && Number(start) < Number(end)
}
