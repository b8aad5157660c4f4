import { join } from 'node:path'
import type { Durability } from '@cistern/assets'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { History } from '../history.js'
import { examine } from '../survivors.js'
import { goOn } from './go-on.js'
import { ASSETS, KEYS } from './keys.js'
import { lastWords, lifeTime, type Target, targetsIn, traced } from './strace.js'

const MODES: readonly Durability[] = ['ordered', 'strict', 'relaxed']
const CHILD: URL = new URL('./child.js', import.meta.url)

/** A call of the session in one of the modes. */
export interface Step extends Target {
  readonly durability: Durability
}

/** What the session does in each mode, in a run that nothing happens to: of `calls`, those below the root. */
export async function stepsOf(calls: readonly string[]): Promise<Step[]> {
  const steps: Step[] = []
  for (const durability of MODES) {
    await inTempFolder(async (folder) => {
      const [root, log] = [join(folder, 'store'), join(folder, 'trace')]
      const ended = await traced(CHILD, { args: [root, durability], calls, log })
      const wrong = [...lastWords(ended), ...lifeTime(ended)]
      if (wrong.length > 0) throw new Error(`the session does not run by itself: ${wrong.join('\n')}`)
      for (const target of targetsIn(log, root)) steps.push({ ...target, durability })
    })
  }
  return steps
}

export function historyOf(durability: Durability): History {
  return new History(
    KEYS.map(({ id }) => id),
    ASSETS,
    durability,
  )
}

/**
 * What is found is what history allows; opened again, the store holds the same, and can be gone on with. `orphansAllowed`: a store
 * that could not write its index to the end leaves files that no record names.
 */
export async function lookAt(
  root: string,
  durability: Durability,
  history: History,
  { orphansAllowed = false }: { readonly orphansAllowed?: boolean } = {},
): Promise<string[]> {
  const { suspect, orphans, violations } = await examine(root, history, { keys: KEYS, assets: ASSETS })
  const found = [...violations]
  if (suspect) found.push('the index is suspect')
  if (orphans > 0 && !orphansAllowed) found.push(`${orphans} files that no record names`)
  return [...found, ...(await goOn(root, durability, history))]
}
