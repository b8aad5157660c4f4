// The command as it is installed, in a process of its own.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type AssetStore, ResourceKey } from '@cistern/assets'
import { randomBytes } from '../../helpers/bytes.js'

const bin = fileURLToPath(new URL('../../../../packages/assets/bin/cistern.js', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** A module that is loaded before the command is. */
  readonly before?: URL | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Closes its standard output after the first bytes, as `head` does. */
  readonly closesEarly?: boolean | undefined
  readonly uid?: number | undefined
}

/** Runs it to its end. */
export function cistern(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const flags = options.before ? ['--import', options.before.href] : []
  const child = spawn(process.execPath, ['--enable-source-maps', ...flags, bin, ...args], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (options.closesEarly) child.stdout.destroy()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

/** The one document that `--json` prints. */
export const document = ({ stdout }: Ran): Record<string, unknown> => JSON.parse(stdout)

export const put = (store: AssetStore, id: string, seed: number, length: number, metadata?: object): Promise<unknown> =>
  store.put(ResourceKey.parse(id), randomBytes(seed, length), { metadata })

/** A byte changes and the file keeps its length, as when a disk rots. */
export function flip(path: string, position: number): void {
  const [byte = 0] = readFileSync(path).subarray(position)
  const file = openSync(path, 'r+')
  writeSync(file, Uint8Array.of(byte ^ 1), 0, 1, position)
  closeSync(file)
}
