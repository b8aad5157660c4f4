import { join } from 'node:path'
import { randomInteger, randomNumbers, shuffled } from '../../helpers/bytes.js'
import { type Child, spawnChild } from '../../helpers/child.js'
import { pause } from './loose-work.js'

export const LEDGER = 'ledger'
const CONTENDERS = 6

export interface ContestOrder {
  readonly open: string
  /** Instead of opening: what the winner puts on record. */
  readonly write?: string | undefined
}

export type ContestAnswer =
  | { readonly won: true; readonly last: string | undefined }
  | { readonly won: false; readonly holder: number | undefined }
  | { readonly failed: string }

interface Contender {
  readonly child: Child
  answer: ContestAnswer | undefined
}

/**
 * A root's owner is killed, and six reach for it at the same moment; in every other bout some are killed while they do. One
 * of those who live has it in the end, and each of the others is told that it is taken.
 */
export async function contest(folder: string, seed: number, bouts: number): Promise<string[]> {
  const random = randomNumbers(seed)
  const root = join(folder, 'store')
  const contenders: Contender[] = []
  const violations: string[] = []
  let last: string | undefined
  try {
    for (let bout = 0; bout < bouts && violations.length === 0; bout++) {
      while (contenders.length < CONTENDERS) contenders.push(start())
      const doomed = bout % 2 === 0 ? [] : shuffled(random, contenders).slice(0, randomInteger(random, 1, 4))
      const winner = await oneBout(root, contenders, doomed, random, violations)
      if (winner === undefined) break
      if (!('won' in (winner.answer ?? {})) || (winner.answer as { last?: string }).last !== last)
        violations.push(`bout ${bout}: the winner found ${JSON.stringify(winner.answer)}, on record was ${last}`)
      last = `bout ${bout} of ${seed}`
      await asked(winner, { open: root, write: last })
      await refuseOthers(root, contenders, winner, violations)
      await winner.child.kill()
      contenders.splice(contenders.indexOf(winner), 1)
    }
  } finally {
    await Promise.all(contenders.map(({ child }) => child[Symbol.asyncDispose]()))
  }
  return violations
}

function start(): Contender {
  return { child: spawnChild(new URL('./contender-child.js', import.meta.url)), answer: undefined }
}

/** Until one has it: when a doomed one had it and died, the others try again. */
async function oneBout(
  root: string,
  contenders: Contender[],
  doomed: readonly Contender[],
  random: () => number,
  violations: string[],
): Promise<Contender | undefined> {
  const answers = contenders.map((contender) => asked(contender, { open: root }))
  const deaths = doomed.map(async (contender) => {
    await pause(random() * 25)
    await contender.child.kill()
    contender.answer = undefined // whatever it won, it has it no more
  })
  await Promise.all([...answers, ...deaths])
  for (const dead of doomed) contenders.splice(contenders.indexOf(dead), 1)
  for (const { answer } of contenders) if (answer && 'failed' in answer) violations.push(`opening: ${answer.failed}`)
  const winners = contenders.filter(({ answer }) => answer && 'won' in answer && answer.won)
  if (winners.length > 1) violations.push(`${winners.length} owners at once`)
  if (winners.length === 0 && doomed.length === 0)
    violations.push(`of ${contenders.length} contenders for a dead owner's root none had it`)
  if (violations.length > 0) return undefined
  return winners[0] ?? oneBout(root, contenders, [], random, violations)
}

async function refuseOthers(
  root: string,
  contenders: readonly Contender[],
  winner: Contender,
  violations: string[],
): Promise<void> {
  const others = contenders.filter((contender) => contender !== winner)
  await Promise.all(others.map((contender) => asked(contender, { open: root })))
  for (const { answer } of others) {
    if (answer && 'won' in answer && !answer.won && answer.holder === winner.child.pid) continue
    violations.push(`beside owner ${winner.child.pid}, another was told ${JSON.stringify(answer)}`)
  }
}

/** Undefined where it ended before it answered. */
async function asked(contender: Contender, order: ContestOrder): Promise<void> {
  contender.answer = undefined
  contender.child.send(order)
  contender.answer = (await contender.child.nextMessage().catch(() => undefined)) as ContestAnswer | undefined
}
