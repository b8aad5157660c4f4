import { inspectStore, type StoreInspection } from '../inspect-store.js'
import type { Output } from './output.js'

/** What a command works with. */
export interface Command {
  readonly output: Output
  /** Aborts when the process is asked to end: between two steps, so that nothing is left half done. */
  readonly signal: AbortSignal
}

/** Looks at a store as it is on record now. */
export async function inspecting<T>(root: string, use: (store: StoreInspection) => Promise<T>): Promise<T> {
  const store = await inspectStore(root)
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}
