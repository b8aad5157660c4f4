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

/** Guards of closed handles that are kept for others. */
const idleGuards = 256
const idle: Guard[] = []

/** What is lost with a guard. */
class Guarded implements Leakable {
  state: Leakable | undefined

  collected(): void {
    this.state?.collected()
  }
}

/**
 * Garbage together with the handle that holds it, and that nothing else may reference: for handles that come and go. What
 * is registered lives until the next full collection, however soon it is unregistered; a guard is registered once, and
 * handed on.
 */
export class Guard {
  readonly #guarded = new Guarded()

  static over(state: Leakable): Guard {
    const guard = idle.pop() ?? new Guard()
    guard.#guarded.state = state
    return guard
  }

  private constructor() {
    watch(this, this.#guarded)
  }

  /** Its handle is closed, and has forgotten it. */
  release(): void {
    this.#guarded.state = undefined
    if (idle.length < idleGuards) idle.push(this)
    else unwatch(this.#guarded)
  }
}
