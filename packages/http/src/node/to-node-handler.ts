import type { IncomingMessage, ServerResponse } from 'node:http'
import { callable, checkOptions, integer, type OptionSpec } from '@cistern/assets'
import { SERVE_OPTIONS, type ServeOptions } from '../options.js'
import { BufferPool } from './buffer-pool.js'
import { Exchange, type ServeHandle } from './exchange.js'
import type { ServeRequest } from './serve-request.js'

const KIB = 1024

/** Options of `toNodeHandler`. Those of `ServeOptions` hold where an answer brings none of its own. */
export interface NodeHandlerOptions extends ServeOptions {
  /**
   * Bytes of one buffer. Default 512 KiB. A response holds at most two of them, while the client takes what is in them.
   * Up to eight are kept for the next ones.
   */
  readonly bufferBytes?: number | undefined
  /** Told of every error that became a status from 500, or cut a body. What it throws is ignored. */
  readonly onError?: ((error: unknown, request: ServeRequest) => void) | undefined
}

const NODE_HANDLER_OPTIONS: OptionSpec<NodeHandlerOptions> = {
  ...SERVE_OPTIONS,
  bufferBytes: integer('bytes', KIB, 64 * KIB * KIB),
  onError: callable(),
}

/** What `node:http`, Express and `http.createServer` call. Gives nothing and throws nothing. */
export type NodeHandler = (incoming: IncomingMessage, response: ServerResponse, next?: () => void) => void

/**
 * Makes a handler for `node:http`, for Express and what is like it, and for the raw request and reply of Fastify (after
 * `reply.hijack()`). `handle` finds the resource; it is served as {@link serveResource} serves it, without web streams:
 * one buffer is on its way to the client while the next one is read.
 *
 * - `undefined` from `handle` calls `next`, or is 404 where there is none.
 * - What `handle` throws is answered as {@link statusOf} says.
 * - A target that is no URL is 400, and `handle` is not asked.
 * - An error after the headers ends the connection.
 * - A client that leaves closes the reader at once, and aborts `request.signal`.
 *
 * Throws `InvalidOptionError`.
 */
export function toNodeHandler(handle: ServeHandle, options?: NodeHandlerOptions): NodeHandler {
  const checked = checkOptions<NodeHandlerOptions>('toNodeHandler', options, NODE_HANDLER_OPTIONS)
  const { bufferBytes = 512 * KIB, onError, ...defaults } = checked
  const context = { handle, defaults, onError, pool: new BufferPool(bufferBytes) }
  return (incoming, response, next) => {
    void new Exchange(context, incoming, response).run(next)
  }
}
