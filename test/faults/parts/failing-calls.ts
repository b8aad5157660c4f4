import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Durability } from '@cistern/assets'
import { randomChoice, randomInteger, randomNumbers, shuffled } from '../../helpers/bytes.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import type { History } from '../history.js'
import { Kept } from '../kept.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'
import { reportsIn } from '../report.js'
import { historyOf, lookAt, type Step, stepsOf } from '../scripted/look-at.js'
import { lastWords, lifeTime, type Traced, traced, underCommand, withoutStrace } from '../scripted/strace.js'
import { same } from '../survivors.js'

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
/** Of a limit on the size of files: it is lifted, lasts, or is lifted in a process that is killed a little later. */
const ENDS = ['once', 'killed', 'lasting'] as const
const ROUNDS = 300
const QUICK_ROUNDS = 25
const AT_ONCE = 2
const ENOUGH = 10

/** A step of the session that fails, once or from there to the end; or a limit on the size of files. */
interface Fault {
  readonly durability: Durability
  readonly what: string
  readonly errno: string
  /** As the session takes it. */
  readonly howLong: string
  readonly lasting: boolean
  /** Bytes are lost to a reader that cannot read them. */
  readonly losesReads: boolean
  /** It must not pass in silence, as if it were made good. */
  readonly mustBeTold: boolean
  run(args: readonly string[], log: string): Promise<Traced>
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
  for (let index = 0; index < chosen.length; index += 8)
    chosen[index] = limited(random, ENDS[(index / 8) % ENDS.length] ?? 'once')
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
    howLong: lasting ? 'lasting' : 'once',
    lasting,
    losesReads: READS.includes(call),
    mustBeTold: !lasting && call === 'fdatasync' && /\.part$|journal-\d+\.log$/.test(on),
    run: (args, log) => traced(CHILD, { args, calls: [call], inject, log }),
  }
}

/** Past it, writes are cut short, and then refused: a journal's last frame really is torn. */
function limited(random: () => number, end: (typeof ENDS)[number]): Fault {
  // Above the largest body, below the first journal: only that one is cut.
  const isOfJournals = end === 'killed' || random() < 0.5
  const bytes = isOfJournals ? randomInteger(random, 1_060_000, 1_110_000) : Math.round(10 ** (3.5 + 2.5 * random()))
  const reports = end === 'killed' ? randomInteger(random, 1, 12) : undefined
  return {
    durability: randomChoice(random, ['ordered', 'strict', 'relaxed']),
    what: `files of ${bytes} bytes at most, ${end === 'lasting' ? 'for good' : 'until that is told'}${reports ? `, killed ${reports} reports later` : ''}`,
    errno: 'EFBIG',
    howLong: reports === undefined ? end : `${reports}`,
    lasting: end === 'lasting',
    losesReads: false,
    mustBeTold: false,
    run: (args) => underCommand([PRLIMIT, `--fsize=${bytes}:unlimited`], CHILD, args),
  }
}

function fail(fault: Fault, say: (line: string) => void): Promise<{ found: readonly string[]; ended: Traced }> {
  return inTempFolder(async (folder) => {
    const { durability, errno, howLong, lasting } = fault
    const root = join(folder, 'store')
    const log = join(folder, 'trace')
    const ended = await fault.run([root, durability, errno, howLong], log)
    const kept = new Kept(folder)
    kept.aside(`${folder}/store`)
    const history = historyOf(durability)
    const found = [
      ...(ended.signal === 'SIGKILL' && !ended.hung && Number(howLong) > 0 ? [] : lastWords(ended)),
      ...lifeTime(ended),
      ...replay(ended, history, fault),
      ...(fault.mustBeTold && losesRecords(log) && !isTold(ended) ? ['a sync failed, and nobody was told'] : []),
      ...(await lookAt(root, durability, history, { orphansAllowed: lasting })),
    ]
    if (found.length > 0) say(`  the store as ${shown(fault)} left it: ${kept.forGood()}`)
    return { found, ended }
  })
}

/** A journal that fails as it is made, beside one that goes on, is given up with nothing in it: that is nobody's loss. */
function losesRecords(log: string): boolean {
  const syncs = readFileSync(log, 'utf8')
    .split('\n')
    .map((line) => ({ on: /<(.*)>/.exec(line)?.[1], isHit: line.includes('(INJECTED)') }))
  const hit = syncs.find(({ isHit }) => isHit)
  if (hit?.on === undefined) return false
  const isItsOnly = syncs.filter(({ on }) => on === hit.on).length === 1
  return !(isItsOnly && /journal-\d+\.log$/.test(hit.on))
}

function isTold({ stdout }: Traced): boolean {
  return reportsIn(stdout).some(({ is }) => is === 'refused' || is === 'degraded' || is === 'failed')
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
