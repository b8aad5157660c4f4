import { InvalidOptionError, onAbort } from '@cistern/storage'
import { isProcessor, type Processor, type ProcessorChoice } from '../processors/processor.js'

type Signals = readonly (AbortSignal | undefined)[]

/** Calls the function that makes the processor, if it is one. What it throws is passed on as it is. */
export async function makeProcessor(choice: ProcessorChoice, signals: Signals): Promise<Processor> {
  const processor = typeof choice === 'function' ? await settledOrAborted(promised(choice), signals) : choice
  if (isProcessor(processor)) return processor
  throw new InvalidOptionError("option 'processor': the function gave no Processor (identity, begin)")
}

/** What `promise` comes to, unless one of the signals aborts first: then its reason. */
export function settledOrAborted<T>(promise: Promise<T>, signals: Signals): Promise<T> {
  return new Promise((resolve, reject) => {
    const ignored = signals.map((signal) => {
      if (signal?.aborted) reject(signal.reason)
      return signal && onAbort(signal, () => reject(signal.reason))
    })
    const forget = (): void => {
      for (const ignore of ignored) ignore?.()
    }
    promise.then(resolve, reject).finally(forget)
  })
}

/** As a promise, whether it throws, rejects or just returns. */
async function promised(make: () => Processor | Promise<Processor>): Promise<Processor> {
  return make()
}
