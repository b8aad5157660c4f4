import { EventEmitter } from 'node:events'
import { publish } from './diagnostics.js'
import { tellListener } from './tell-listener.js'
import type { StoreEvents } from './types.js'

type Occurrence = {
  [Name in keyof StoreEvents]: readonly [name: Name, ...values: StoreEvents[Name]]
}[keyof StoreEvents]

/**
 * Tells events in order, in a microtask of their own: whoever emits has settled its state by then, and no listener can
 * throw into it. A listener that throws keeps none of the others from being told; its error surfaces as the host's own
 * `uncaughtException`.
 */
export class StoreEmitter extends EventEmitter<StoreEvents> {
  readonly #queue: Occurrence[] = []

  override emit<K>(
    name: keyof StoreEvents | K,
    ...values: K extends keyof StoreEvents ? StoreEvents[K] : never
  ): boolean {
    // Node's own, about listeners: they are told at once.
    if (name === 'newListener' || name === 'removeListener') return super.emit<K>(name, ...values)
    if (this.#queue.push([name, ...values] as unknown as Occurrence) === 1) queueMicrotask(() => this.#tellAll())
    return this.listenerCount(name) > 0
  }

  #tellAll(): void {
    // What is emitted meanwhile comes behind.
    for (const occurrence of this.#queue) {
      const [name, ...values] = occurrence
      publish(name, values[0])
      for (const listener of this.rawListeners(name)) tellListener(listener, this, values)
    }
    this.#queue.length = 0
  }
}
