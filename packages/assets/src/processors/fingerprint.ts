import { createHmac } from 'node:crypto'
import { types } from 'node:util'
import { InvalidOptionError } from '@cistern/storage'

const DOMAIN = 'cistern/fingerprint/1'

/**
 * The identity of a processor: `name`, then an HMAC-SHA256 over name and secrets. The secrets cannot be read from it,
 * and two lists of them never run together into one. A secret that can be guessed, such as a short password, can be
 * tried against it: stretch it first.
 *
 * Throws `InvalidOptionError` for an empty name, or a secret that is not a `Uint8Array`.
 */
export function fingerprint(name: string, ...secrets: Uint8Array[]): string {
  if (typeof name !== 'string' || name === '')
    throw new InvalidOptionError('fingerprint: name must be a string that is not empty')
  const hmac = createHmac('sha256', DOMAIN)
  for (const part of [Buffer.from(name), ...secrets]) {
    if (!types.isUint8Array(part)) throw new InvalidOptionError('fingerprint: each secret must be a Uint8Array')
    // Its length first, so that 'ab', 'c' differs from 'a', 'bc'.
    const length = Buffer.alloc(8)
    length.writeBigUInt64BE(BigInt(part.length))
    hmac.update(length).update(part)
  }
  return `${name}:${hmac.digest('hex')}`
}
