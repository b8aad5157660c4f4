import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Which process, on which boot of which host. What a platform does not tell is undefined, and then proves nothing. */
export interface ProcessIdentity {
  readonly pid: number
  readonly host: string
  readonly bootId: string | undefined
  /** Inode number of the Linux pid namespace: a pid means something only inside it. */
  readonly pidNamespace: string | undefined
  /** Clock ticks since boot: tells a process from a later one that got its pid. */
  readonly startTime: string | undefined
}

let self: ProcessIdentity | undefined

export function thisProcess(): ProcessIdentity {
  self ??= {
    pid: process.pid,
    // It becomes part of a file name, so it has a bound.
    host: hostname().slice(0, 64),
    bootId: told(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: told(() => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]),
    startTime: procStat(process.pid)?.startTime,
  }
  return self
}

/** True only where there is proof; a process on another host, or in another pid namespace, is never proved dead. */
export function isProvedDead(other: ProcessIdentity): boolean {
  const here = thisProcess()
  if (other.host !== here.host) return false
  if (other.bootId !== undefined && here.bootId !== undefined && other.bootId !== here.bootId) return true
  if (other.bootId !== here.bootId || other.pidNamespace !== here.pidNamespace) return false
  if (!pidExists(other.pid)) return true
  const stat = procStat(other.pid)
  if (stat === undefined) return false
  return stat.ended || (other.startTime !== undefined && stat.startTime !== other.startTime)
}

function pidExists(candidate: number): boolean {
  try {
    process.kill(candidate, 0)
    return true
  } catch (error) {
    // EPERM is the answer of a process that lives under another user.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** proc(5), /proc/pid/stat: the name in field 2 may hold anything, so fields are counted from its last parenthesis. */
function procStat(candidate: number): { ended: boolean; startTime: string | undefined } | undefined {
  const line = told(() => readFileSync(`/proc/${candidate}/stat`, 'utf8'))
  if (line === undefined) return undefined
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [state, threads, startTime] = [fields[0], fields[17], fields[19]]
  // Killed and not yet reaped by its parent. While threads are left, a last write of theirs may still be under way.
  return { ended: state === 'Z' && Number(threads) <= 1, startTime }
}

function told<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined // not Linux, or /proc is hidden: unknown, not an error
  }
}
