// What taking in one resource asks of the kernel, counted by strace: calls, and not time. For orientation.

import { spreadOf } from './harness/compare.mjs'
import { isThere } from './harness/nginx.mjs'
import { Skipped } from './harness/place.mjs'
import { times } from './harness/quick.mjs'
import { callsEach, sumOf } from './harness/strace.mjs'

/** @import { Place } from './harness/place.mjs' */
/** @import { Result } from './harness/compare.mjs' */
/** @import { Calls } from './harness/strace.mjs' */

const REPETITIONS = 7
const FEW = 5
const MANY = 45
const OURS = 'AssetStore writeFrom + commit, its flushes and syncs too'
const BY_HAND = 'FileHandle.write + rename'

/**
 * @param {Place} place
 * @returns {Promise<Result[]>}
 */
export default async function syscalls(place) {
  if (!isThere('strace')) throw new Skipped('strace is not installed')
  /** @type {{ ours: Calls[], byHand: Calls[] }} */
  const counted = { ours: [], byHand: [] }
  for (let turn = 0; turn < times(REPETITIONS); turn++) {
    counted.ours.push(await counts(place, 'ours'))
    counted.byHand.push(await counts(place, 'by-hand'))
  }
  const [ours, byHand] = [counted.ours.map(sumOf), counted.byHand.map(sumOf)]
  return [
    {
      name: 'system calls for 2 MiB taken in as 64 KiB pieces and committed',
      ratio: `${OURS} / ${BY_HAND}`,
      ratios: spreadOf(ours.map((each, turn) => each / (byHand[turn] ?? Number.NaN))),
      sides: { [OURS]: spreadOf(ours), [BY_HAND]: spreadOf(byHand) },
      unit: 'calls a resource',
      target: undefined,
      syscalls: { [OURS]: mediansOf(counted.ours), [BY_HAND]: mediansOf(counted.byHand) },
    },
  ]
}

/**
 * @param {Place} place
 * @param {string} how
 */
function counts(place, how) {
  const folder = () => place.folder()
  return callsEach(`${folder()}/strace`, { file: './take-in-child.mjs', how, folder, few: FEW, many: MANY })
}

/**
 * By name, the most first.
 * @param {readonly Calls[]} all
 */
function mediansOf(all) {
  const names = [...new Set(all.flatMap((calls) => [...calls.keys()]))]
  const medians = names.map(
    (name) => /** @type {const} */ ([name, spreadOf(all.map((calls) => calls.get(name) ?? 0)).median]),
  )
  return Object.fromEntries(medians.filter(([, median]) => median > 0).sort(([, one], [, other]) => other - one))
}
