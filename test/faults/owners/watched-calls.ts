import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tell } from './report.js'

type Call = (...given: unknown[]) => unknown

/** Calls that take, replace or refresh a name: those that could hit what is somebody else's by now. */
const TOLD = new Set(['rename', 'unlink', 'rm', 'rmdir', 'link', 'copyFile', 'utimes'])
const ALSO_COUNTED = ['open', 'write', 'writev', 'fdatasync', 'fsync', 'ftruncate', 'mkdir', 'close', 'stat']

/** `rename:3:before`: this process suspends itself when it is about to make its third rename, `after`: when it came back. */
export interface StopPoint {
  readonly name: string
  readonly nth: number
  readonly side: 'before' | 'after'
}

/**
 * Says of each call of this process that changes a folder when it is made and when it came back, and suspends the process at
 * one of its calls. Whoever looks at what was said then knows exactly which calls were under way.
 */
export class WatchedCalls {
  readonly #stop: StopPoint | undefined
  readonly #counts = new Map<string, number>()
  #ids = 0
  /** Counting begins here. */
  isArmed = false

  constructor(stop: StopPoint | undefined) {
    this.#stop = stop
    const promises = fs.promises as unknown as Record<string, Call>
    const callbacks = fs as unknown as Record<string, Call>
    for (const name of [...TOLD, ...ALSO_COUNTED]) {
      if (promises[name]) promises[name] = this.#promised(name, promises[name])
      if (callbacks[name]) callbacks[name] = this.#calledBack(name, callbacks[name])
      if (TOLD.has(name)) callbacks[`${name}Sync`] = this.#synchronous(name, callbacks[`${name}Sync`] as Call)
    }
    syncBuiltinESMExports()
  }

  #promised(name: string, original: Call): Call {
    return async (...given) => {
      const ended = this.#begun(name, given)
      try {
        return await original.apply(fs.promises, given)
      } finally {
        ended()
      }
    }
  }

  #calledBack(name: string, original: Call): Call {
    return (...given) => {
      const done = given.pop() as Call
      const ended = this.#begun(name, given)
      return original.call(fs, ...given, (...results: unknown[]) => {
        ended()
        return done(...results)
      })
    }
  }

  #synchronous(name: string, original: Call): Call {
    return (...given) => {
      const ended = this.#begun(name, given)
      try {
        return original.apply(fs, given)
      } finally {
        ended()
      }
    }
  }

  #begun(name: string, given: readonly unknown[]): () => void {
    const nth = this.#count(name)
    const isTold = TOLD.has(name)
    const id = ++this.#ids
    if (isTold) tell({ is: 'call', id, name, paths: given.filter(isPath).map(String) })
    this.#stopIf(name, nth, 'before')
    return () => {
      if (isTold) tell({ is: 'came-back', id })
      this.#stopIf(name, nth, 'after')
    }
  }

  #count(name: string): number {
    if (!this.isArmed) return 0
    const nth = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, nth)
    return nth
  }

  #stopIf(name: string, nth: number, side: 'before' | 'after'): void {
    if (this.#stop?.name !== name || this.#stop.nth !== nth || this.#stop.side !== side) return
    tell({ is: 'stopping', at: `${name}:${nth}:${side}` })
    process.kill(process.pid, 'SIGSTOP')
  }
}

/** `rm` looks into folders by paths that are bytes. */
const isPath = (part: unknown): boolean => typeof part === 'string' || Buffer.isBuffer(part)
