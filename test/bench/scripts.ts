import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { repository } from '../docs/markdown.js'

/** A script of the repository, as npm would run it. */
export function script(
  name: string,
  ...parameters: string[]
): { readonly status: number | null; readonly said: string } {
  const path = fileURLToPath(new URL(`scripts/${name}.mjs`, repository))
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...parameters], { encoding: 'utf8' })
  return { status, said: stdout + stderr }
}
