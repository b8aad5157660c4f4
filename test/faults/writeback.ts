import { closeSync, existsSync, fsyncSync, openSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { randomChoice, randomInteger, shuffled } from '../helpers/bytes.js'
import { command } from './loop-disk.js'

/** What the system wrote of its own accord before the power went. */
export type Writeback = 'nothing' | 'index' | 'index and some'

/**
 * Writes back what a system may write back whenever it likes, in whatever order: all of the index, so that all that was
 * appended counts, and pieces of some bodies, which so get their length and some of their bytes.
 */
export function writeBack(store: string, how: Writeback, random: () => number): void {
  if (how === 'nothing' || !existsSync(store)) return
  if (how === 'index and some') {
    for (const path of shuffled(random, bodiesIn(store)).slice(0, 6)) {
      const pieces = somePieces(sizeOf(path), random).flatMap(([start, length]) => [
        '-c',
        `sync_range -w -a ${start} ${length}`,
      ])
      command('xfs_io', [...pieces, path]) // one that is gone by now is as good as not written
    }
  }
  // Last: it takes the file system's log with it, and so the lengths of those bodies.
  for (const path of filesIn(join(store, '_index'))) syncFile(path)
}

/** Often the end, which gives a file its length. */
function somePieces(size: number, random: () => number): [start: number, length: number][] {
  const last: [number, number] = [Math.max(0, size - 4096), 4096]
  const start = randomInteger(random, 0, Math.max(1, size))
  return randomChoice(random, [[last], [[start, size]], [last, [start, 65_536]], [[0, size]]])
}

function bodiesIn(store: string): string[] {
  return readdirSync(store, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== '_index')
    .flatMap((entry) => filesIn(join(store, entry.name)))
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function syncFile(path: string): void {
  try {
    const file = openSync(path, 'r')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // the child goes on meanwhile
  }
}
