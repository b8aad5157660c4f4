import assert from 'node:assert/strict'
import { CisternError, type CisternErrorCode } from '../errors.js'
import type { Bytes, ReadonlyRangeSet, ResourceReader } from '../types.js'

/** `length` bytes that say where they are: no two windows of a few bytes are alike. */
export function patterned(length: number, at = 0, seed = 0): Bytes {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const position = at + i
    bytes[i] = (position ^ (position >>> 8) ^ (position >>> 16) ^ (seed * 37)) & 0xff
  }
  return bytes
}

export function filled(length: number, value: number): Bytes {
  return new Uint8Array(length).fill(value)
}

export async function rejectsWith(promise: Promise<unknown>, code: CisternErrorCode): Promise<CisternError> {
  const outcome = await promise.then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  )
  if (!('error' in outcome)) assert.fail(`expected ${code}, but it resolved with ${String(outcome.result)}`)
  assert.ok(CisternError.is(outcome.error), `expected ${code}, got ${String(outcome.error)}`)
  assert.equal(outcome.error.code, code)
  return outcome.error
}

/** Whether `promise` is still pending after everything that is due now has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  const settled = () => {
    pending = false
  }
  promise.then(settled, settled)
  await new Promise((resolve) => setImmediate(resolve))
  return pending
}

export function rangesOf(coverage: ReadonlyRangeSet): number[][] {
  return [...coverage].map(({ start, end }) => [start, end])
}

export async function readAll(reader: ResourceReader, start: number, length: number): Promise<Bytes> {
  const target = new Uint8Array(length)
  assert.equal(await reader.readAt(start, target), length)
  return target
}

/** Bytes compared as a whole: a difference is told by its first position, not by printing both. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array, what = 'bytes'): void {
  assert.equal(actual.length, expected.length, `${what}: length`)
  if (Buffer.compare(actual, expected) === 0) return
  const at = actual.findIndex((byte, i) => byte !== expected[i])
  assert.fail(`${what}: differ at ${at}: ${String(actual[at])} instead of ${String(expected[at])}`)
}

/** A promise and what settles it. */
export interface Gate {
  readonly opened: Promise<void>
  open(): void
  fail(error: Error): void
}

export function gate(): Gate {
  let open: () => void = () => {}
  let fail: (error: Error) => void = () => {}
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { opened, open, fail }
}
