import { finished, type Readable } from 'node:stream'
import { types } from 'node:util'
import { InvalidOptionError } from '@cistern/storage'
import type { ChunkTransform, Processor } from './processor.js'

/**
 * Makes a processor of a Node transform stream, such as `() => zlib.createGunzip()`; `create` is called for each run.
 * `identity` says what the stream does, parameters included, and is a {@link fingerprint} where they are secret.
 *
 * An `update` settles when the stream has taken its bytes, so that a slow stream slows its source. Errors of the stream
 * are passed on as they are; what the stream lets pass, such as bytes after the end of a gzip member, passes.
 * Throws `InvalidOptionError` for an identity that is no string, or is empty, and a `create` that is no function.
 */
export function fromTransform(identity: string, create: () => NodeJS.ReadWriteStream): Processor {
  if (typeof identity !== 'string' || identity === '') {
    throw new InvalidOptionError('fromTransform: identity must be a string that is not empty')
  }
  if (typeof create !== 'function') throw new InvalidOptionError('fromTransform: create must be a function')
  return { identity, begin: () => new StreamTransform(create()) }
}

type Settle = (error?: Error) => void

class StreamTransform implements ChunkTransform {
  readonly #stream: NodeJS.ReadWriteStream
  readonly #forget: () => void
  #output: Uint8Array[] = []
  /** The stream ended on both sides, with this error if there was one. */
  #over: { readonly error: Error | undefined } | undefined
  /** The call that waits for the stream. */
  #pending: Settle | undefined
  #closed = false

  constructor(stream: NodeJS.ReadWriteStream) {
    if (typeof stream?.write !== 'function' || typeof stream.on !== 'function') {
      throw new InvalidOptionError('fromTransform: create must give a stream that is written to and read from')
    }
    this.#stream = stream
    // Node reports an error once more where it is destroyed early; `finished` is told what counts.
    stream.on('error', ignored)
    // Some streams never call back a write that failed (zlib), so that pending calls hear of the end from here.
    this.#forget = finished(stream, (error) => this.#end(error ?? undefined))
    stream.on('data', (chunk: unknown) => this.#collect(chunk))
  }

  async update(chunk: Uint8Array): Promise<Uint8Array> {
    this.#check()
    if (this.#over) throw new Error('the stream ended before its source did')
    // A copy, because a stream may pass on, later, the very bytes it got, and `chunk` is only borrowed.
    const bytes = Buffer.from(chunk)
    await this.#settled((settle) => this.#stream.write(bytes, (error) => (error ? this.#end(error) : settle())))
    return this.#taken()
  }

  async final(): Promise<Uint8Array> {
    this.#check()
    if (!this.#over) await this.#settled(() => this.#stream.end())
    return this.#taken()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#forget()
    this.#end(new Error('the transform was closed'))
    this.#output = []
    const { destroy } = this.#stream as Partial<Readable> & NodeJS.ReadWriteStream
    if (typeof destroy === 'function') destroy.call(this.#stream)
  }

  #check(): void {
    if (this.#over?.error) throw this.#over.error
  }

  /** Settles with what `begin` was told, or with the end of the stream, whichever comes first. */
  #settled(begin: (settle: Settle) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle: Settle = (error) => {
        if (this.#pending !== settle) return
        this.#pending = undefined
        if (error) reject(error)
        else resolve()
      }
      this.#pending = settle
      begin(settle)
    })
  }

  #end(error: Error | undefined): void {
    this.#over ??= { error }
    this.#pending?.(error)
  }

  #collect(chunk: unknown): void {
    if (this.#closed) return
    if (types.isUint8Array(chunk)) this.#output.push(chunk)
    else this.#end(new TypeError(`the stream gave a ${typeof chunk} instead of bytes`))
  }

  /** All that is out so far. What a write gives at once is among it: streams hand that over before they call back. */
  #taken(): Uint8Array {
    this.#check()
    const output = this.#output
    this.#output = []
    return output.length === 1 && output[0] ? output[0] : Buffer.concat(output)
  }
}

/** Errors reach the calls through `finished`. */
function ignored(): void {}
