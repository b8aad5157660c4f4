// What a resource has to be as a whole before it is kept: an error page sent with status 200 is no playlist.
import { fingerprint, type Processor } from '@cistern/assets'

/** What is wrong with all these bytes; `undefined`: nothing. */
export type Check = (bytes: Uint8Array) => string | undefined | Promise<string | undefined>

/** Gives the bytes as they are, and fails unless all of them together pass: then nothing of them is kept. */
export function checked(name: string, maxBytes: number, check: Check): Processor {
  return {
    identity: fingerprint(`checked ${name}`),
    begin() {
      const pieces: Uint8Array[] = []
      let length = 0
      return {
        update(chunk) {
          length += chunk.length
          if (length > maxBytes) throw new Error(`over ${maxBytes} bytes: not ${name}`)
          pieces.push(Uint8Array.from(chunk))
          return new Uint8Array() // nothing is readable before all of it has passed
        },
        async final() {
          const bytes = Buffer.concat(pieces)
          const wrong = await check(bytes)
          if (wrong !== undefined) throw new Error(wrong)
          return bytes
        },
      }
    },
  }
}
