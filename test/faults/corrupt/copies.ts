import { createHash } from 'node:crypto'
import {
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** A copy of a killed store: the index its own, the bodies hard links, so that their times and inodes are the same. */
export function copyStore(from: string, to: string): void {
  mkdirSync(to, { mode: 0o700 })
  for (const name of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    if (name.startsWith('_index') || !lstatSync(join(from, name)).isFile()) continue
    mkdirSync(dirname(join(to, name)), { recursive: true, mode: 0o700 })
    linkSync(join(from, name), join(to, name))
  }
  cpSync(join(from, '_index'), join(to, '_index'), { recursive: true, preserveTimestamps: true })
  const long = Date.now() / 1000 - 3_600
  for (const name of ['lock', 'claim']) utimesSync(join(to, '_index', name), long, long)
}

/** What others who died on the way in, or in the middle of a snapshot, leave. */
export function addLeftovers(index: string): void {
  mkdirSync(join(index, 'claim.0leftover0'))
  writeFileSync(join(index, 'claim.0leftover0', 'mark'), '')
  for (const name of ['owner.0leftover0', 'cov.bin.1234567', 'lru.prev.bin.0123456789ab.tmp'])
    writeFileSync(join(index, name), 'half of it')
}

/** All below a folder, with times, so that two looks tell whether anything was touched. Follows no link. */
export function lookAt(folder: string, except?: RegExp): string {
  const lines = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !except?.test(name))
    .sort()
    .map((name) => {
      const path = join(folder, name)
      const stat = lstatSync(path, { bigint: true })
      const content = stat.isFile()
        ? createHash('sha1').update(readFileSync(path)).digest('hex')
        : stat.isSymbolicLink()
          ? readlinkSync(path)
          : ''
      return [name, stat.mode, stat.ino, stat.mtimeNs, content].join(' ')
    })
  return lines.join('\n')
}
