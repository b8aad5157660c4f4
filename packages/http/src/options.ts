import { extname } from 'node:path/posix'
import { anyBoolean, anyString, checkOptions, integer, MAX_TIMER_MS, type OptionSpec, rule } from '@cistern/assets'
import mime from 'mime'

/** How a resource is served. Unknown names are refused with `InvalidOptionError`. */
export interface ServeOptions {
  /** File name that Content-Type is derived from. Default: the last component of the URL's path. */
  readonly name?: string | undefined
  /** Content-Type as it is sent (RFC 9110 section 8.3). Default: by the name, else `application/octet-stream`. */
  readonly contentType?: string | undefined
  /** Last-Modified (RFC 9110 section 8.8.2), in whole seconds; no such header by default. */
  readonly lastModified?: Date | undefined
  /** The URL never gets other bytes: `Cache-Control: public, max-age=31536000, immutable` (RFC 8246). */
  readonly immutable?: boolean | undefined
  /** Cache-Control where `immutable` is not set (RFC 9111 section 5.2). Default `no-cache`: kept, and asked for each time. */
  readonly cacheControl?: string | undefined
  /** Milliseconds to wait for what the headers need, before 503. Default 10,000. Once they are sent, nothing times out. */
  readonly waitMs?: number | undefined
}

/** What holds where an option is absent. */
export const SERVE_DEFAULTS: {
  readonly contentType: string
  readonly cacheControl: string
  readonly waitMs: number
} = Object.freeze({
  contentType: 'application/octet-stream',
  cacheControl: 'no-cache',
  waitMs: 10_000,
})

const IMMUTABLE = 'public, max-age=31536000, immutable'

/** The rules that `checkOptions` goes by. */
export const SERVE_OPTIONS: OptionSpec<ServeOptions> = {
  name: anyString,
  contentType: rule('a media type', isFieldValue),
  lastModified: rule('a valid Date', (value) => value instanceof Date && !Number.isNaN(value.getTime())),
  immutable: anyBoolean,
  cacheControl: rule('a header value', isFieldValue),
  waitMs: integer('milliseconds', 0, MAX_TIMER_MS),
}

/** Throws `InvalidOptionError`, which names `where`. */
export function checkServeOptions(where: string, options: ServeOptions | undefined): ServeOptions {
  return checkOptions<ServeOptions>(where, options, SERVE_OPTIONS)
}

/** By option, else by the name, else by the URL's path. */
export function contentTypeOf({ contentType, name }: ServeOptions, pathname: string): string {
  if (contentType !== undefined) return contentType
  const extension = extname(name ?? pathname)
  return (extension === '' ? null : mime.getType(extension)) ?? SERVE_DEFAULTS.contentType
}

export function cacheControlOf({ immutable, cacheControl }: ServeOptions): string {
  return immutable ? IMMUTABLE : (cacheControl ?? SERVE_DEFAULTS.cacheControl)
}

/** Visible ASCII, spaces and tabs: what can be sent as it is (RFC 9110 section 5.5). */
function isFieldValue(value: unknown): boolean {
  return typeof value === 'string' && /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(value)
}
