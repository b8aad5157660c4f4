import { constants } from 'node:os'
import { parse, type Request } from './arguments.js'
import type { Command } from './command.js'
import { EXIT, SIGNAL_BASE } from './exit-codes.js'
import { failure } from './failure.js'
import { list } from './list-command.js'
import { Output } from './output.js'
import { stat } from './stat-command.js'
import { USAGE, version } from './usage.js'
import { verify } from './verify-command.js'

const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** The command `cistern`, with the arguments behind its name. Sets the exit code of the process. Never rejects. */
export async function main(args: readonly string[]): Promise<void> {
  const output = new Output(process.stdout)
  // Nobody is told where standard error is gone; the exit code says it still.
  process.stderr.on('error', () => undefined)
  const stop = new AbortController()
  let endedBy: NodeJS.Signals | undefined
  const end = (signal: NodeJS.Signals): void => {
    // A second one ends the process as if this were not here.
    for (const each of ENDING) process.off(each, end)
    endedBy = signal
    stop.abort()
  }
  for (const each of ENDING) process.on(each, end)
  try {
    const exitCode = await perform(parse(args), { output, signal: stop.signal })
    await output.flush()
    process.exitCode = exitCode
  } catch (error) {
    if (endedBy) {
      process.exitCode = SIGNAL_BASE + constants.signals[endedBy]
      return
    }
    const { line, exitCode } = failure(error)
    process.stderr.write(`${line}\n`)
    process.exitCode = exitCode
  } finally {
    for (const each of ENDING) process.off(each, end)
  }
}

async function perform(request: Request, place: Command): Promise<number> {
  switch (request.command) {
    case 'help':
      await place.output.write(USAGE)
      return EXIT.ok
    case 'version':
      await place.output.line(version())
      return EXIT.ok
    case 'verify':
      return verify(request, place)
    case 'ls':
      return list(request, place)
    case 'stat':
      return stat(request, place)
  }
}
