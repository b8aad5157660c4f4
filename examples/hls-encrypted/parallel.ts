/** Works on `items` in their order, `width` at a time. The first failure stops the rest through their signal, and is thrown. */
export async function inParallel<T>(
  width: number,
  items: Iterable<T>,
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const queue = items[Symbol.iterator]()
  const lane = async () => {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      either.throwIfAborted()
      await work(next.value, either)
    }
  }
  const lanes = Array.from({ length: width }, () =>
    lane().catch((error: unknown) => {
      stop.abort(error)
      throw error
    }),
  )
  // allSettled first: nothing is still at work when the failure is reported.
  await Promise.allSettled(lanes)
  signal.throwIfAborted()
  stop.signal.throwIfAborted()
}
