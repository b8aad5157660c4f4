import { InvalidKeyError } from '@cistern/storage'
import { anyString, checkOptions, type OptionSpec, rule } from './check-options.js'
import { checkAsset } from './component.js'
import { digest, stamped, unportable } from './portable.js'

/** What of a URL makes its key: options of {@link ResourceKey.fromUrl}. */
export interface KeyFromUrlOptions {
  /** The asset to use, one component. Default: a fingerprint of the URL's origin and directory. */
  readonly asset?: string | undefined
  /** Sets apart what one URL gives in several forms: a language, a bitrate, a content type. */
  readonly variant?: string | undefined
  /**
   * What of the query tells resources apart: all of it as it stands (default), nothing, or the parameters listed, in
   * whatever order they come. Leave out those that only sign or expire.
   */
  readonly query?: 'all' | 'none' | readonly string[] | undefined
}

const URL_OPTIONS: OptionSpec<KeyFromUrlOptions> = {
  asset: anyString,
  variant: anyString,
  query: rule("'all', 'none' or an array of parameter names", isQueryChoice),
}

/** Asset and path of {@link ResourceKey.fromUrl}. */
export function partsOfUrl(
  url: string | URL,
  options?: KeyFromUrlOptions,
): { readonly asset: string; readonly path: string } {
  const { asset, variant, query = 'all' } = checkOptions('ResourceKey.fromUrl', options, URL_OPTIONS)
  if (asset !== undefined) checkAsset(asset)
  const parsed = parse(url)
  const cut = parsed.pathname.lastIndexOf('/') + 1
  // `origin` is 'null' for schemes that the URL standard does not know; user and password are in neither.
  const place = [`${parsed.protocol}//${parsed.host}`, parsed.pathname.slice(0, cut)]
  const file = parsed.pathname.slice(cut)

  const asked = distinguishingQuery(parsed, query)
  // A name that portable() could have written stays; any other gets a fingerprint of how it was spelt, because `a!` and
  // `a%21` read alike once they are escaped.
  const plain = asset === undefined && asked === null && variant === undefined && unportable(file) !== undefined
  const mark = digest('url', file, asset === undefined ? null : place, asked, variant ?? null)
  return { asset: asset ?? digest('place', place), path: plain ? file : stamped(readable(file), mark) }
}

/** The messages show no part of the URL, and carry no cause: Node's keeps the whole input. */
function parse(url: string | URL): URL {
  // Electron's pages have a URL class of their own, so the shape counts.
  const text: unknown = typeof url === 'object' ? url?.href : url
  if (typeof text !== 'string')
    throw new InvalidKeyError(`ResourceKey.fromUrl: a URL or a string is expected, not ${typeof url}`)
  if (!URL.canParse(text)) throw new InvalidKeyError('ResourceKey.fromUrl: this is not an absolute URL')
  const parsed = new URL(text)
  if (parsed.pathname.startsWith('/')) return parsed
  throw new InvalidKeyError(`ResourceKey.fromUrl: a ${parsed.protocol} URL without a path names no file`)
}

/** `null` where there is nothing to tell apart. */
function distinguishingQuery(url: URL, query: 'all' | 'none' | readonly string[]): string | null {
  if (query === 'none' || url.search === '') return null
  if (query === 'all') return url.search
  const listed = [...new Set(query)].sort()
  // Values of one name keep their order: servers read it.
  const pairs = listed.flatMap((name) => url.searchParams.getAll(name).map((value) => [name, value]))
  return pairs.length === 0 ? null : JSON.stringify(pairs)
}

/** The name as a person would write it, where its escapes can be undone. */
function readable(file: string): string {
  try {
    return decodeURIComponent(file)
  } catch {
    return file // a stray `%`: shown as it is
  }
}

function isQueryChoice(value: unknown): boolean {
  if (value === 'all' || value === 'none') return true
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}
