import { type Durability, ResourceKey } from '@cistern/assets'
import fc from '../helpers/fast-check.js'

/** Three assets; the paths collide as file names: a folder where a file is, and names that differ in case alone. */
export const KEYS = ['a/x', 'a/x/y', 'a/X', 'b/x', 'b/z', 'c/x'] as const
export const ASSETS = ['a', 'b', 'c'] as const

export const keyOf = (id: string): ResourceKey => ResourceKey.parse(id)
export const assetOf = (id: string): string => id.slice(0, id.indexOf('/'))

/**
 * One step, as plain JSON, so that a failing sequence can be kept as it is printed. `at` picks one of the handles that
 * are there, counted modulo their number; positions and sizes are in slots of the sequence's scale.
 */
export type Operation =
  | {
      readonly op: 'acquire'
      readonly key: number
      readonly mode: Mode
      readonly length?: number
      readonly meta?: boolean
    }
  | { readonly op: 'write'; readonly at: number; readonly pieces: readonly (readonly [slot: number, size: number])[] }
  | { readonly op: 'declare'; readonly at: number; readonly length?: number; readonly validator?: 'v1' | 'v2' | null }
  | { readonly op: 'commit'; readonly at: number; readonly length?: number }
  | { readonly op: 'fail' | 'release' | 'discard' | 'describe'; readonly at: number }
  | { readonly op: 'put'; readonly key: number; readonly size: number; readonly meta?: boolean }
  | { readonly op: 'get' | 'remove' | 'setMetadata'; readonly key: number }
  | { readonly op: 'open'; readonly key: number; readonly verify?: boolean }
  | { readonly op: 'move'; readonly key: number; readonly to: number }
  | { readonly op: 'read' | 'clone' | 'close'; readonly at: number }
  | { readonly op: 'readAt'; readonly at: number; readonly slot: number; readonly size: number }
  | {
      readonly op: 'wait'
      readonly at: number
      readonly slot: number
      readonly size: number
      readonly patient?: boolean
    }
  | { readonly op: 'waitCommit'; readonly at: number; readonly patient?: boolean }
  | { readonly op: 'lease' | 'pin' | 'unpin' | 'letGo'; readonly asset: number }
  | { readonly op: 'unlease'; readonly at: number }
  | { readonly op: 'removeAsset'; readonly asset: number; readonly unless?: boolean }
  | Squeeze
  | { readonly op: 'checkpoint' | 'verify' | 'reopen' | 'pause' }
  /** Where files are: looks at what a kill would leave, and goes on. */
  | { readonly op: 'crash'; readonly checkpoint?: boolean }

/** A limit in eighths of what is there, lifted again at the end. Things may be put before, and one while it is in force. */
export interface Squeeze {
  readonly op: 'squeeze'
  readonly limit: 'assets' | 'bytes'
  readonly eighths: number
  readonly before?: readonly Small[]
  readonly put?: Small
}

interface Small {
  readonly key: number
  readonly size: number
}

export type Mode = 'fill' | 'rewrite' | 'replace' | 'extend'

export interface Sequence {
  readonly durability?: Durability
  /** Absent: at once, so that little is unflushed when a store is left as a crash would leave it. */
  readonly flushMs?: number
  /** Bytes of a slot: small ones are fast, large ones cross the blocks that checksums are kept of. */
  readonly scale: number
  readonly operations: readonly Operation[]
}

const SLOTS = 12
const LATE = 60_000 // ms: only what is asked for is flushed
const at = fc.nat(7)
const slot = fc.nat(SLOTS)
const size = fc.integer({ min: 1, max: 8 })
const key = fc.nat(KEYS.length - 1)
const small = fc.record({ key, size })
const asset = fc.nat(ASSETS.length - 1)
const yes = fc.boolean()

/** Of `weight`: an operation of these parts, and those of `maybe` or not. */
const step = (weight: number, op: string, parts: object = {}, maybe: object = {}) => ({
  weight,
  arbitrary: fc.record({ op: fc.constant(op), ...parts, ...maybe }, {
    requiredKeys: ['op', ...Object.keys(parts)],
  } as never) as fc.Arbitrary<unknown> as fc.Arbitrary<Operation>,
})

const operation: fc.Arbitrary<Operation> = fc.oneof(
  step(8, 'acquire', { key, mode: fc.constant('fill') }, { length: slot, meta: yes }),
  step(5, 'acquire', { key, mode: fc.constantFrom('rewrite', 'replace', 'extend') }, { length: slot, meta: yes }),
  step(14, 'write', { at, pieces: fc.array(fc.tuple(slot, size), { minLength: 1, maxLength: 4 }) }),
  // From the start, so that most commits have no gap.
  step(8, 'write', { at, pieces: fc.tuple(size).map(([length]) => [[0, length]] as const) }),
  step(3, 'declare', { at }, { length: slot, validator: fc.constantFrom('v1', 'v2', null) }),
  step(8, 'commit', { at }, { length: slot }),
  step(2, 'fail', { at }),
  step(4, 'release', { at }),
  step(2, 'discard', { at }),
  step(1, 'describe', { at }),
  step(4, 'put', { key, size }, { meta: yes }),
  step(2, 'get', { key }),
  step(4, 'open', { key }, { verify: yes }),
  step(3, 'read', { at }),
  step(3, 'readAt', { at, slot, size }),
  step(5, 'wait', { at, slot, size }, { patient: yes }),
  step(1, 'waitCommit', { at }, { patient: yes }),
  step(1, 'clone', { at }),
  step(4, 'close', { at }),
  step(3, 'remove', { key }),
  step(1, 'removeAsset', { asset }, { unless: yes }),
  step(2, 'move', { key, to: key }),
  step(1, 'setMetadata', { key }),
  step(1, 'lease', { asset }),
  step(1, 'unlease', { at }),
  // Else hardly anything could be evicted.
  step(4, 'letGo', { asset }),
  step(1, 'pin', { asset }),
  step(1, 'unpin', { asset }),
  step(
    4,
    'squeeze',
    { limit: fc.constantFrom('assets', 'bytes'), eighths: fc.nat(8) },
    { put: small, before: fc.array(small, { minLength: 1, maxLength: 3 }) },
  ),
  step(1, 'crash', {}, { checkpoint: yes }),
  step(2, 'checkpoint'),
  step(1, 'verify'),
  step(3, 'pause'),
  step(2, 'reopen'),
)

export const sequences = (maxLength: number): fc.Arbitrary<Sequence> =>
  fc.record({
    durability: fc.constantFrom('ordered', 'strict', 'relaxed'),
    flushMs: fc.constantFrom(1, LATE),
    scale: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(16, 37, 1000) },
      { weight: 1, arbitrary: fc.constant(60_000) },
    ),
    operations: fc.array(operation, { maxLength, size: 'max' }),
  })
