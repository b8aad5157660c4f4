import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { spawnChild } from '../../helpers/child.js'
import { openFilesUnder, showsDescriptors } from '../../helpers/descriptors.js'
import { inTempFolder } from '../../helpers/temp-folder.js'
import { MOST_DESCRIPTORS } from '../load/bounds.js'
import type { LoadReport } from '../load/report.js'
import type { Part, PartOptions, PartOutcome } from '../part.js'

const QUOTA = 64 * 1024 * 1024
const LOOK_EVERY_MS = 1_000
/** Files come and go while they are added up: no more than this in that time. */
const MEANWHILE = 8 * 1024 * 1024

/** Many at work at once, and nothing that grows, blocks or goes past its bound. */
export const load: Part = {
  name: 'load',
  about: '2,000 resources filled and read at once under a quota of 64 MiB',
  unavailable: () => (showsDescriptors ? undefined : 'open descriptors are not shown here'),
  run,
}

async function run({ seed, quick, rounds, say }: PartOptions): Promise<PartOutcome> {
  const seconds = rounds ?? (quick ? 15 : 120)
  return inTempFolder(async (root) => {
    await using child = spawnChild(new URL('../load/child.js', import.meta.url), {
      args: [root, String(seed), String(seconds)],
      nodeFlags: ['--expose-gc'],
    })
    const violations: string[] = []
    let descriptors = 0
    // From here: two thousand looks at a time would hold the loop that is watched there.
    const looking = setInterval(async () => {
      descriptors = Math.max(descriptors, openFilesOf(child.pid, root))
      const bytes = await sizeOf(root)
      if (bytes > QUOTA + MEANWHILE) violations.push(`${bytes} bytes on disk under a quota of ${QUOTA}`)
    }, LOOK_EVERY_MS)
    try {
      const report = (await child.nextMessage()) as LoadReport
      clearInterval(looking)
      await child.exited
      const words = child.stderr.trim()
      if (words !== '') violations.push(`it said: ${words}`)
      if (descriptors > MOST_DESCRIPTORS)
        violations.push(`${descriptors} descriptors, at most ${MOST_DESCRIPTORS} are in use or unsynced`)
      say(`  ${JSON.stringify(report)}`)
      return {
        rounds: report.resources,
        violations: [...report.violations, ...violations],
        note: told(report, descriptors, seconds),
      }
    } finally {
      clearInterval(looking)
    }
  })
}

function told(report: LoadReport, descriptors: number, seconds: number): string {
  const { written, read, most, p99, max, longestSlice, evictions, refused, memory, isContended } = report
  const perSecond = (bytes: number): string => `${(bytes / seconds / 1024 / 1024).toFixed(1)} MiB/s`
  return (
    `${most.atOnce} at once, ${perSecond(written)} written and ${perSecond(read)} read, ${evictions} evictions, ` +
    `${refused} refused; at most ${descriptors} descriptors and ${(most.bytes / 1024 / 1024).toFixed(1)} MiB; ` +
    `loop delay p99 ${p99.own.toFixed(1)} ms, at most ${max.own.toFixed(1)}, longest slice ${(longestSlice?.ms ?? 0).toFixed(1)} ms${isContended ? ' (NOT JUDGED: others had the processor)' : ''}; ${memory}`
  )
}

/** None once it has ended. */
function openFilesOf(pid: number | undefined, root: string): number {
  try {
    return pid === undefined ? 0 : openFilesUnder(root, pid).length
  } catch {
    return 0
  }
}

/** Of all files but the index's. */
async function sizeOf(root: string): Promise<number> {
  const names = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = names.filter((entry) => entry.isFile() && !entry.parentPath.includes('_index'))
  const sizes = await Promise.all(
    files.map((entry) =>
      stat(join(entry.parentPath, entry.name)).then(
        ({ size }) => size,
        () => 0, // gone since it was listed
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
