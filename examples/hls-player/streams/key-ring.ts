// Decryption keys: fetched as everything else is, into memory only, so that none is ever on a disk.
import { type AssetStore, ResourceKey } from '@cistern/assets'
import { Filler, httpSource } from '@cistern/fill'
import { MemStore } from '@cistern/mem-store'
import { checked } from './checked.js'
import { asSourceError } from './source-failure.js'

const KEY_BYTES = 16
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

  /** Rejects with `SourceError`, also where what came is no key. */
  async get(url: URL): Promise<Uint8Array> {
    try {
      using reader = await this.#filler.open(ResourceKey.fromUrl(url), httpSource(url), { processor: A_KEY })
      return await reader.bytes()
    } catch (error) {
      throw asSourceError(error, url)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#filler.close()
    await this.#memory.close()
  }
}
