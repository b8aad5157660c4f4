/** A promise with its two ends outside (`Promise.withResolvers` is not in Node 20). */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (error: unknown) => void
}

export function deferred<T = void>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = unset
  let reject: Deferred<T>['reject'] = unset
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

/** Where a promise stands once everything that was ready to run has run. Never leaves a rejection unhandled. */
export async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'fulfilled' | 'rejected'> {
  const settled = promise.then(
    () => 'fulfilled' as const,
    () => 'rejected' as const,
  )
  return Promise.race([settled, eventLoopTurn().then(() => 'pending' as const)])
}

/** One whole turn of the event loop: microtasks, then I/O that was ready, then immediates. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function unset(): never {
  throw new Error('the promise constructor runs its executor at once')
}
