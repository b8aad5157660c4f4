import { spawnChild } from '../helpers/child.js'
import type { History } from './history.js'
import { type Findings, judge, type Observation } from './survivors.js'

/**
 * Looks at a store from a process of its own, which is gone afterwards, as after a power cut everybody is: a disk that is
 * put back to a moment when it had the store open does not name an owner that is still there.
 */
export async function examineElsewhere(root: string, history: History): Promise<Findings> {
  await using child = spawnChild(new URL('./observer.js', import.meta.url), { args: [root, String(history.isLossy)] })
  const observation = (await child.nextMessage()) as Observation
  await child.exited
  return judge(observation, history)
}
