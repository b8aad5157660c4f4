import { InvalidOptionError } from '@cistern/storage'

/**
 * The initialization vector of a segment whose key names none: its media sequence number as 128 bits, big-endian
 * (RFC 8216, 5.2). Throws `InvalidOptionError` unless `sequence` is a safe integer of at least 0.
 */
export function hlsIv(sequence: number): Uint8Array<ArrayBuffer> {
  if (!Number.isSafeInteger(sequence) || sequence < 0) {
    throw new InvalidOptionError('hlsIv: sequence must be a media sequence number: a safe integer of at least 0')
  }
  const iv = new Uint8Array(16)
  new DataView(iv.buffer).setBigUint64(8, BigInt(sequence))
  return iv
}
