import { callable, checkOptions, integer, MAX_TIMER_MS, type OptionSpec, type Rule, rule } from '@cistern/assets'
import { InvalidOptionError } from '@cistern/storage'
import { type HttpFetch, nodeFetch } from './fetch.js'

/** Options of `httpSource`. */
export interface HttpSourceOptions {
  /** Makes the requests. Default: `nodeFetch`. It must not follow redirects by itself. */
  readonly fetch?: HttpFetch | undefined
  /**
   * Headers of each request. Another origin that a redirect leads to gets Accept, Accept-Language and User-Agent only.
   * Range, If-Range and Accept-Encoding are the source's own.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Attempts after the first for one and the same bytes, from 0. Default: what the filler does, 3. */
  readonly retries?: number | undefined
  /** Milliseconds until the headers must be there, redirects included; `Infinity`: no limit. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds without a byte of the body while somebody waits for one; `Infinity`: no limit. Default 15,000. */
  readonly stallTimeoutMs?: number | undefined
  /** Milliseconds for all of it, pauses of whoever reads included. Default `Infinity`: no limit. */
  readonly totalTimeoutMs?: number | undefined
  /** Redirects that are followed, from 0. Default 5. */
  readonly maxRedirects?: number | undefined
  /**
   * Looks at an answer that is what was asked for by its status and range: `false` refuses it for good. For origins that
   * send a page of theirs with status 200 where a file was asked for.
   */
  readonly accept?: ((answer: HttpAnswerKind) => boolean) | undefined
}

/** What {@link HttpSourceOptions.accept} is asked about. */
export interface HttpAnswerKind {
  /** 200 or 206. */
  readonly status: number
  /** As the server says it; `undefined` where it does not. */
  readonly contentType: string | undefined
}

const ours = ['range', 'if-range', 'accept-encoding']

const timeout: Rule<number> = rule(
  `a whole number of milliseconds from 1 to ${MAX_TIMER_MS}, or Infinity`,
  (value) =>
    value === Number.POSITIVE_INFINITY ||
    (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_TIMER_MS),
)

const spec: OptionSpec<HttpSourceOptions> = {
  fetch: callable<HttpFetch>(),
  headers: rule(
    `an object of header names and values without ${ours.join(', ')}`,
    (value) => areHeaders(value) && !ours.some((name) => new Headers(value).has(name)),
  ),
  retries: integer('attempts', 0),
  connectTimeoutMs: timeout,
  stallTimeoutMs: timeout,
  totalTimeoutMs: timeout,
  maxRedirects: integer('redirects', 0),
  accept: callable<NonNullable<HttpSourceOptions['accept']>>(),
}

/** Options after the check, with what holds where they are absent. */
export interface HttpSettings {
  readonly fetch: HttpFetch
  readonly headers: Readonly<Record<string, string>>
  readonly retries: number | undefined
  readonly connectTimeoutMs: number
  readonly stallTimeoutMs: number
  readonly totalTimeoutMs: number
  readonly maxRedirects: number
  readonly accept: (answer: HttpAnswerKind) => boolean
}

export function httpSettings(options: HttpSourceOptions | undefined): HttpSettings {
  const checked = checkOptions('httpSource', options, spec)
  return {
    fetch: checked.fetch ?? nodeFetch,
    // Names come out in lower case, and each once.
    headers: Object.fromEntries(new Headers({ ...checked.headers })),
    retries: checked.retries,
    connectTimeoutMs: checked.connectTimeoutMs ?? 10_000,
    stallTimeoutMs: checked.stallTimeoutMs ?? 15_000,
    totalTimeoutMs: checked.totalTimeoutMs ?? Number.POSITIVE_INFINITY,
    maxRedirects: checked.maxRedirects ?? 5,
    accept: checked.accept ?? (() => true),
  }
}

/** The messages show no part of the URL, which may be a secret as a whole. */
export function checkUrl(url: string | URL): URL {
  // A URL of another realm is none by its class.
  const text: unknown = typeof url === 'object' ? url?.href : url
  if (typeof text !== 'string' || !URL.canParse(text)) {
    throw new InvalidOptionError('httpSource: the first argument must be an absolute URL')
  }
  const parsed = new URL(text)
  if (parsed.protocol === 'http:' || parsed.protocol === 'https:') return parsed
  throw new InvalidOptionError(`httpSource: the URL must be of http or https, got ${parsed.protocol}`)
}

function areHeaders(value: unknown): value is Record<string, string> {
  if (Object.prototype.toString.call(value) !== '[object Object]') return false
  if (!Object.values(value as object).every((item) => typeof item === 'string')) return false
  try {
    new Headers(value as Record<string, string>)
    return true
  } catch {
    return false // a name or a value that no header can have
  }
}
