import { lstatSync, type Stats } from 'node:fs'
import { errnoOf } from '../index/file.js'

/** Gone, or something else in its place: a folder, a symlink, a pipe, a socket. */
export const isAbsent = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EMLINK', 'ENXIO', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '')

/** What cannot be looked at is as if it were not there: whoever opens it is told why. */
export function entryAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
