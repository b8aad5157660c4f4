import { parseArgs } from 'node:util'

/** What was asked for. */
export type Request =
  | { readonly command: 'help' | 'version' }
  | {
      readonly command: 'verify'
      readonly root: string
      readonly repair: boolean
      readonly json: boolean
      readonly progress: boolean
    }
  | { readonly command: 'ls'; readonly root: string; readonly asset: string | undefined; readonly json: boolean }
  | { readonly command: 'stat'; readonly root: string; readonly key: string; readonly json: boolean }

/** The command line is wrong; the message says what of it. */
export class UsageError extends Error {
  static {
    UsageError.prototype.name = 'UsageError'
  }
}

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
  json: { type: 'boolean' },
  repair: { type: 'boolean' },
  'no-progress': { type: 'boolean' },
} as const

/** Positional arguments, those in brackets may be left out, and options of each command. */
const COMMANDS = {
  verify: { takes: ['ROOT'], options: ['json', 'repair', 'no-progress'] },
  ls: { takes: ['ROOT', '[ASSET]'], options: ['json'] },
  stat: { takes: ['ROOT', 'KEY'], options: ['json'] },
} as const

/** Throws `UsageError`. */
export function parse(args: readonly string[]): Request {
  const { values, positionals } = split(args)
  if (values.help) return { command: 'help' }
  if (values.version) return { command: 'version' }
  const [command, ...given] = positionals
  if (command === undefined) throw new UsageError('a command is missing: verify, ls or stat')
  if (!isCommand(command)) throw new UsageError(`unknown command ${quoted(command)}: there are verify, ls and stat`)
  check(command, given, Object.keys(values))
  const [root = '', second] = given
  const json = values.json ?? false
  switch (command) {
    case 'verify':
      return { command, root, json, repair: values.repair ?? false, progress: !values['no-progress'] }
    case 'ls':
      return { command, root, json, asset: second }
    case 'stat':
      return { command, root, json, key: second ?? '' }
  }
}

type Command = keyof typeof COMMANDS

const isCommand = (word: string): word is Command => Object.hasOwn(COMMANDS, word)

function split(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    // The first sentence names the option; what follows is about arguments that begin with a dash.
    throw new UsageError(error instanceof Error ? error.message.replace(/\. .*$/s, '') : String(error))
  }
}

function check(command: Command, given: readonly string[], options: readonly string[]): void {
  const known: readonly string[] = COMMANDS[command].options
  for (const option of options)
    if (!known.includes(option)) throw new UsageError(`${command} takes no option --${option}`)
  const takes: readonly string[] = COMMANDS[command].takes
  for (const [at, name] of takes.entries()) {
    if (given[at] === undefined && !name.startsWith('[')) throw new UsageError(`${command}: ${name} is missing`)
    if (given[at] === '') throw new UsageError(`${command}: ${name} is empty`)
  }
  const extra = given[takes.length]
  if (extra !== undefined) throw new UsageError(`${command}: ${quoted(extra)} is one argument too many`)
}

const quoted = (word: string): string => JSON.stringify(word)
