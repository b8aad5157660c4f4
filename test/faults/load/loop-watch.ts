import { closeSync, existsSync, openSync, readSync } from 'node:fs'

const EVERY_MS = 1
const SCHEDULE = '/proc/self/schedstat' // of the main thread: nanoseconds on a processor, and waiting for one

/** What the event loop was kept from for longer than it should. Microseconds of the system's monotonic clock. */
export interface Hold {
  readonly start: number
  readonly end: number
}

/** Milliseconds: without the wait for a processor, and as it was. */
export interface Delay {
  readonly own: number
  readonly raw: number
}

/**
 * How late a timer comes, and what the main thread did meanwhile. What it waited for a processor, which others had, is
 * not its own doing: taken off where the system tells. Unlike `monitorEventLoopDelay`, which cannot tell.
 */
export class LoopWatch {
  readonly #schedule = existsSync(SCHEDULE) ? openSync(SCHEDULE, 'r') : undefined
  readonly #text = Buffer.alloc(64)
  readonly #tooLong: number
  readonly #delays: number[] = []
  readonly #raw: number[] = []
  #cpu = 0
  #waited = 0
  readonly holds: Hold[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(tooLong: number) {
    this.#tooLong = tooLong
  }

  start(): void {
    let [last, lastCpu, lastWait] = [performance.now(), ...this.#used()]
    this.#timer = setInterval(() => {
      const now = performance.now()
      const [cpu, wait] = this.#used()
      const late = Math.max(0, now - last - EVERY_MS)
      this.#raw.push(late)
      this.#cpu += cpu - lastCpu
      this.#waited += wait - lastWait
      this.#delays.push(Math.max(0, late - (wait - lastWait)))
      if (cpu - lastCpu > this.#tooLong) this.holds.push(this.#between(now - last))
      last = now
      lastCpu = cpu
      lastWait = wait
    }, EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    if (this.#schedule !== undefined) closeSync(this.#schedule)
  }

  percentile(share: number): Delay {
    return { own: atShare(this.#delays, share), raw: atShare(this.#raw, share) }
  }

  /**
   * Others had the processor for a good part of the time that this thread wanted it. Then work piles up between two turns,
   * and threads that it waits for, such as those that collect garbage, wait too: how late it is says nothing.
   */
  get isContended(): boolean {
    return this.#waited > 0.15 * (this.#cpu + this.#waited)
  }

  #between(ms: number): { start: number; end: number } {
    const end = Number(process.hrtime.bigint() / 1_000n)
    return { start: end - ms * 1_000, end }
  }

  /** Milliseconds on a processor, and waiting for one. */
  #used(): [cpu: number, wait: number] {
    if (this.#schedule === undefined) return [performance.now(), 0]
    const length = readSync(this.#schedule, this.#text, 0, this.#text.length, 0)
    const [cpu = '0', wait = '0'] = this.#text.toString('latin1', 0, length).split(' ')
    return [Number(cpu) / 1e6, Number(wait) / 1e6]
  }
}

function atShare(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
