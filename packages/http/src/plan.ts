import { STATUS_CODES } from 'node:http'
import type { ResourceReader } from '@cistern/assets'
import { failedPrecondition, ifRangeHolds, type RequestHeaders } from './conditions.js'
import { cacheControlOf, contentTypeOf, SERVE_DEFAULTS, type ServeOptions } from './options.js'
import { Patience, WaitedTooLong } from './patience.js'
import { type AskedRange, type BodyRange, parseRange, type Resolved, resolveRange } from './ranges.js'
import { statusOf } from './status.js'
import { type Validators, validatorsOf } from './validators.js'

/** What a plan goes by. */
export interface PlannedRequest {
  readonly method: string
  /** Of the URL, as it stands there. */
  readonly pathname: string
  readonly headers: RequestHeaders
  /** Aborts when the client has left. */
  readonly signal: AbortSignal
}

/** A response but for the bytes. */
export interface ResponsePlan {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The generation that all of this is true of; `undefined` for a refusal. */
  readonly generation: string | undefined
  /** Bytes of the resource to be sent; `undefined`: none. */
  readonly body: BodyRange | undefined
  /** Text to be sent instead. */
  readonly text: string | undefined
  /** Why it is a refusal, where an error made it one. */
  readonly error: unknown
}

type Headers = Record<string, string>
/** One that has bytes to send. */
type Sendable = Extract<Resolved, { readonly kind: 'whole' | 'part' }>

/**
 * What to answer, by the resource as it stands when this resolves: preconditions first (RFC 9110 section 13.2.2), then
 * If-Range and Range (sections 13.1.5 and 14.2), then the wait for the first byte. Reads nothing and closes nothing.
 * Rejects with nothing but the signal's reason.
 */
export async function planResponse(
  request: PlannedRequest,
  reader: ResourceReader,
  options: ServeOptions,
): Promise<ResponsePlan> {
  request.signal.throwIfAborted()
  if (request.method !== 'GET' && request.method !== 'HEAD') return refusal(405, request, { Allow: 'GET, HEAD' })
  try {
    return await planFor(request, reader, options)
  } catch (error) {
    return refusalFor(error, request)
  }
}

/** The refusal that says what `error` says. Throws the signal's reason where the client has left. */
export function refusalFor(error: unknown, request: PlannedRequest): ResponsePlan {
  request.signal.throwIfAborted()
  const status = error instanceof WaitedTooLong ? 503 : statusOf(error)
  return { ...refusal(status, request), error }
}

/** A short text, which says no more than its status does, and which nobody keeps. */
export function refusal(status: number, { method }: Pick<PlannedRequest, 'method'>, more: Headers = {}): ResponsePlan {
  const text = `${STATUS_CODES[status] ?? status}\n`
  const headers: Headers = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(text.length),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...more,
  }
  if (status === 503) headers['Retry-After'] = '1' // RFC 9110 section 10.2.3, in seconds
  return {
    status,
    headers,
    generation: undefined,
    body: undefined,
    text: method === 'HEAD' ? undefined : text,
    error: undefined,
  }
}

async function planFor(request: PlannedRequest, reader: ResourceReader, options: ServeOptions): Promise<ResponsePlan> {
  if (reader.status.state === 'failed') throw reader.status.error
  const isHead = request.method === 'HEAD'
  using patience = new Patience(options.waitMs ?? SERVE_DEFAULTS.waitMs, request.signal)
  for (;;) {
    // Anew after every wait: until a byte of it is read, another generation may take over.
    const { generation } = reader
    const validators = validatorsOf(generation, options.lastModified)
    const failed = failedPrecondition(request.headers, validators)
    if (failed === 412) return refusal(412, request)
    const headers = cacheHeaders(validators, options)
    if (failed === 304) return { ...empty, status: 304, headers, generation }

    const resolved =
      isHead && reader.length !== undefined
        ? wholeOf(reader.length)
        : resolveRange(askedRange(request, validators), reader)
    if (resolved.kind === 'wait-length') await reader.waitLength({ signal: patience.signal })
    else if (resolved.kind === 'wait-range') {
      await reader.waitRange(resolved.start, resolved.end, { signal: patience.signal })
    } else if (resolved.kind === 'unsatisfiable') {
      return refusal(416, request, { 'Accept-Ranges': 'bytes', 'Content-Range': `bytes */${resolved.length}` })
    } else {
      const status = resolved.kind === 'part' ? 206 : 200
      Object.assign(headers, bodyHeaders(resolved, reader.length), contentHeaders(request, options))
      return { ...empty, status, headers, generation, body: isHead ? undefined : resolved.range }
    }
  }
}

const empty = { body: undefined, text: undefined, error: undefined } as const

/** Only a GET has one: there is none for a HEAD (RFC 9110 section 14.2). */
function askedRange({ method, headers }: PlannedRequest, validators: Validators): AskedRange | undefined {
  const asked = method === 'GET' ? parseRange(headers.get('range')) : undefined
  return asked && ifRangeHolds(headers, validators) ? asked : undefined
}

/** What a 200, a 206 and a 304 have in common (RFC 9110 section 15.4.5). */
function cacheHeaders({ etag, modified }: Validators, options: ServeOptions): Headers {
  const headers: Headers = { ETag: etag, 'Cache-Control': cacheControlOf(options) }
  if (modified !== undefined) headers['Last-Modified'] = new Date(modified).toUTCString()
  return headers
}

/** Content-Length where it is known, and Content-Range with `*` for a length that is not (RFC 9110 section 14.4). */
function bodyHeaders({ kind, range: { start, end } }: Sendable, length: number | undefined): Headers {
  if (end === undefined) return {}
  const headers: Headers = { 'Content-Length': String(end - start) }
  if (kind === 'part') headers['Content-Range'] = `bytes ${start}-${end - 1}/${length ?? '*'}`
  return headers
}

/** `nosniff`: a browser takes the type for what it is (WHATWG Fetch, section 3.6). */
function contentHeaders({ pathname }: PlannedRequest, options: ServeOptions): Headers {
  return {
    'Content-Type': contentTypeOf(options, pathname),
    'Accept-Ranges': 'bytes',
    'X-Content-Type-Options': 'nosniff',
  }
}

/** What a HEAD is answered from where the length is known: it needs no byte. */
function wholeOf(length: number): Sendable {
  return { kind: 'whole', range: { start: 0, end: length } }
}
