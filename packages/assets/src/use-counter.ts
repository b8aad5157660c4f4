import { type ResourceReader, wrapReader } from '@cistern/storage'
import { wrapAcquisition } from './layers/wrap-acquisition.js'
import type { Acquisition, StoreCounters } from './types.js'

/** Counts at the outermost place, where each use passes once: hits and misses, and the handles that users hold. */
export class UseCounter {
  readonly #counters: StoreCounters

  constructor(counters: StoreCounters) {
    this.#counters = counters
  }

  /** Met by bytes that were all there. Joining a fill under way is a miss: its bytes are still to come. */
  answered(reader: ResourceReader): void {
    if (reader.status.state === 'committed') this.#counters.hits++
    else this.#counters.misses++
  }

  /** Nothing was there. */
  missed(): void {
    this.#counters.misses++
  }

  acquisition(got: Acquisition): Acquisition {
    const counters = this.#counters
    counters.readers++
    if (got.writer) counters.writers++
    return wrapAcquisition(got, {
      reader: { onClose: () => void counters.readers-- },
      writer: { onSettled: () => void counters.writers-- },
    })
  }

  reader(reader: ResourceReader): ResourceReader {
    const counters = this.#counters
    counters.readers++
    return wrapReader(reader, { onClose: () => void counters.readers-- })
  }
}
