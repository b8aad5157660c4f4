import { createCipheriv } from 'node:crypto'
import { aes128Cbc } from '@cistern/assets'
import { contentOf } from './content.js'

const BLOCK = 16
const key = Buffer.from('a key of 16 byte')
const iv = Buffer.alloc(BLOCK, 7)

export const unsealing = aes128Cbc({ key, iv })

/** What a source would send for content of this length: AES-128-CBC with PKCS#7 padding, as HLS has it. */
export function sealed(name: string, nonce: number, length: number): Uint8Array {
  const cipher = createCipheriv('aes-128-cbc', key, iv)
  return Buffer.concat([cipher.update(contentOf(name, nonce, 0, length)), cipher.final()])
}

export function sealedLength(length: number): number {
  return (Math.floor(length / BLOCK) + 1) * BLOCK
}
