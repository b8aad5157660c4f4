import { SourceError, type SourceErrorOptions } from '@cistern/storage'
import type { Source, SourceRequest, SourceResponse } from '../source.js'
import { Exchange } from './exchange.js'
import { discard, type HttpAnswer } from './fetch.js'
import { HttpBody } from './http-body.js'
import { checkUrl, type HttpSettings, type HttpSourceOptions, httpSettings } from './http-options.js'
import { type Proven, prove } from './http-proof.js'
import { ifRangeOf } from './http-validator.js'
import { forwarded, isRedirect, redirected } from './redirects.js'
import { checkRequest } from './request.js'
import { retryAfterMs } from './retry-after.js'

/**
 * A file on an HTTP server, fetched by ranges; HEAD is never asked. An answer is handed out only after its status,
 * Content-Range, Content-Length and coding have proved that its body is what was asked for, from the position that it
 * says (RFC 9110 14 and 15). A server that knows no ranges is read from 0. What begins behind the last byte is answered
 * with nothing, and with the total. A body without any length is over where the server says so.
 *
 * Rejects with `SourceError`. `transient` are failures of the network, time-outs, bodies that end early, and the statuses
 * 408, 425, 429 and 5xx without 501 and 505. User and password in the URL are sent to its own origin only, and redirects
 * from https to http are refused. Throws `InvalidOptionError`.
 */
export function httpSource(url: string | URL, options?: HttpSourceOptions): Source {
  return new HttpSource(checkUrl(url), httpSettings(options))
}

class HttpSource implements Source {
  readonly origin: string
  readonly retries: number | undefined
  readonly #url: URL
  readonly #settings: HttpSettings
  /** The caller's own, for the first origin. */
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: URL, settings: HttpSettings) {
    this.origin = url.origin
    this.retries = settings.retries
    this.#headers = { ...credentialsOf(url), ...settings.headers }
    this.#settings = settings
    this.#url = new URL(url)
    this.#url.username = '' // fetch refuses URLs that have them
    this.#url.password = ''
  }

  async open(request: SourceRequest): Promise<SourceResponse> {
    checkRequest('httpSource', request)
    const { connectTimeoutMs, stallTimeoutMs, totalTimeoutMs } = this.#settings
    const late = (what: string, ms: number): SourceError =>
      this.#failed(`${what} did not come within ${ms} ms`, { reason: 'timeout', transient: true })
    const exchange = new Exchange(request.signal, totalTimeoutMs, late)
    try {
      const ifRange = ifRangeOf(request.validator)
      const answer = await exchange.within(this.#ask(request, ifRange, exchange.signal), 'headers', connectTimeoutMs)
      const proven = this.#proven(answer, request, ifRange !== undefined)
      const { start, end } = proven
      const body = new HttpBody(exchange, answer.body, {
        length: end === undefined ? undefined : end - start,
        measured: answer.headers.get('content-length') !== null,
        stallTimeoutMs,
        failed: (message, options) => this.#failed(message, options),
        lost: (error) => this.#lost(error),
      })
      return { ...proven, body }
    } catch (error) {
      exchange.end()
      throw error
    }
  }

  /** The answer at the end of all redirects, whatever it is. */
  async #ask(request: SourceRequest, ifRange: string | undefined, signal: AbortSignal): Promise<HttpAnswer> {
    const { maxRedirects } = this.#settings
    const own = rangeHeaders(request, ifRange)
    let url = this.#url
    let headers = this.#headers
    for (let hops = 0; ; hops++) {
      const answer = await this.#fetch(url, { ...headers, ...own }, signal)
      if (!isRedirect(answer.status)) return answer
      discard(answer)
      const { status } = answer
      if (hops === maxRedirects) throw this.#failed(`more than ${maxRedirects} redirects`, { status })
      const redirect = redirected(url, answer.headers.get('location'))
      if ('refused' in redirect) throw this.#failed(redirect.refused, { status })
      headers = forwarded(headers, url, redirect.to)
      url = redirect.to
    }
  }

  async #fetch(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<HttpAnswer> {
    let answer: HttpAnswer
    try {
      answer = await this.#settings.fetch(url.href, { method: 'GET', headers, redirect: 'manual', signal })
    } catch (error) {
      throw this.#lost(error)
    }
    if (!signal.aborted) return answer
    discard(answer) // it did not listen, and nobody does any more
    throw signal.reason
  }

  #proven(answer: HttpAnswer, request: SourceRequest, conditional: boolean): Proven {
    const { status, headers } = answer
    if (status !== 200 && status !== 206 && status !== 416) {
      const transient = isTransient(status)
      throw this.#failed(`status ${status}`, {
        reason: 'status',
        status,
        transient,
        retryAfterMs: retryAfterMs(headers),
      })
    }
    const proof = prove(answer, request, conditional)
    if ('refused' in proof) throw this.#failed(proof.refused, { status })
    const { contentType } = proof.proven
    if (status !== 416 && !this.#settings.accept({ status, contentType })) {
      throw this.#failed(`not accepted: status ${status}, ${contentType ?? 'no content type'}`, { status })
    }
    return proof.proven
  }

  /** `response` and permanent, unless said otherwise. */
  #failed(message: string, options: SourceErrorOptions): SourceError {
    return new SourceError(`${this.origin}${this.#url.pathname}: ${message}`, options)
  }

  #lost(error: unknown): SourceError {
    const { code, message } = rootOf(error)
    const reason = /TIMEOUT|TIMEDOUT/.test(code) ? 'timeout' : 'network'
    return this.#failed(`connection failed or lost: ${code || message}`, { reason, transient: true, cause: error })
  }
}

function rangeHeaders({ start, end }: SourceRequest, ifRange: string | undefined): Record<string, string> {
  return {
    range: `bytes=${start}-${end === undefined ? '' : end - 1}`, // always: that proves whether the server knows ranges
    'accept-encoding': 'identity',
    ...(ifRange === undefined ? {} : { 'if-range': ifRange }),
  }
}

function isTransient(status: number): boolean {
  return [408, 425, 429].includes(status) || (status >= 500 && status !== 501 && status !== 505)
}

/** RFC 7617. */
function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${unescaped(username)}:${unescaped(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // a stray `%`: as it stands
  }
}

/** What fetch throws says only that it failed; why is in its cause. */
function rootOf(error: unknown): { readonly code: string; readonly message: string } {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error
  const code = (cause as { code?: unknown } | null | undefined)?.code
  return {
    code: typeof code === 'string' ? code : '',
    message: cause instanceof Error ? cause.message : 'for a reason that was not said',
  }
}
