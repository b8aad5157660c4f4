import type { ServerResponse } from 'node:http'
import { onAbort } from '@cistern/storage'
import type { Pieces } from '../begin.js'

/** One is on its way to the client while the next one is read. */
const MAX_IN_FLIGHT = 2

/**
 * Writes pieces to a response. At most two of them are in flight; each is given back when the socket has taken it. Pieces
 * in flight when the client leaves are not: nobody says when the system is through with them.
 */
export class Outflow implements Disposable {
  readonly #response: ServerResponse
  readonly #pieces: Pieces<Buffer>
  readonly #left: AbortSignal
  #inFlight = 0
  #forget: (() => void) | undefined
  #wake: (() => void) | undefined

  constructor(response: ServerResponse, pieces: Pieces<Buffer>, left: AbortSignal) {
    this.#response = response
    this.#pieces = pieces
    this.#left = left
  }

  /** Waits until another piece may be written. Throws the signal's reason once the client has left. */
  async room(): Promise<void> {
    while (this.#inFlight >= MAX_IN_FLIGHT && !this.#left.aborted) {
      // Not before: most bodies are over with their first piece, and a listener costs more than that.
      this.#forget ??= onAbort(this.#left, () => this.#wake?.())
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#left.throwIfAborted()
  }

  /** The first `bytes` of `piece`, which belongs to this from now on. */
  write(piece: Buffer, bytes: number): void {
    this.#inFlight++
    const taken = (error?: Error | null): void => {
      if (!error) this.#pieces.giveBack(piece)
      this.#inFlight--
      this.#wake?.()
    }
    const view = bytes === piece.length ? piece : piece.subarray(0, bytes)
    if (isItsOwnWriter(this.#response)) this.#response.write(view, taken)
    else this.#copy(view, taken)
  }

  [Symbol.dispose](): void {
    this.#forget?.()
  }

  /** Whoever put himself before `write`, to compress, may keep pieces and drops callbacks: 'drain' is all there is. */
  #copy(view: Buffer, taken: () => void): void {
    if (this.#response.write(Buffer.from(view))) taken()
    else this.#response.once('drain', taken)
  }
}

function isItsOwnWriter(response: ServerResponse): boolean {
  return !Object.hasOwn(response, 'write')
}
