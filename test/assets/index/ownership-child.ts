/**
 * A process that owns, or contends for, the roots it is told of. Not a test.
 * Answers every command with one message: { won, session } | { lost: message } | { done }.
 */
import { type Ownership, takeOwnership } from '#assets/index/ownership.js'

export type Command =
  | { readonly take: string; readonly staleMs: number }
  | { readonly check: true }
  | { readonly release: true }
  | { readonly exit: true }

export type Answer = {
  readonly session?: string
  readonly refused?: string
  readonly code?: string
  readonly losses?: number
}

let ownership: Ownership | undefined
let losses = 0

async function obey(command: Command): Promise<Answer> {
  if ('take' in command) {
    ownership = await takeOwnership(command.take, { staleMs: command.staleMs, onLost: () => losses++ })
    return { session: ownership.session }
  }
  if ('check' in command) ownership?.check()
  if ('release' in command) await ownership?.release()
  return { losses }
}

process.on('message', (command: Command) => {
  // Leaves without releasing, as a host that calls process.exit does.
  if ('exit' in command) process.exit(0)
  obey(command).then(
    (answer) => process.send?.(answer),
    (error: NodeJS.ErrnoException) => process.send?.({ refused: error.message, code: error.code, losses }),
  )
})
