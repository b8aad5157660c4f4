import assert from 'node:assert/strict'
import type { Reader } from './model.js'

interface Asked {
  readonly kind: 'range' | 'commit'
  readonly start: number
  readonly end: number
  readonly patient: boolean
}

interface Pending {
  readonly asked: Asked
  readonly reader: Reader
  /** As soon as the model has one; it stays. */
  expected: string | Error | undefined
  /** Once settled. */
  actual: unknown
}

/** Waits that were begun: each is to settle in the very step in which the model says so, and not before. */
export class PendingWaits {
  #pending: Pending[] = []

  add(reader: Reader, asked: Asked, promise: Promise<unknown>): void {
    const wait: Pending = { asked, reader, expected: undefined, actual: undefined }
    promise.then(
      (value) => {
        wait.actual = typeof value === 'number' ? 'ready' : value
      },
      (error: unknown) => {
        wait.actual = error
      },
    )
    this.#pending.push(wait)
  }

  /** Between two changes of one step: what the first of them settles stays settled. */
  foresee(): void {
    for (const wait of this.#pending) wait.expected ??= expectation(wait)
  }

  /** After each step, once what was ready to run has run. */
  check(): void {
    this.foresee()
    for (const wait of this.#pending) {
      const { start, end, kind } = wait.asked
      const code = (wait.actual as { code?: string } | undefined)?.code?.replace('ERR_CISTERN_', '')
      const actual = wait.expected instanceof Error ? wait.actual : (code ?? wait.actual)
      assert.equal(actual, wait.expected, `${wait.reader.life.key}: wait for ${kind} ${start}-${end}`)
    }
    this.#pending = this.#pending.filter(({ expected }) => expected === undefined)
  }
}

function expectation({ asked, reader }: Pending): string | Error | undefined {
  const { life, refusal } = reader
  if (refusal !== undefined) return refusal
  if (life.failure) return life.failure
  if (asked.kind === 'commit') {
    if (life.committed) return 'ready'
  } else {
    if (life.length !== undefined && asked.start >= life.length) return 'eof'
    if (life.has(asked.start, Math.min(asked.end, life.length ?? asked.end))) return 'ready'
  }
  if (life.removed) return 'REMOVED'
  return life.writer || asked.patient ? undefined : 'ABANDONED'
}
