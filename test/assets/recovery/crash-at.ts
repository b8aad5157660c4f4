import { spawn } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { randomBytes } from '../../helpers/bytes.js'

const STRACE = '/usr/bin/strace'
export const showsSyscalls: boolean = existsSync(STRACE)

export const CIPHER = { key: randomBytes(11, 16), iv: randomBytes(12, 16) }
export const PLAIN = randomBytes(13, 800_001)

export function cipherOf(): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv('aes-128-cbc', CIPHER.key, CIPHER.iv)
  return Uint8Array.from(Buffer.concat([cipher.update(PLAIN), cipher.final()]))
}

/** Runs the scripted session, killed at the `when`-th `call` after its store was open. Whether that came. */
export async function crashAt(root: string, how: string, call: string, when: number): Promise<boolean> {
  const module = fileURLToPath(new URL('./crash-child.js', import.meta.url))
  const traced = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`]
  const child = spawn(
    STRACE,
    [...traced, '-e', `inject=${call}:signal=KILL:when=${when}`, process.execPath, module, root, how],
    { env: { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_TEST_CONTEXT: undefined }, stdio: 'ignore' },
  )
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(signal !== null || code !== 0))
  })
}
