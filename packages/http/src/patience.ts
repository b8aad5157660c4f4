import { onAbort } from '@cistern/storage'

/** All waits of one request together took too long. */
export class WaitedTooLong extends Error {
  override readonly name = 'WaitedTooLong'
}

/** One time limit over several waits. The clock starts with the first of them: most requests never wait. */
export class Patience implements Disposable {
  readonly #ms: number
  readonly #client: AbortSignal
  #controller: AbortController | undefined
  #timer: NodeJS.Timeout | undefined
  #forget: (() => void) | undefined

  constructor(ms: number, client: AbortSignal) {
    this.#ms = ms
    this.#client = client
  }

  /** Aborts with `WaitedTooLong` when the time is over, and with the client's reason when that has left. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    const controller = new AbortController()
    this.#controller = controller
    const client = this.#client
    if (client.aborted) controller.abort(client.reason)
    else {
      this.#timer = setTimeout(() => controller.abort(new WaitedTooLong(`waited ${this.#ms} ms`)), this.#ms)
      this.#forget = onAbort(client, () => controller.abort(client.reason))
    }
    return controller.signal
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#forget?.()
  }
}
