import type { Server } from 'node:http'
import { Duplex } from 'node:stream'
import { deferred } from '../helpers/deferred.js'

/** A connection without a network: it takes what the server writes piece by piece, and only when it is told to. */
export class SlowClient extends Duplex {
  /** What came until the server ended the connection. */
  readonly answer: Promise<Buffer>
  readonly #pieces: Buffer[] = []
  readonly #ended = deferred<Buffer>()
  #take: (() => void) | undefined
  #offer = deferred()
  #hurries = false

  constructor(server: Server, lines: readonly string[]) {
    super()
    this.answer = this.#ended.promise
    const request = lines.flatMap((line) => (line === '' ? ['connection: close', ''] : [line]))
    this.push(request.map((line) => `${line}\r\n`).join(''))
    server.emit('connection', this)
  }

  /** Bytes taken so far, those of the head too. */
  get taken(): number {
    return this.#pieces.reduce((sum, { length }) => sum + length, 0)
  }

  /** Resolves once there is a piece to take. */
  offered(): Promise<void> {
    return this.#offer.promise
  }

  /** Takes the one piece that is offered. */
  accept(): void {
    const take = this.#take
    this.#take = undefined
    this.#offer = deferred()
    take?.()
  }

  /** Takes it, and all that come. */
  acceptAll(): void {
    this.#hurries = true
    this.accept()
  }

  override _write(chunk: Buffer, _: BufferEncoding, callback: () => void): void {
    const take = (): void => {
      this.#pieces.push(Buffer.from(chunk)) // the server may use its memory again once it is taken
      callback()
    }
    if (this.#hurries) return take()
    this.#take = take
    this.#offer.resolve()
  }

  override _final(callback: () => void): void {
    this.#ended.resolve(Buffer.concat(this.#pieces))
    callback()
  }

  override _read(): void {}
}
