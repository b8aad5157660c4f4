// What a viewer will want next, a little before the viewer's player asks for it.
export interface Ahead {
  /** Somebody plays the part of this number: those behind it are fetched, those that lie elsewhere no longer. */
  playing(number: number): void
  stop(): void
}

/** `prefetch` rejects when it is withdrawn, or when the origin fails: whoever plays the part hears of it again. */
export function fetchAhead(parts: number, prefetch: (number: number, signal: AbortSignal) => Promise<void>): Ahead {
  const running = new Map<number, AbortController>()
  const withdraw = (number: number): void => {
    running.get(number)?.abort()
    running.delete(number)
  }
  return {
    playing(number) {
      // The part itself goes on: withdrawn before its reader is there, it would have to be asked for again.
      for (const each of [...running.keys()]) if (each < number || each > number + parts) withdraw(each)
      for (let next = number + 1; next <= number + parts; next++) {
        if (running.has(next)) continue
        const control = new AbortController()
        running.set(next, control)
        const ended = (): void => {
          if (running.get(next) === control) running.delete(next)
        }
        prefetch(next, control.signal).then(ended, ended)
      }
    },
    stop() {
      for (const number of [...running.keys()]) withdraw(number)
    },
  }
}
