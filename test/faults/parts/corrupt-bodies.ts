import { randomNumbers, shuffled } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { BODIES } from '../corrupt/bodies.js'
import { type BodyCase, damageOne } from '../corrupt/body-case.js'
import { BODY_DAMAGE } from '../corrupt/body-damage.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'

const QUICK_ROUNDS = 40
const HANGS_MS = 60_000
const ENOUGH = 10

/** Files of resources damaged while the store is closed, or open: found, never served, and only what is bad is fetched again. */
export const corruptBodies: Part = {
  name: 'corrupt-bodies',
  about: 'files of resources with bits flipped, zeroed, cut, swapped, or something else in their place',
  run,
}

async function run({ seed, quick, rounds: given }: PartOptions): Promise<PartOutcome> {
  const cases = shuffled(randomNumbers(seed), allCases())
  const wanted = given ?? (quick ? QUICK_ROUNDS : cases.length)
  const violations: string[] = []
  let rounds = 0
  for (const one of cases.slice(0, wanted)) {
    if (violations.length >= ENOUGH) break
    rounds++
    const what = Object.values(one).join(', ')
    try {
      const found = await inTempFolder((folder) => inTime(damageOne(folder, one)))
      violations.push(...found.map((violation) => `${what}: ${violation}`))
    } catch (error) {
      violations.push(`${what}: ${error instanceof Error ? error.stack : String(error)}`)
    }
  }
  return { rounds, violations, note: `${rounds} of ${cases.length} combinations` }
}

function allCases(): BodyCase[] {
  const cases: BodyCase[] = []
  for (const durability of ['ordered', 'strict', 'relaxed'] as const)
    for (const body of Object.keys(BODIES))
      for (const damage of Object.keys(BODY_DAMAGE))
        for (const meanwhile of ['closed', 'idle', 'reading'] as const)
          for (const then of ['open', 'repair'] as const) cases.push({ body, damage, meanwhile, then, durability })
  return cases
}

/** Rejects when it hangs. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came of it in ${HANGS_MS} ms`)), HANGS_MS)
  })
  return await Promise.race([work, limit]).finally(() => clearTimeout(timer))
}
