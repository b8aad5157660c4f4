// One scripted session, the same in every run, to be killed or refused at any of its system calls:
// `node child.js ROOT DURABILITY [ERRNO once|lasting|N]`. With the errno of a fault, steps may be refused as that allows; with
// a number, it is over once it was told, and so is the process, so many reports later.
import { spawnSync } from 'node:child_process'
import type { Durability } from '@cistern/assets'
import { type Report, say } from '../report.js'
import { refusalOf } from './refusal.js'
import { Session } from './session.js'
import { STEPS } from './steps.js'

const PRLIMIT = '/usr/bin/prlimit'
const [root = '', durability = 'ordered', fault, howLong] = process.argv.slice(2)
const OPEN_ATTEMPTS = 3 // a fault hits once in each thread

let isLifted = false
let reportsLeft = Number(howLong) // NaN, which never gets to 0, where it is not a number

process.on('uncaughtException', (error) => violation('uncaught', error))
process.on('SIGXFSZ', () => undefined) // a write past a limit on files: it is refused, too
process.on('unhandledRejection', (error) => violation('unhandled', error))

say({ is: 'opening' })
const session = new Session(root, durability as Durability, tell)
for (const { name, run } of STEPS) {
  const isOpening = name.startsWith('open')
  if (!isOpening && !session.isOpen) continue
  for (let attempt = 0; attempt < (isOpening ? OPEN_ATTEMPTS : 1); attempt++) {
    if (await succeeds(name, () => run(session))) break
  }
}
say({ is: 'finished' })

async function succeeds(name: string, run: () => Promise<void>): Promise<boolean> {
  say({ is: 'step', name })
  try {
    if (name.includes('close')) await recover()
    await run()
    return true
  } catch (error) {
    const code = fault === undefined ? undefined : refusalOf(error, fault)
    if (code === undefined) violation(name, error)
    else tell({ is: 'refused', step: name, code })
    return false
  } finally {
    session.look()
  }
}

/** Once a fault is over, the next record finds the journal restored. */
async function recover(): Promise<void> {
  for (let attempt = 0; attempt < OPEN_ATTEMPTS && isDegraded(); attempt++) await succeeds('recover', checkpoint)
  if (isDegraded() && howLong === 'once')
    violation('recover', new Error('the fault is over, and the store still degraded'))
}

function isDegraded(): boolean {
  return session.store.stats().state === 'degraded'
}

function checkpoint(): Promise<void> {
  return session.checkpoint()
}

/** A limit on the size of files is lifted when it was told for the first time, unless it is to last. */
function tell(report: Report): void {
  if (report.is === 'degraded' || report.is === 'refused') lift()
  say(report)
  if (isLifted && --reportsLeft === 0) process.kill(process.pid, 'SIGKILL')
}

function lift(): void {
  if (isLifted || fault !== 'EFBIG' || howLong === 'lasting') return
  isLifted = true
  spawnSync(PRLIMIT, ['--pid', String(process.pid), '--fsize=unlimited'])
}

function violation(what: string, error: unknown): void {
  say({ is: 'violation', what: `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}` })
}
