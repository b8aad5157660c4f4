/**
 * A listener that throws keeps nothing from going on, and none of the others from being told: its error surfaces as the
 * host's own `uncaughtException`.
 */
export function tellListener(listener: unknown, emitter: object, values: readonly unknown[]): void {
  try {
    ;(listener as (...values: unknown[]) => unknown).apply(emitter, [...values])
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
