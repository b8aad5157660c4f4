/** What stands behind a handle, and closes when the handle is lost. Must not reference the handle. */
export interface Leakable {
  /** The handle is garbage. Must not throw. */
  collected(): void
}

const registry = new FinalizationRegistry<Leakable>((state) => state.collected())

export function watch(handle: object, state: Leakable): void {
  registry.register(handle, state, state)
}

export function unwatch(state: Leakable): void {
  registry.unregister(state)
}
