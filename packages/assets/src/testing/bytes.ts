import assert from 'node:assert/strict'
import { type ByteRange, type Bytes, CisternError, type CisternErrorCode } from '@cistern/storage'

/** `length` bytes that say where they are and, by `seed`, whose. */
export function patterned(length: number, seed = 0, at = 0): Bytes {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const position = at + i
    bytes[i] = (position ^ (position >>> 8) ^ (position >>> 16) ^ Math.imul(seed, 37)) & 0xff
  }
  return bytes
}

/** Bytes compared as a whole: a difference is told by its first position, not by printing both. */
export function assertBytes(actual: Uint8Array | undefined, expected: Uint8Array, what = 'bytes'): void {
  assert.ok(actual !== undefined, `${what}: there are none`)
  assert.equal(actual.length, expected.length, `${what}: length`)
  const at = actual.findIndex((byte, i) => byte !== expected[i])
  assert.equal(at, -1, `${what}: differ at ${at}: ${String(actual[at])} instead of ${String(expected[at])}`)
}

export async function rejectsWith(promise: Promise<unknown>, code: CisternErrorCode): Promise<CisternError> {
  const outcome = await promise.then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  )
  if (!('error' in outcome)) assert.fail(`expected ${code}, but it resolved with ${String(outcome.result)}`)
  return isError(outcome.error, code)
}

export function throwsWith(step: () => unknown, code: CisternErrorCode): CisternError {
  let result: unknown
  try {
    result = step()
  } catch (error) {
    return isError(error, code)
  }
  assert.fail(`expected ${code}, but it returned ${String(result)}`)
}

function isError(error: unknown, code: CisternErrorCode): CisternError {
  assert.ok(CisternError.is(error), `expected ${code}, got ${String(error)}`)
  assert.equal(error.code, code, error.message)
  return error
}

/** Whether `promise` is still pending after everything that is due now has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  const settled = (): void => {
    pending = false
  }
  promise.then(settled, settled)
  await turn()
  return pending
}

/** One whole turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export function rangesOf(coverage: Iterable<ByteRange>): number[][] {
  return [...coverage].map(({ start, end }) => [start, end])
}

/** A promise and what settles it. */
export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

export function gate(): Gate {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** Deterministic numbers in [0, 1): the same seed gives the same run. (mulberry32) */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
