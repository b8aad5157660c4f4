import { createDecipheriv } from 'node:crypto'
import { types } from 'node:util'
import { checkOptions, type OptionSpec, type Rule, required, rule } from '../check-options.js'
import { fingerprint } from './fingerprint.js'
import type { ChunkTransform, Processor } from './processor.js'

const BLOCK_BYTES = 16

/** Options of {@link aes128Cbc}. */
export interface Aes128CbcOptions {
  /** 16 bytes. Copied: the caller may wipe its own. */
  readonly key: Uint8Array | ArrayBuffer
  /** 16 bytes: the playlist's `IV`, or {@link hlsIv} of the segment's sequence number. */
  readonly iv: Uint8Array | ArrayBuffer
}

const block: Rule<Uint8Array | ArrayBuffer> = rule(
  `${BLOCK_BYTES} bytes in a Uint8Array or an ArrayBuffer`,
  (value) => (types.isUint8Array(value) || types.isAnyArrayBuffer(value)) && value.byteLength === BLOCK_BYTES,
)
const OPTIONS: OptionSpec<Aes128CbcOptions> = { key: required(block), iv: required(block) }

/**
 * Decrypts AES-128 in CBC mode with PKCS#7 padding, as HLS encrypts whole segments (RFC 8216, 4.3.2.4).
 *
 * Padding is no authentication: one wrong key in about 250 passes it. Where that matters, ask for `integrity`.
 * Throws `InvalidOptionError` unless key and iv have 16 bytes.
 */
export function aes128Cbc(options: Aes128CbcOptions): Processor {
  const { key, iv } = checkOptions('aes128Cbc', options, OPTIONS)
  return new Aes128Cbc(copied(key), copied(iv))
}

/** Key and iv are out of reach of util.inspect, JSON and enumeration: only the fingerprint shows. */
class Aes128Cbc implements Processor {
  readonly identity: string
  readonly #key: Uint8Array
  readonly #iv: Uint8Array

  constructor(key: Uint8Array, iv: Uint8Array) {
    this.identity = fingerprint('aes-128-cbc', key, iv)
    this.#key = key
    this.#iv = iv
  }

  begin(): ChunkTransform {
    return createDecipheriv('aes-128-cbc', this.#key, this.#iv)
  }
}

function copied(bytes: Uint8Array | ArrayBuffer): Uint8Array {
  return Uint8Array.from(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes))
}
