// Decryption keys: fetched as everything else is, into memory only, so that none is ever on a disk.
import { type AssetStore, ResourceKey } from '@cistern/assets'
import { Filler, httpSource } from '@cistern/fill'
import { MemStore } from '@cistern/mem-store'
import { checked } from './checked.js'
import { asSourceError } from './source-failure.js'

const KEY_BYTES = 16
/** Two attempts: whoever waits for a segment hears within ten seconds that its key does not come. */
const ASKING = { totalTimeoutMs: 4000, retries: 1 }
const A_KEY = checked('an AES-128 key', KEY_BYTES, ({ length }) =>
  length === KEY_BYTES ? undefined : `${length} bytes: an AES-128 key has ${KEY_BYTES}`,
)

export class KeyRing implements AsyncDisposable {
  readonly #memory: AssetStore
  readonly #filler: Filler

  private constructor(memory: AssetStore) {
    this.#memory = memory
    this.#filler = new Filler(memory)
  }

  static async open(): Promise<KeyRing> {
    return new KeyRing(await MemStore.open({ maxAssets: 1000 }))
  }

  /** Rejects with `SourceError`, also where what came is no key, or the signal's reason. */
  async get(url: URL, signal: AbortSignal): Promise<Uint8Array> {
    try {
      const source = httpSource(url, ASKING)
      using reader = await this.#filler.open(ResourceKey.fromUrl(url), source, { processor: A_KEY, signal })
      return await reader.bytes({ signal })
    } catch (error) {
      throw asSourceError(error, url)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#filler.close()
    await this.#memory.close()
  }
}
