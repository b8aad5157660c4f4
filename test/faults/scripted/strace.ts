import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { reportsIn } from '../report.js'

const STRACE = '/usr/bin/strace'
const LIMIT = 60_000

export function withoutStrace(): string | undefined {
  return existsSync(STRACE) ? undefined : `${STRACE} is not here`
}

export interface Traced {
  /** Its own output, and what it had to say on stderr. */
  readonly stdout: string
  readonly stderr: string
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  /** It did not end by itself, and was killed. */
  readonly hung: boolean
}

export interface TraceOptions {
  readonly args: readonly string[]
  readonly calls: readonly string[]
  /** As strace takes it: `fsync:error=EIO:when=3`. */
  readonly inject?: string | undefined
  /** Where the trace goes. */
  readonly log?: string | undefined
}

/** A compiled module as a process of its own, whose system calls are counted, and one of them replaced. */
export function traced(module: URL, { args, calls, inject, log = '/dev/null' }: TraceOptions): Promise<Traced> {
  const options = ['-f', '-qq', '-y', '-s', '0', '-o', log, '-e', `trace=${calls.join(',')}`]
  if (inject !== undefined) options.push('-e', `inject=${inject}`)
  return underCommand([STRACE, ...options], module, args)
}

/** The same under any command that runs another. */
export function underCommand(
  [command = '', ...options]: readonly string[],
  module: URL,
  args: readonly string[],
): Promise<Traced> {
  // One thread of the pool, because strace counts calls by thread.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_TEST_CONTEXT: undefined }
  const child = spawn(command, [...options, process.execPath, '--enable-source-maps', fileURLToPath(module), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let [stdout, stderr, hung] = ['', '', false]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const limit = setTimeout(() => {
    hung = true
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL') // with what it runs, which is in its group
  }, LIMIT)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(limit)
      resolve({ stdout, stderr, signal, code, hung })
    })
  })
}

/** What it saw while it lived; the first few say it all. */
export function lifeTime({ stdout }: Traced): string[] {
  return reportsIn(stdout)
    .flatMap((report) => (report.is === 'violation' ? [report.what] : []))
    .slice(0, 5)
}

/** A session that was not killed ends by itself, and has nothing to say on stderr. */
export function lastWords({ stdout, stderr, code, signal, hung }: Traced): string[] {
  if (hung) return [`it never ended, after ${stdout.slice(-200)}`]
  if (code !== 0 || stderr !== '') return [`ended by ${signal ?? `exit ${code}`}: ${stderr.trim()}`]
  return stdout.includes('"finished"') ? [] : ['it ended in the middle']
}

export function lastStep({ stdout }: Traced): string {
  return reportsIn(stdout).reduce((name, report) => (report.is === 'step' ? report.name : name), '')
}

/** One call to aim at: the `when`-th of its name in a thread. */
export interface Target {
  readonly call: string
  readonly when: number
  /** What it was made on, as far as the root goes. */
  readonly on: string
}

/**
 * The calls of a trace that were made on something below `root`, in their order. Left out are those that another thread's
 * call of the same number comes before: it would be hit instead.
 */
export function targetsIn(log: string, root: string): Target[] {
  const counts = new Map<string, number>()
  const seen = new Set<string>()
  const targets: Target[] = []
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [, thread, call = '', rest = ''] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? []
    if (thread === undefined) continue // the end of a call, or of a thread
    const when = (counts.get(`${thread} ${call}`) ?? 0) + 1
    counts.set(`${thread} ${call}`, when)
    if (seen.has(`${call} ${when}`)) continue
    seen.add(`${call} ${when}`)
    const [, on] = rest.split(`${root}/`)
    if (on !== undefined) targets.push({ call, when, on: on.split(/[">]/)[0] ?? '' })
  }
  return targets
}
