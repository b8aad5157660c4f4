import type { IncomingMessage } from 'node:http'
import type { RequestHeaders } from '../conditions.js'

/** What a handler is asked. */
export interface ServeRequest {
  /** As it was sent, in capitals by custom: `GET`. */
  readonly method: string
  /** Of what was asked for. Only `pathname`, `search` and what is made of them say anything: the host is not looked at. */
  readonly url: URL
  /** The path with its percent-encoding resolved, from its first `/`. What comes out of `%2F` is a `/` too. */
  readonly path: string
  /** By name in lower case. */
  readonly headers: RequestHeaders
  /** Aborts when the client leaves before it has its response. */
  readonly signal: AbortSignal
  /** The request of the server itself: what Express and others put there is found on it. */
  readonly incoming: IncomingMessage
}

/** `undefined` for a target that is no URL, or whose percent-encoding is none (RFC 3986 section 2.1). */
export function serveRequestOf(incoming: IncomingMessage, signal: AbortSignal): ServeRequest | undefined {
  const { url: target = '', method = 'GET' } = incoming
  // A target that begins with `//` must not become a host.
  const url = parsed(target.startsWith('/') ? `http://localhost${target}` : target)
  const path = url && decoded(url.pathname)
  if (url === undefined || path === undefined) return undefined
  const headers: RequestHeaders = {
    get: (name) => {
      const value = incoming.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
  }
  return { method, url, path, headers, signal, incoming }
}

function parsed(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

function decoded(pathname: string): string | undefined {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return undefined
  }
}
