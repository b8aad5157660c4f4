// Ctrl-C and a service manager's wish to stop, as an AbortSignal: what is open is closed on the way out, by `await using`.

export class Stopped extends Error {
  readonly exitCode: number

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`)
    // A SIGTERM that was obeyed is a success; Ctrl-C keeps the shell's convention.
    this.exitCode = signal === 'SIGTERM' ? 0 : 130
  }
}

/** Aborts with a Stopped at the first SIGINT or SIGTERM. A second one ends the process at once, as it does by default. */
export function stopOnSignals(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Stopped(signal)))
  return stop.signal
}
