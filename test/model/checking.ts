import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import fc, { seed } from '../helpers/fast-check.js'

/** Milliseconds after which a run that does not end counts as one that hangs. */
const HANG_MS = 20_000

/**
 * Runs `run` with `runs` values. What fails is made smaller, and told with what replays it: the seed, the path to it
 * (CISTERN_MODEL_PATH), and the value itself as JSON.
 */
export async function assertAll<T>(
  values: fc.Arbitrary<T>,
  runs: number,
  run: (value: T) => Promise<void>,
  from: number = seed,
): Promise<void> {
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', onUnhandled)
  const { CISTERN_MODEL_PATH: path } = process.env
  const property = fc.asyncProperty(values, async (value) => {
    await run(value)
    assert.deepEqual(unhandled.splice(0), [], 'unhandled rejections')
  })
  try {
    const details = await fc.check(property, { numRuns: runs, seed: from, timeout: HANG_MS, ...(path ? { path } : {}) })
    if (!details.failed) return
    const { counterexamplePath, counterexample, errorInstance } = details
    assert.fail(
      `CISTERN_SEED=${from} CISTERN_MODEL_PATH=${counterexamplePath}\n` +
        `${JSON.stringify(counterexample?.[0])}\n${inspect(errorInstance)}`,
    )
  } finally {
    process.off('unhandledRejection', onUnhandled)
  }
}
