import { createCipheriv, createDecipheriv } from 'node:crypto'
import { aes128Cbc, type Processor, ResourceKey } from '@cistern/assets'
import { type Driver, MemDriver, Resource, type ResourceReader } from '@cistern/storage'
import { ProcessingWriter } from '#assets/processing/processing-writer.js'
import { randomBytes } from '../../helpers/bytes.js'

export const KEY = randomBytes(16, 16)
export const IV = randomBytes(17, 16)

export const decrypting = (): Processor => aes128Cbc({ key: KEY, iv: IV })

export function encrypted(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv('aes-128-cbc', KEY, IV)
  return new Uint8Array(Buffer.concat([cipher.update(plain), cipher.final()]))
}

/** What node:crypto makes of it in one go. */
export function decrypted(source: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-128-cbc', KEY, IV)
  return Buffer.concat([decipher.update(source), decipher.final()])
}

export interface Staged {
  readonly writer: ProcessingWriter
  readonly reader: ResourceReader
  readonly raw: Resource
  readonly output: Resource
  readonly closing: AbortController
  /** Another writer over what this one left. */
  again(processor: Processor): Promise<ProcessingWriter>
}

export interface StagedOptions {
  readonly outputDriver?: Driver | undefined
  readonly rawDriver?: Driver | undefined
}

/** A processing writer over two resources in memory, as a base hands them out. */
export async function staged(processor: Processor, options: StagedOptions = {}): Promise<Staged> {
  let generations = 1
  const pair = (rawDriver: Driver = new MemDriver(), outputDriver: Driver = new MemDriver()) => {
    const generation = `g${generations++}`
    const output = new Resource({ generation, driver: outputDriver })
    const raw: Resource = new Resource({
      generation: `${generation}.raw`,
      driver: rawDriver,
      hooks: {
        renew: async () => {
          const next = pair()
          output.supersede(next.output)
          return next.raw
        },
      },
    })
    return { raw, output }
  }
  const { raw, output } = pair(options.rawDriver, options.outputDriver)
  const closing = new AbortController()
  const begin = async (by: Processor): Promise<ProcessingWriter> => {
    const writer = new ProcessingWriter({
      key: ResourceKey.of('film', 'a.ts'),
      processor: by,
      raw: raw.openWriter(),
      output: output.openWriter(),
      source: raw.openReader(),
      signal: closing.signal,
    })
    await writer.start()
    return writer
  }
  return { writer: await begin(processor), reader: output.openReader(), raw, output, closing, again: begin }
}

/** Counts what it does; turns each byte `b` at position `p` into `b ^ p`, so that order and place show. */
export class PositionXor implements Processor {
  readonly identity = 'position-xor'
  begun = 0
  closed = 0
  updates = 0
  async = false
  /** Gives the same buffer again and again, as a transform may. */
  readonly #buffer = new Uint8Array(64 * 1024)

  begin(): ReturnType<Processor['begin']> {
    this.begun++
    let position = 0
    return {
      update: (chunk) => {
        this.updates++
        const made = this.#buffer.subarray(0, chunk.length)
        for (let i = 0; i < chunk.length; i++) made[i] = (chunk[i] as number) ^ (position++ & 0xff)
        return this.async ? Promise.resolve(made) : made
      },
      final: () => new Uint8Array([0xed]),
      close: () => {
        this.closed++
      },
    }
  }

  static of(source: Uint8Array): Uint8Array {
    const made = new Uint8Array(source.length + 1)
    for (let i = 0; i < source.length; i++) made[i] = (source[i] as number) ^ (i & 0xff)
    made[source.length] = 0xed
    return made
  }
}
