import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Threads that wait for each other and for events, and the engine's memory: it differs from run to run, and is not the work. */
const BESIDE = new Set([
  ...['futex', 'epoll_pwait', 'epoll_wait', 'restart_syscall', 'sched_yield', 'getpid'],
  ...['mmap', 'munmap', 'mprotect', 'madvise', 'brk'],
])
const LINE = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$/

/** Calls by name. @typedef {Map<string, number>} Calls */

/**
 * System calls of a program for each piece of its work: those of a long run less those of a short one, so that what starting
 * and ending costs is in neither. The program is a file of this folder, told a folder of its own and how many pieces.
 * @param {string} log Where strace may write.
 * @param {{ file: string, how: string, folder: () => string, few: number, many: number }} program
 * @returns {Promise<Calls>}
 */
export async function callsEach(log, { file, how, folder, few, many }) {
  const short = await callsOf(log, file, [how, folder(), String(few)])
  const long = await callsOf(log, file, [how, folder(), String(many)])
  const each = [...long].map(
    ([name, count]) => /** @type {const} */ ([name, (count - (short.get(name) ?? 0)) / (many - few)]),
  )
  return new Map(each.filter(([name, count]) => !BESIDE.has(name) && count >= 0.05))
}

/**
 * @param {string} log
 * @param {string} file
 * @param {readonly string[]} parameters
 * @returns {Promise<Calls>}
 */
async function callsOf(log, file, parameters) {
  const program = fileURLToPath(new URL(file, import.meta.url))
  await promisify(execFile)('strace', ['-c', '-f', '-o', log, process.execPath, program, ...parameters])
  const lines = readFileSync(log, 'utf8').split('\n')
  rmSync(log)
  return new Map(
    lines.flatMap((line) => {
      const [, count, name] = LINE.exec(line) ?? []
      return name === undefined || name === 'total' ? [] : [[name, Number(count)]]
    }),
  )
}

/** @param {Calls} calls */
export function sumOf(calls) {
  return [...calls.values()].reduce((sum, count) => sum + count, 0)
}
