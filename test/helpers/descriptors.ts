import { readdirSync, readlinkSync } from 'node:fs'
import { sep } from 'node:path'

/** Whether this system shows open descriptors: tests that count them are skipped where it does not. */
export const showsDescriptors: boolean = process.platform === 'linux'

/**
 * Paths of the files that a process, this one by default, has open at or below `root`, one entry per descriptor, sorted.
 * An unlinked file ends in ` (deleted)`, as Linux shows it.
 */
export function openFilesUnder(root: string, process: number | 'self' = 'self'): string[] {
  const below = root.endsWith(sep) ? root : root + sep
  return readdirSync(`/proc/${process}/fd`)
    .map((descriptor) => targetOf(`/proc/${process}/fd/${descriptor}`))
    .filter((path) => path === root || path.startsWith(below))
    .sort()
}

export function countDescriptorsUnder(root: string): number {
  return openFilesUnder(root).length
}

/** The descriptor that lists the folder is itself listed, and gone by the time it is looked at. */
function targetOf(descriptor: string): string {
  try {
    return readlinkSync(descriptor)
  } catch {
    return ''
  }
}
