// The app that is under test: episodes are played while they are stored.
import { type AssetStore, CisternError, type Fill } from '@cistern/assets'

/** The app's network: an episode's bytes from `start` on. */
export type Origin = (episode: string, start: number, signal?: AbortSignal) => AsyncIterable<Uint8Array>

export class Podcasts {
  readonly #store: AssetStore
  readonly #origin: Origin

  constructor(store: AssetStore, origin: Origin) {
    this.#store = store
    this.#origin = origin
  }

  /** The episode's bytes, from the store as far as it has them. A disk that is full stops the storing, not the playing. */
  async *play(episode: string): AsyncGenerator<Uint8Array> {
    let played = 0
    try {
      using reader = await this.#store.asset(episode).openOrFill('audio.mp3', this.#fill(episode))
      for await (const chunk of reader.chunks()) {
        played += chunk.length
        yield chunk
      }
    } catch (error) {
      if (!isDiskFull(error)) throw error
      yield* this.#origin(episode, played)
    }
  }

  /** Goes on where an earlier try ended: an episode never changes. */
  #fill(episode: string): Fill {
    return (writer, signal) => {
      const at = writer.coverage.coveredEnd(0)
      return writer.writeFrom(this.#origin(episode, at, signal), { at, signal })
    }
  }

  /** Whether it can be played without the network. */
  isStored(episode: string): boolean {
    return this.#store.asset(episode).stat('audio.mp3')?.state === 'committed'
  }
}

/** A reader hears that its fill was given up; the cause says why. */
function isDiskFull(error: unknown): boolean {
  return error instanceof Error && (CisternError.is(error, 'ERR_CISTERN_NO_SPACE') || isDiskFull(error.cause))
}
