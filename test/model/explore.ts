import assert from 'node:assert/strict'
import { eventLoopTurn } from '../helpers/deferred.js'
import { type Action, Stage } from './actors.js'
import { openStepped } from './stepped-store.js'

interface Point {
  readonly label: string
  go(): void
}

/** Which of the pending steps goes next: an index below `options`. */
export type Choose = (options: number) => number

const MOST_TURNS = 10_000

/** Runs `actions` against each other, one step at a time; all that must hold of it is asserted. */
export async function interleave(actions: readonly Action[], choose: Choose): Promise<void> {
  const pending: Point[] = []
  const trail: string[] = []
  let free = false
  const step = (label: string): Promise<void> =>
    free ? Promise.resolve() : new Promise((go) => pending.push({ label, go }))
  const { store, backend } = await openStepped(step)
  const stage = new Stage(store, backend)
  let settled = false
  let failure: unknown
  const acting = Promise.all(actions.map((action, index) => stage.act(action, (label) => step(`${index} ${label}`))))
  acting.then(
    () => {
      settled = true
    },
    (error: unknown) => {
      settled = true
      failure = error
    },
  )
  try {
    await eventLoopTurn()
    while (!settled) {
      // What is copied or woken may have to wait for a turn that has room for it.
      for (let turn = 0; pending.length === 0 && !settled && turn < MOST_TURNS; turn++) await eventLoopTurn()
      if (settled) break
      assert.ok(pending.length > 0, 'somebody waits for ever')
      const [next] = pending.splice(choose(pending.length), 1)
      trail.push(next?.label ?? '')
      next?.go()
      await eventLoopTurn()
    }
    if (failure) throw failure
    free = true
    for (const { go } of pending.splice(0)) go()
    await stage.end()
  } catch (error) {
    free = true
    for (const { go } of pending.splice(0)) go()
    await store.close().catch(() => undefined) // the first failure is the one to tell
    throw new Error(`${actions.join(' | ')}\n  ${trail.join('\n  ')}`, { cause: error })
  }
}

/**
 * Every interleaving of `actions`; where there are more than `limit`, those that depart least often from first come,
 * first served, and as many that depart least often from each going on as far as it can. Gives how many were run.
 */
export async function exploreAll(actions: readonly Action[], limit: number): Promise<number> {
  const runs = await explore(actions, limit, (choice) => choice)
  return runs < limit ? runs : runs + (await explore(actions, limit, (choice, options) => options - 1 - choice))
}

async function explore(
  actions: readonly Action[],
  limit: number,
  pick: (choice: number, options: number) => number,
): Promise<number> {
  // What is chosen up to the last departure; from there on the first choice.
  const paths: (readonly number[])[] = [[]]
  for (let runs = 0; ; runs++) {
    const path = paths[runs]
    if (path === undefined || runs >= limit) return runs
    const options: number[] = []
    await interleave(actions, (count) => {
      options.push(count)
      return pick(path[options.length - 1] ?? 0, count)
    })
    for (let at = path.length; at < options.length && paths.length < limit; at++) {
      const before = [...path, ...Array<number>(at - path.length).fill(0)]
      for (let choice = 1; choice < (options[at] as number); choice++) paths.push([...before, choice])
    }
  }
}
