// One scripted session, the same in every run, to be killed or refused at any of its system calls:
// `node child.js ROOT DURABILITY [FAULT]`. With the errno of a fault, a step may be refused as that allows.
import type { Durability } from '@cistern/assets'
import { say } from '../report.js'
import { refusalOf } from './refusal.js'
import { Session } from './session.js'
import { STEPS } from './steps.js'

const [root = '', durability = 'ordered', fault] = process.argv.slice(2)
const OPEN_ATTEMPTS = 3 // a fault hits once in each thread

process.on('uncaughtException', (error) => violation('uncaught', error))
process.on('unhandledRejection', (error) => violation('unhandled', error))

say({ is: 'opening' })
const session = new Session(root, durability as Durability, say)
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
    else say({ is: 'refused', step: name, code })
    return false
  } finally {
    session.look()
  }
}

/** Once a fault is over, the next record finds the journal restored. */
async function recover(): Promise<void> {
  for (let attempt = 0; attempt < OPEN_ATTEMPTS && session.store.stats().state === 'degraded'; attempt++) {
    await session.checkpoint().catch((error: unknown) => {
      if (refusalOf(error, fault ?? '') === undefined) violation('checkpoint to recover', error)
    })
  }
}

function violation(what: string, error: unknown): void {
  say({ is: 'violation', what: `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}` })
}
