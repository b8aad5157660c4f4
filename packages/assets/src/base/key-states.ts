import type { ResourceKey } from '../key.js'
import { KeyState } from './key-state.js'

/** What is open, by key and by asset. A key is forgotten once nothing of it is open and nothing is queued. */
export class KeyStates {
  readonly #states = new Map<string, KeyState>()
  readonly #byAsset = new Map<string, Set<KeyState>>()

  state(key: ResourceKey): KeyState {
    let state = this.#states.get(key.id)
    if (state === undefined) {
      state = new KeyState(key)
      this.#states.set(key.id, state)
      const siblings = this.#byAsset.get(key.asset) ?? new Set()
      this.#byAsset.set(key.asset, siblings.add(state))
    }
    return state
  }

  known(key: ResourceKey): KeyState | undefined {
    return this.#states.get(key.id)
  }

  of(asset: string): KeyState[] {
    return [...(this.#byAsset.get(asset) ?? [])]
  }

  get all(): KeyState[] {
    return [...this.#states.values()]
  }

  /** Runs `step` in the key's queue. */
  queue<T>(key: ResourceKey, step: (state: KeyState) => Promise<T>): Promise<T> {
    const state = this.state(key)
    const done = state.run(() => step(state))
    const settled = () => queueMicrotask(() => this.forgetEmpty(state))
    done.then(settled, settled)
    return done
  }

  forgetEmpty(state: KeyState): void {
    if (!state.isEmpty || this.#states.get(state.key.id) !== state) return
    this.#states.delete(state.key.id)
    const siblings = this.#byAsset.get(state.key.asset)
    siblings?.delete(state)
    if (siblings?.size === 0) this.#byAsset.delete(state.key.asset)
  }

  clear(): void {
    this.#states.clear()
    this.#byAsset.clear()
  }
}
