// A cipher that the library does not bring: AES-256 in counter mode.
import { createDecipheriv } from 'node:crypto'
import { fingerprint, type Processor } from '@cistern/assets'

/** Decrypts AES-256-CTR. `key`: 32 bytes; `counter`: the first block's 16. No padding: as many bytes out as in. */
export function aes256Ctr({ key, counter }: { readonly key: Uint8Array; readonly counter: Uint8Array }): Processor {
  if (key.length !== 32) throw new RangeError(`a key of ${key.length} bytes, not 32`)
  if (counter.length !== 16) throw new RangeError(`a counter of ${counter.length} bytes, not 16`)
  return {
    // Says whether stored bytes came through this very processor. A digest: the store keeps it, and it tells nobody the key.
    identity: fingerprint('aes-256-ctr', key, counter),
    // A node:crypto decipher has update() and final(), which is all that a transform needs. One for each run: it has state.
    begin: () => createDecipheriv('aes-256-ctr', key, counter),
    outputLength: (sourceLength) => sourceLength,
  }
}
