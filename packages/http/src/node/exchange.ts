import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ResourceReader } from '@cistern/assets'
import { beginResponse } from '../begin.js'
import { checkServeOptions, type ServeOptions } from '../options.js'
import { refusal } from '../plan.js'
import { statusOf } from '../status.js'
import type { BufferPool } from './buffer-pool.js'
import { cut, sendBody, sendResponse, sendText } from './send.js'
import { type ServeRequest, serveRequestOf } from './serve-request.js'

/** A resource with options of its own, which come before those of the handler. */
export interface ServedResource {
  /** Taken over: it is closed when the response is through, whatever comes of it. */
  readonly reader: ResourceReader
  /** How it is served. */
  readonly options?: ServeOptions | undefined
}

/** What answers a request: a resource, a response of one's own, or `undefined` for what is somebody else's. */
export type ServeAnswer = ResourceReader | ServedResource | Response | undefined

/** Finds what a request asks for. What it throws or rejects with is answered with its status, see {@link statusOf}. */
export type ServeHandle = (request: ServeRequest) => ServeAnswer | Promise<ServeAnswer>

/** What all exchanges of one handler share. */
export interface ExchangeContext {
  readonly handle: ServeHandle
  readonly defaults: ServeOptions
  readonly pool: BufferPool
  readonly onError: ((error: unknown, request: ServeRequest) => void) | undefined
}

/** One request and its response. */
export class Exchange {
  readonly #context: ExchangeContext
  readonly #incoming: IncomingMessage
  readonly #response: ServerResponse
  readonly #left = new AbortController()
  #reader: ResourceReader | undefined

  constructor(context: ExchangeContext, incoming: IncomingMessage, response: ServerResponse) {
    this.#context = context
    this.#incoming = incoming
    this.#response = response
  }

  /** Never rejects: what goes wrong is answered, or cuts the connection. */
  async run(next: (() => void) | undefined): Promise<void> {
    const stopListening = this.#listen()
    const request = serveRequestOf(this.#incoming, this.#left.signal)
    if (request === undefined) return this.#refuse(400)
    try {
      const answer = await this.#context.handle(request)
      if (answer !== undefined) return await this.#send(request, answer)
      if (next === undefined) return this.#refuse(404)
      stopListening()
      next()
    } catch (error) {
      this.#failed(error, request)
    } finally {
      this.#reader?.close()
    }
  }

  async #send(request: ServeRequest, answer: Exclude<ServeAnswer, undefined>): Promise<void> {
    const { signal } = this.#left
    if (answer instanceof Response) return sendResponse(this.#response, answer, signal)
    const { reader, options }: ServedResource = 'reader' in answer ? answer : { reader: answer }
    this.#reader = reader
    const { pool, defaults } = this.#context
    const { method, headers, url } = request
    const serving = { ...defaults, ...checkServeOptions('toNodeHandler', options) }
    const begun = await beginResponse({ method, headers, signal, pathname: url.pathname }, reader, serving, pool)
    this.#tell(begun.plan.status, begun.plan.error, request)
    await sendBody(this.#response, begun, pool, signal)
  }

  /** Closing the reader ends its waits, and with them the demand on whoever fills it. */
  #listen(): () => void {
    const response = this.#response
    const incoming = this.#incoming
    const left = (): void => {
      if (response.writableFinished) return
      this.#left.abort()
      this.#reader?.close()
    }
    // A response that waits behind another one of its connection never hears of the end of that.
    const closed = (): void => {
      if (incoming.socket.destroyed) left()
    }
    response.once('close', left).on('error', left)
    incoming.once('close', closed)
    return () => {
      response.off('close', left).off('error', left)
      incoming.off('close', closed)
    }
  }

  #failed(error: unknown, request: ServeRequest): void {
    const response = this.#response
    if (this.#left.signal.aborted) return // nobody is there to be told
    if (!response.headersSent) {
      const status = statusOf(error)
      this.#tell(status, error, request)
      return this.#refuse(status)
    }
    this.#tell(500, error, request)
    if (!response.writableEnded) cut(response)
  }

  #refuse(status: number): void {
    try {
      sendText(this.#response, refusal(status, { method: this.#incoming.method ?? 'GET' }))
    } catch {
      this.#response.destroy() // something of the host's own stands in the way, a header that it set for instance
    }
  }

  #tell(status: number, error: unknown, request: ServeRequest): void {
    if (error === undefined || status < 500) return
    try {
      this.#context.onError?.(error, request)
    } catch {} // it was told; what it makes of it must not end the process
  }
}
