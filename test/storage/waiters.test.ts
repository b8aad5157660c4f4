import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemDriver, Resource } from '@cistern/storage'
import fc from '../helpers/fast-check.js'

const size = 12
const range = fc.tuple(fc.integer({ min: 0, max: size }), fc.integer({ min: 0, max: 5 }))
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('wait' as const), range }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), range }) },
  fc.record({ kind: fc.constant('cancel' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('drop' as const), range }),
  fc.record({ kind: fc.constant('declare' as const) }),
)

interface Waiting {
  readonly start: number
  readonly end: number
  readonly controller: AbortController
  outcome: string | undefined
}

test('[core 12] waits are met exactly when a plain model says so, whatever is written, dropped, cancelled, declared', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const resource = new Resource({ generation: 'g', driver: new MemDriver() })
      const writer = resource.openWriter()
      using reader = resource.openReader()
      const covered = new Array<boolean>(200).fill(false)
      let length: number | undefined
      const waiting: Waiting[] = []
      const met = ({ start, end }: Waiting): string | undefined => {
        if (start === end) return 'ready'
        if (length !== undefined && start >= length) return 'eof'
        return covered.slice(start, Math.min(end, length ?? end)).every(Boolean) ? 'ready' : undefined
      }
      /** What the model expects, decided when it first comes true: a wait that was met stays met. */
      const expected = new Map<Waiting, string>()
      const look = () => {
        for (const wait of waiting) {
          const outcome = met(wait)
          if (outcome !== undefined && !expected.has(wait)) expected.set(wait, outcome)
        }
      }
      for (const action of steps) {
        if (action.kind === 'wait') {
          const [start, span] = action.range
          const wait: Waiting = { start, end: start + span, controller: new AbortController(), outcome: undefined }
          waiting.push(wait)
          reader.waitRange(start, start + span, { signal: wait.controller.signal }).then(
            (outcome) => {
              wait.outcome = outcome
            },
            () => {
              wait.outcome = 'cancelled'
            },
          )
        } else if (action.kind === 'write') {
          const [start, span] = action.range
          const end = Math.min(start + span, length ?? size)
          if (start >= end) continue
          await writer.writeAt(start, new Uint8Array(end - start))
          covered.fill(true, start, end)
        } else if (action.kind === 'drop') {
          const [start, span] = action.range
          resource.drop(start, start + span)
          covered.fill(false, start, start + span)
        } else if (action.kind === 'cancel') {
          const wait = waiting[action.which % (waiting.length || 1)]
          if (wait === undefined) continue
          if (!expected.has(wait)) expected.set(wait, 'cancelled')
          wait.controller.abort()
        } else if (length === undefined) {
          length = size
          await writer.declare({ length })
        }
        look()
        await new Promise((resolve) => setImmediate(resolve))
        for (const wait of waiting) assert.equal(wait.outcome, expected.get(wait))
      }
      await writer.release()
    }),
    { numRuns: 200 },
  )
})
