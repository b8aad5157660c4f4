import type { Bytes } from './types.js'

/** Memory of its own, not cleared: every byte is about to be overwritten. */
export function allocate(size: number): Bytes {
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer as ArrayBuffer, 0, size)
}
