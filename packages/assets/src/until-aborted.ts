import { onAbort } from '@cistern/storage'

/**
 * What `work` comes to, unless `signal` aborts first: then its reason. What comes of it later is let go of, and `work`
 * is not even begun under a signal that has aborted.
 */
export async function untilAborted<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  letGo: (late: T) => unknown,
): Promise<T> {
  if (!signal) return work()
  signal.throwIfAborted()
  const working = work()
  let forget = (): void => {}
  try {
    const aborted = new Promise<never>((_, reject) => {
      forget = onAbort(signal, () => reject(signal.reason))
    })
    return await Promise.race([working, aborted])
  } catch (error) {
    // Of no use to anyone: the caller was told already.
    working.then(letGo).catch(() => {})
    throw error
  } finally {
    forget()
  }
}
