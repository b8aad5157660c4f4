import { inspect } from 'node:util'
import { InvalidKeyError } from '@cistern/storage'
import { checkAsset, checkPath, quoted } from './component.js'
import { type KeyFromUrlOptions, partsOfUrl } from './key-from-url.js'

/**
 * Names one resource: an asset, say a film, and a path in it, say a segment. Both are portable: ASCII letters, digits
 * and `. _ - ~ % + = @ ,` in components of at most 96 bytes, `/` between those of the path, 1,024 bytes in all; no `.`
 * or `..`, no trailing dot, no name of a Windows device, no suffix `.part`, no asset starting `_index`. So a key is a
 * file name that means the same on every system. {@link portable} makes a component of any string.
 *
 * Equal keys have equal ids. Keys are frozen, and cannot be made without these checks.
 */
export class ResourceKey {
  /** One component. */
  readonly asset: string
  /** One component or more, `/` between them. */
  readonly path: string
  /** `asset/path`. */
  readonly id: string
  readonly #checked = true

  static {
    // Not a method, because declarations are made file by file and cannot name a symbol of another module.
    const value = function (this: ResourceKey): string {
      return `ResourceKey(${this.id})`
    }
    Object.defineProperty(ResourceKey.prototype, inspect.custom, { value, configurable: true, writable: true })
  }

  private constructor(asset: string, path: string) {
    checkAsset(asset)
    checkPath(path)
    this.asset = asset
    this.path = path
    this.id = `${asset}/${path}`
    Object.freeze(this)
  }

  /** Throws `InvalidKeyError`, naming the component and the rule it breaks. */
  static of(asset: string, path: string): ResourceKey {
    return new ResourceKey(asset, path)
  }

  /** The key whose `id` this is. Throws `InvalidKeyError`. */
  static parse(id: string): ResourceKey {
    if (typeof id !== 'string') throw new InvalidKeyError(`the id of a key is a string, not ${typeof id}`)
    const slash = id.indexOf('/')
    if (slash < 0) throw new InvalidKeyError(`invalid id ${quoted(id)}: it has no slash between asset and path`)
    return new ResourceKey(id.slice(0, slash), id.slice(slash + 1))
  }

  /**
   * A key for what a URL names. The asset is a fingerprint of origin and directory unless `asset` gives it. The path is
   * the file name with its extension, as it stands where that tells all, so that the files of one directory can refer
   * to each other; else with a fingerprint of what distinguishes it besides: `query`, `variant` and, with `asset`,
   * origin and directory. So one file name under two directories, origins or queries never means one resource.
   *
   * User, password and fragment are ignored; no part of a query and no directory is ever readable in the key.
   * Throws `InvalidKeyError` for what is no URL with a path, `InvalidOptionError` for options it does not know.
   */
  static fromUrl(url: string | URL, options?: KeyFromUrlOptions): ResourceKey {
    const { asset, path } = partsOfUrl(url, options)
    return new ResourceKey(asset, path)
  }

  /** Whether `value` was made, and so checked, by this class: an object of the same shape was not. */
  static isKey(value: unknown): value is ResourceKey {
    return typeof value === 'object' && value !== null && #checked in value
  }

  /** The `id`. */
  toString(): string {
    return this.id
  }
}

/** Throws `InvalidKeyError` unless `key` is a {@link ResourceKey}. `where` is the call, for the message. */
export function checkKey(where: string, key: unknown): asserts key is ResourceKey {
  if (ResourceKey.isKey(key)) return
  throw new InvalidKeyError(`${where}: expected a ResourceKey, as ResourceKey.of(asset, path) makes it`)
}
