import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Durability } from '@cistern/assets'
import { randomChoice, randomInteger, randomNumbers, shuffled } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import type { History } from '../history.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'
import { reportsIn } from '../report.js'
import { historyOf, lookAt, type Step, stepsOf } from '../scripted/look-at.js'
import { lastWords, lifeTime, type Traced, traced, underCommand, withoutStrace } from '../scripted/strace.js'
import { same } from '../survivors.js'
import { keepAside, keepForGood } from './kill-loop.js'

const CHILD = new URL('../scripted/child.js', import.meta.url)
const PRLIMIT = '/usr/bin/prlimit'
const WRITING = ['error=ENOSPC', 'error=EIO', 'error=EDQUOT', 'error=EROFS', 'retval=0'] as const
/** How each call fails; `retval=0` takes no bytes. Not `write`: it is how the threads of a process wake each other. */
const FAULTS: Readonly<Record<string, readonly string[]>> = {
  pwrite64: WRITING,
  pwritev: WRITING,
  fsync: ['error=EIO', 'error=ENOSPC'],
  fdatasync: ['error=EIO', 'error=ENOSPC'],
  rename: ['error=EIO', 'error=ENOSPC', 'error=EROFS'],
  link: ['error=EIO', 'error=ENOSPC'],
  unlink: ['error=EIO', 'error=EROFS'],
  ftruncate: ['error=EIO'],
  mkdir: ['error=EIO', 'error=ENOSPC'],
  openat: ['error=EIO', 'error=EMFILE'],
  pread64: ['error=EIO'],
}
const READS = ['pread64']
const ROUNDS = 300
const QUICK_ROUNDS = 25
const AT_ONCE = 2
const ENOUGH = 10

/** A step of the session that fails, once or from there to the end; or a limit on the size of files. */
interface Fault {
  readonly durability: Durability
  readonly what: string
  readonly errno: string
  readonly lasting: boolean
  /** Bytes are lost to a reader that cannot read them. */
  readonly losesReads: boolean
  run(args: readonly string[]): Promise<Traced>
}

/** The same session, in which calls fail: what that leads to is typed, the rest goes on, and nothing done is lost. */
export const failingCalls: Part = {
  name: 'failing-calls',
  about:
    'a call of a scripted session fails, once or for good: ENOSPC, EIO, EDQUOT, EROFS, EMFILE, EFBIG, no bytes taken',
  unavailable: () => withoutStrace() ?? (existsSync(PRLIMIT) ? undefined : `${PRLIMIT} is not here`),
  run,
}

async function run({ seed, quick, rounds, say }: PartOptions): Promise<PartOutcome> {
  const random = randomNumbers(seed)
  const all = (await stepsOf(Object.keys(FAULTS))).flatMap((step) =>
    (FAULTS[step.call] ?? []).flatMap((how) => [failing(step, how, false), failing(step, how, true)]),
  )
  const chosen = shuffled(random, all).slice(0, rounds ?? (quick ? QUICK_ROUNDS : ROUNDS))
  for (let index = 0; index < chosen.length; index += 15) chosen[index] = limited(random)
  const violations: string[] = []
  const codes = new Map<string, number>()
  let [done, degraded] = [0, 0]
  const worker = async (): Promise<void> => {
    for (let fault = chosen.shift(); fault && violations.length < ENOUGH; fault = chosen.shift()) {
      const { found, ended } = await fail(fault, say)
      for (const what of found) violations.push(`${shown(fault)}: ${what}`)
      for (const report of reportsIn(ended.stdout)) {
        if (report.is === 'refused') codes.set(report.code, (codes.get(report.code) ?? 0) + 1)
        if (report.is === 'degraded') degraded++
      }
      if (++done % 50 === 0) say(`  ${done} done, ${chosen.length} to come`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const refused = [...codes].map(([code, count]) => `${code.replace('ERR_CISTERN_', '')} ${count}`).join(', ')
  return {
    rounds: done,
    violations,
    note: `${done} of ${all.length} faults; degraded ${degraded}; refused: ${refused}`,
  }
}

function failing({ call, when, durability, on }: Step, how: string, lasting: boolean): Fault {
  const inject = `${call}:${how}:when=${when}${lasting ? '+' : ''}`
  return {
    durability,
    what: `${call} ${when}${lasting ? ' and all after it' : ''} (${on}) with ${how}`,
    errno: how.startsWith('error=') ? how.slice('error='.length) : 'EIO',
    lasting,
    losesReads: READS.includes(call),
    run: (args) => traced(CHILD, { args, calls: [call], inject }),
  }
}

/** Past it, writes are cut short, and then refused: a journal's last frame really is torn. */
function limited(random: () => number): Fault {
  const bytes = Math.round(10 ** (3.5 + 2.7 * random())) + randomInteger(random, 0, 100)
  return {
    durability: randomChoice(random, ['ordered', 'strict', 'relaxed']),
    what: `files of ${bytes} bytes at most`,
    errno: 'EFBIG',
    lasting: true,
    losesReads: false,
    run: (args) => underCommand([PRLIMIT, `--fsize=${bytes}`], CHILD, args),
  }
}

function fail(fault: Fault, say: (line: string) => void): Promise<{ found: readonly string[]; ended: Traced }> {
  return inTempFolder(async (folder) => {
    const { durability, errno, lasting } = fault
    const root = join(folder, 'store')
    const ended = await fault.run([root, durability, errno, lasting ? 'lasting' : 'once'])
    keepAside(folder)
    const history = historyOf(durability)
    const found = [
      ...lastWords(ended),
      ...lifeTime(ended),
      ...replay(ended, history, fault),
      ...(await lookAt(root, durability, history, { orphansAllowed: lasting })),
    ]
    if (found.length > 0) say(`  the store as ${shown(fault)} left it: ${keepForGood(folder)}`)
    return { found, ended }
  })
}

/** What the store said that it holds while it went on, against what it had reported. */
function replay(ended: Traced, history: History, { losesReads }: Fault): string[] {
  const found: string[] = []
  let step = ''
  for (const report of reportsIn(ended.stdout)) {
    if (report.is === 'step') step = report.name
    if (report.is === 'holds' && !losesReads) {
      const allowed = history.allowed(report.key)
      if (!allowed.some((state) => same(state, report.held)))
        found.push(
          `in '${step}', ${report.key} holds ${JSON.stringify(report.held)}, allowed are ${JSON.stringify(allowed)}`,
        )
    }
    history.add(report)
  }
  return found
}

function shown({ durability, what }: Fault): string {
  return `${durability}, ${what}`
}
