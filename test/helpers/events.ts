import type { EventEmitter } from 'node:events'

/**
 * The arguments of the next `name` event, or of the next one that `matches`. The test runner's own time limit ends a
 * wait that never comes true; `signal` ends it sooner.
 */
export function nextEvent<Events extends Record<keyof Events, unknown[]>, Name extends keyof Events & string>(
  emitter: EventEmitter<Events>,
  name: Name,
  matches: (...values: Events[Name]) => boolean = () => true,
  signal?: AbortSignal,
): Promise<Events[Name]> {
  const source = emitter as unknown as EventEmitter // the listener types of a generic map cannot be resolved here
  return new Promise((resolve, reject) => {
    const onEvent = (...values: unknown[]): void => {
      if (!matches(...(values as Events[Name]))) return
      stop()
      resolve(values as Events[Name])
    }
    const onAbort = (): void => {
      stop()
      reject(signal?.reason)
    }
    const stop = (): void => {
      source.off(name, onEvent)
      signal?.removeEventListener('abort', onAbort)
    }
    source.on(name, onEvent)
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
